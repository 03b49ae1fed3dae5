"""The batches of all workers, one after the other, are the whole batches."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data import load
from keras_nas.data.pipeline import Training
from keras_nas.data.pipeline import training_batches
from keras_nas.data.reading import Examples
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
    ("augment", "workers"), [("none", 2), ("flip_crop", 3), ("flip_color", 2)]
)
def test_shares_make_up_the_whole_batch(augment, workers):
    random = np.random.default_rng(0)
    images = random.integers(256, size=(20, 8, 8, 3), dtype="uint8")
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(20)))
    examples = Examples(dataset, count=20, window=21)
    whole = Training(batch_size=6, augment=augment, seed=3)
    shares = [
        dataclasses.replace(whole, input_context=_context(i, workers))
        for i in range(workers)
    ]
    expected = _joined([training_batches(examples, whole)])
    assert len(expected) == 3
    assert expected[0][0].shape == (6, 8, 8, 3)
    joined = _joined([training_batches(examples, share) for share in shares])
    _assert_same(joined, expected)


def test_shares_of_streams_of_random_parts(tiny_dir):
    kwargs = {
        "crop": "inception",
        "augment": "flip_color",
        "architecture_share": 0.5,
    }
    whole = _load(tiny_dir, **kwargs)
    shares = [
        _load(tiny_dir, input_context=_context(i, 2), **kwargs) for i in (0, 1)
    ]
    assert shares[0].cardinalities == whole.cardinalities
    assert shares[0].steps("train") == whole.steps("train") == 3
    # Two epochs.
    streams = [x.stream("architecture", 1).take(2) for x in (whole, *shares)]
    _assert_same(_joined(streams[1:]), _joined(streams[:1]))
    policies = tf.data.experimental.AutoShardPolicy
    share = shares[1]
    assert (
        _policy(share.train) == _policy(share.stream("train")) == policies.OFF
    )
    assert _policy(whole.train) == policies.DATA
    for data in (whole, share):  # Evaluation is left to be sharded.
        assert _policy(data.validation) == _policy(data.test) == policies.DATA
    labels = np.concatenate([labels for _, labels in share.test])
    assert sorted(labels) == list(range(50, 62))


def _policy(batches):
    return batches.options().experimental_distribute.auto_shard_policy


def test_batches_that_cannot_be_shared_are_refused(tiny_dir):
    with pytest.raises(ValueError, match="`batch_size`.*multiple of 4"):
        _load(tiny_dir, input_context=_context(0, 4))
    with pytest.raises(ValueError, match="`input_context`.*Received"):
        _load(tiny_dir, input_context=(0, 2))
