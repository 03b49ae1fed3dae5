import types

import pytest
import tensorflow_datasets as tfds

from keras_nas.data.splits import complete_splits
from keras_nas.data.splits import default_splits


def _info(**shard_lengths):
    template = tfds.core.ShardedFileTemplate(
        dataset_name="invented", data_dir="/none", filetype_suffix="tfrecord"
    )
    splits = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=lengths,
            num_bytes=0,
            filename_template=template.replace(split=name),
        )
        for name, lengths in shard_lengths.items()
    ]
    return types.SimpleNamespace(
        name="invented", splits=tfds.core.SplitDict(splits)
    )


@pytest.fixture
def info():
    return _info(train=[30, 30, 40], test=[10, 10], validation=[20])


def test_named_splits_are_taken_as_they_are():
    info = _info(search=[1], train=[1], validation=[1], test=[1])
    assert default_splits(info)["search"] == "search"
    assert default_splits(info)["validation"] == "validation"


def test_foreign_defaults_are_disjoint_parts_of_train(info):
    splits = complete_splits(info, None, default_splits(info))
    assert splits == {
        "search": "train[:45%]",
        "train": "train[45%:90%]",
        "validation": "train[90%:]",
        "test": "test",
    }
    sizes = [info.splits[split].num_examples for split in splits.values()]
    assert sizes == [45, 45, 10, 20]


def test_validation_stands_in_for_a_missing_or_unlabelled_test(info):
    labelled = default_splits(info, lambda split: split != "test")
    assert labelled["test"] == "validation"
    assert default_splits(_info(train=[9], validation=[9]))["test"] == (
        "validation"
    )


def test_choices_override_defaults(info):
    chosen = {"train": "train[:90%]", "validation": "validation"}
    splits = complete_splits(info, chosen, default_splits(info))
    assert splits["train"] == "train[:90%]"
    assert splits["validation"] == "validation"
    assert splits["test"] == "test"


@pytest.mark.parametrize(
    "chosen",
    [
        {"test": "train[:1%]"},
        {"test": "train"},
        {"test": "test+train[99%:]"},
        {"train": "train+test[:1]"},
        {"validation": "test[19:]"},
        {"search": "train[59:61]", "test": "train[60:62]"},
        {"test": "all"},
    ],
)
def test_a_test_split_that_overlaps_is_refused(info, chosen):
    with pytest.raises(ValueError, match="shares no example.*overlap"):
        complete_splits(info, chosen, default_splits(info))


def test_touching_ranges_do_not_overlap(info):
    chosen = {
        "search": "train[:30]",
        "train": "train[30:60]",
        "validation": "test[:5]",
        "test": "train[60:]+test[5:]",
    }
    assert complete_splits(info, chosen, {}) == chosen


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"tests": "test"}, r"Expected the keys.*'test'\].*\['tests'\]"),
        ({"test": "tst"}, "'tst' cannot be read"),
        ({"test": "test[:5%"}, "cannot be read"),
        ({"test": None}, "not None"),
        ({"test": "test[:0]"}, "has none"),
        ("train", "Expected a dictionary"),
    ],
)
def test_bad_splits_are_refused(info, chosen, message):
    with pytest.raises(ValueError, match=message) as error:
        complete_splits(info, chosen, default_splits(info))
    assert "Invalid value received for argument `splits`" in str(error.value)


def test_roles_without_a_default_must_be_given():
    info = _info(training=[10], test=[10])
    with pytest.raises(ValueError, match="'search', 'train', 'validation'"):
        complete_splits(info, None, default_splits(info))
