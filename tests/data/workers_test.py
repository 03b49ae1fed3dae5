"""The batches of all workers, one after the other, are the whole batches."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data import load
from keras_nas.data.pipeline import Training
from keras_nas.data.pipeline import training_stream
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

    def stream(context):
        return training_stream(examples, 0, whole, context).take(5)

    expected = _joined([stream(None)])
    assert expected[0][0].shape == (6, 8, 8, 3)
    joined = _joined([stream(_context(i, workers)) for i in range(workers)])
    _assert_same(joined, expected)


def test_shares_of_streams_of_random_parts(tiny_dir):
    kwargs = {
        "crop": "inception",
        "augment": "flip_color",
        "architecture_share": 0.5,
    }
    whole = _load(tiny_dir, **kwargs)
    contexts = [_context(worker, 2) for worker in (0, 1)]
    for split, batches in (("train", 4), ("architecture", 2)):
        expected = _joined([whole.stream(split, 1).take(batches)])
        streams = [whole.stream(split, 1, c).take(batches) for c in contexts]
        _assert_same(_joined(streams), expected)
        epochs = [whole.epoch(split, 1, context) for context in contexts]
        assert len(epochs[0]) == whole.steps(split)
        _assert_same(_joined(epochs), expected[: whole.steps(split)])


def test_only_evaluation_is_left_to_be_sharded(tiny_dir):
    policies = tf.data.experimental.AutoShardPolicy
    data = _load(tiny_dir)

    def policy(batches):
        return batches.options().experimental_distribute.auto_shard_policy

    assert policy(data.stream("search", 0, _context(1, 2))) == policies.OFF
    for batches in (
        data.stream("search"),
        data.train,
        data.validation,
        data.test,
    ):
        assert policy(batches) == policies.DATA


def test_batches_that_cannot_be_shared_are_refused(tiny_dir):
    with pytest.raises(ValueError, match="`input_context`.*4 workers"):
        _load(tiny_dir).stream("train", 0, _context(0, 4))
