"""The batches of all workers, one after the other, are the whole batches."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data import load
from tests.data.tiny_builder import RAMPS

SETTINGS = {"image_size": 8, "batch_size": 6, "seed": 3}


def _context(worker, workers):
    return tf.distribute.InputContext(workers, worker, workers)


def _load(folder, **kwargs):
    return load(RAMPS, data_dir=folder, **SETTINGS, **kwargs)


def _joined(batches):
    """Returns the batches of all workers, joined step by step."""
    steps = zip(*(b.as_numpy_iterator() for b in batches), strict=True)
    return [
        [np.concatenate(parts) for parts in zip(*step, strict=True)]
        for step in steps
    ]


def _assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("crop", "augment", "workers"),
    [
        ("resize", "flip_crop", 3),
        ("resize", "flip_color", 2),
        ("inception", "flip_color", 2),
    ],
)
def test_shares_make_up_the_whole_batch(tiny_dir, crop, augment, workers):
    kwargs = {"crop": crop, "augment": augment}
    whole = _load(tiny_dir, **kwargs)
    shares = [
        _load(tiny_dir, input_context=_context(i, workers), **kwargs)
        for i in range(workers)
    ]
    joined = _joined([share.train for share in shares])
    assert len(joined) == whole.steps("train") == shares[0].steps("train") == 3
    _assert_same(joined, _joined([whole.train]))
    joined = _joined([share.stream("train", 1).take(4) for share in shares])
    expected = _joined([whole.stream("train", 1).take(4)])
    assert expected[0][0].shape == (6, 8, 8, 3)
    _assert_same(joined, expected)


def test_examples_for_the_architecture_are_shared_too(tiny_dir):
    kwargs = {"architecture_share": 0.5}
    whole = _load(tiny_dir, **kwargs)
    shares = [
        _load(tiny_dir, input_context=_context(i, 2), **kwargs) for i in (0, 1)
    ]
    assert shares[0].cardinalities == whole.cardinalities
    for split in ("search", "architecture"):
        joined = _joined([share.stream(split).take(2) for share in shares])
        _assert_same(joined, _joined([whole.stream(split).take(2)]))


def test_only_evaluation_is_left_to_be_sharded(tiny_dir):
    policies = tf.data.experimental.AutoShardPolicy
    whole = _load(tiny_dir)
    share = _load(tiny_dir, input_context=_context(1, 2))

    def policy(batches):
        return batches.options().experimental_distribute.auto_shard_policy

    assert policy(share.train) == policy(share.stream("search")) == policies.OFF
    for data, split in itertools.product(
        (whole, share), ("validation", "test")
    ):
        assert policy(getattr(data, split)) == policies.DATA
    assert policy(whole.train) == policies.DATA
    labels = np.concatenate([labels for _, labels in share.test])
    assert sorted(labels) == list(range(50, 62))


def test_batches_that_cannot_be_shared_are_refused(tiny_dir):
    with pytest.raises(ValueError, match="`batch_size`.*multiple of 4"):
        _load(tiny_dir, input_context=_context(0, 4))
    with pytest.raises(ValueError, match="`input_context`.*Received"):
        _load(tiny_dir, input_context=(0, 2))
