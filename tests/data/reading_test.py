"""Damaged records and images are left out; epochs keep their length."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data import load
from tests.data import tiny_builder
from tests.data.tiny_builder import RAMPS
from tests.data.tiny_builder import TRAIN

CROPS = ("resize", "inception")


def _load(folder, crop="resize", batch_size=8):
    return load(
        RAMPS,
        splits={"search": "train", "train": "train"},
        image_size=8,
        batch_size=batch_size,
        data_dir=folder,
        crop=crop,
    )


def _labels(batches):
    return [labels.tolist() for _, labels in batches.as_numpy_iterator()]


@pytest.fixture
def folder(tmp_path):
    """Folder of a data set of its own, in four files of ten examples."""
    return tiny_builder.prepare(tmp_path, RAMPS, shards=4)


@pytest.mark.parametrize(
    ("crop", "batch_size"), [("resize", 8), ("inception", 15)]
)
def test_damage_is_left_out_and_epochs_keep_their_length(
    folder, capfd, crop, batch_size
):
    files = tiny_builder.files_of(folder, "train")
    tiny_builder.break_image(files[0], 0)
    tiny_builder.break_record(files[2])
    data = _load(folder, crop, batch_size)
    steps = TRAIN // batch_size
    assert data.steps("train") == data.train.cardinality() == steps
    assert data.cardinalities["train"] == TRAIN
    capfd.readouterr()
    epoch = _labels(data.train)
    told = capfd.readouterr().err
    assert len(epoch) == steps
    counts = collections.Counter(sum(epoch, []))
    # One image, and six of the ten examples of the damaged file.
    readable = 33
    assert len(counts) == min(readable, steps * batch_size)
    lost = 7 if crop == "resize" else 6
    assert told.count("WARNING: left out") == 1
    assert f"left out {lost} of 40 examples of tiny_for_tests, train" in told


@pytest.mark.parametrize("crop", CROPS)
def test_epochs_of_a_damaged_stream_begin_where_they_should(folder, crop):
    files = tiny_builder.files_of(folder, "train")
    tiny_builder.break_image(files[0], 3)
    tiny_builder.break_record(files[2])
    data = _load(folder, crop)
    stream = list(data.stream("train").take(15).as_numpy_iterator())
    rest = list(data.stream("train", 2).take(5).as_numpy_iterator())
    for (images, labels), (others, same) in zip(stream[10:], rest, strict=True):
        np.testing.assert_array_equal(labels, same)
        np.testing.assert_array_equal(images, others)


@pytest.mark.parametrize("crop", CROPS)
def test_evaluation_leaves_damage_out(folder, crop):
    first, *others = tiny_builder.files_of(folder, "test")
    tiny_builder.break_image(first, 1)
    data = _load(folder, crop, 5)
    labels = _labels(data.test)
    assert [len(batch) for batch in labels] == [5, 5, 1]
    assert len(set(sum(labels, []))) == 11
    assert data.test.cardinality() == data.steps("test") == 3
    for file in others:
        tiny_builder.break_image(file, 0)
    tiny_builder.break_image(first, 2)
    labels = _labels(_load(folder, crop, 4).test)
    assert [len(batch) for batch in labels] == [4, 3, 4]
    assert labels[0] == labels[2]


def test_a_first_image_that_is_broken_is_no_reason_to_refuse(folder):
    for file in tiny_builder.files_of(folder, "train"):
        tiny_builder.break_image(file, 0)
    assert len(_labels(_load(folder).train)) == 5


def test_data_of_which_nothing_can_be_read_are_refused(folder):
    for file in tiny_builder.files_of(folder, "train"):
        for number in range(10):
            tiny_builder.break_image(file, number)
    with pytest.raises(ValueError, match="'train' cannot be read, not one"):
        _load(folder)


def test_files_that_are_gone_are_no_endless_loop(folder):
    data = _load(folder)
    files = tiny_builder.files_of(folder, "train")
    files[0].unlink()
    labels = sum(_labels(data.train), [])
    assert len(labels) == TRAIN  # In place of some, others again.
    assert 0 < len(set(labels)) <= 30
    data = _load(tiny_builder.prepare(folder + "/other", RAMPS))
    for file in tiny_builder.files_of(folder + "/other", "train"):
        file.unlink()
    with pytest.raises(tf.errors.FailedPreconditionError, match="expected to"):
        _labels(data.stream("train").take(1))
