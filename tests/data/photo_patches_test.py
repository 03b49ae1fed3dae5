import os

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_nas.data import PhotoPatches
from keras_nas.data import load
from keras_nas.data.patches import PATCHES_PER_CLASS
from keras_nas.data.patches import draw_patches
from keras_nas.data.photographs import PHOTOGRAPHS
from keras_nas.data.photographs import read_photograph


def test_description_states_task_sources_and_licences(photo_dir):
    info = PhotoPatches(data_dir=photo_dir).info
    assert "which photograph a\npatch is from" in info.description
    for photograph in PHOTOGRAPHS:
        line = f"{photograph.name}: {photograph.source} ({photograph.licence})"
        assert line in info.description


@pytest.mark.parametrize("split", PATCHES_PER_CLASS)
def test_splits_are_balanced(photo_dir, split):
    examples = PhotoPatches(data_dir=photo_dir).as_dataset(
        split=split, decoders={"image": tfds.decode.SkipDecoding()}
    )
    labels = [example["label"] for example in examples.as_numpy_iterator()]
    expected = np.full(10, PATCHES_PER_CLASS[split])
    np.testing.assert_array_equal(np.bincount(labels), expected)


def test_files_hold_the_patches_that_are_drawn(photo_dir):
    examples = PhotoPatches(data_dir=photo_dir).as_dataset(split="validation")
    stored = sorted(
        example["image"].tobytes()
        for example in examples.as_numpy_iterator()
        if example["label"] == 9
    )
    pixels = read_photograph(PHOTOGRAPHS[9])
    drawn = draw_patches(pixels, 9, "validation")
    assert stored == sorted(image.tobytes() for image in drawn)


def test_a_second_load_prepares_nothing(photo_dir):
    def times():
        return {
            entry.path: entry.stat().st_mtime_ns
            for folder, _, _ in os.walk(photo_dir)
            for entry in os.scandir(folder)
        }

    before = times()
    data = load(data_dir=photo_dir)
    assert times() == before
    assert data.cardinalities == {
        split: 10 * count for split, count in PATCHES_PER_CLASS.items()
    }
