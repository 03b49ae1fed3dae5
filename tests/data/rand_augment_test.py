"""RandAugment: the same for the same seed, and another for each image."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data import rand_augment as module
from keras_nas.data.pipeline import Training
from keras_nas.data.pipeline import training_stream
from keras_nas.data.rand_augment import rand_augment
from keras_nas.data.reading import Examples

SEED = tf.constant([3, 4], tf.int64)


def _images(count, channels=3):
    random = np.random.default_rng(0)
    shape = (count, 8, 8, channels)
    return tf.constant(random.integers(256, size=shape, dtype="uint8"))


def _seeds(count, change=0):
    return tf.random.experimental.stateless_split(SEED + change, count)


def _named(name):
    operations = module._operations(3)
    return [x for x in operations if type(x).__name__ == name]


def _drawn(name, key, number=0):
    """Returns what 500 images draw of a layer."""
    layer = _named(name)[number]
    images = tf.zeros((500, 8, 8, 3))
    change = layer.get_random_transformation(images, seed=module._Draws(SEED))
    return np.array(change[key]).reshape(500, -1).astype("float64")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_depend_on_the_seed_only(channels):
    images = _images(16, channels)
    first, other = (rand_augment(images, _seeds(16, i)) for i in (0, 1))
    np.testing.assert_array_equal(first, rand_augment(images, _seeds(16)))
    part = rand_augment(images[4:8], _seeds(16)[4:8])
    np.testing.assert_array_equal(first[4:8], part)
    assert first.dtype == tf.float32 and first.shape == images.shape
    assert np.min(first) >= 0 and np.max(first) <= 255
    assert (np.array(first) != np.array(other)).any()


def test_each_image_draws_its_own_operations():
    images = tf.repeat(_images(1), 64, axis=0)
    augmented = np.array(rand_augment(images, _seeds(64))).reshape(64, -1)
    assert len(np.unique(augmented.round(2), axis=0)) > 32


@pytest.mark.parametrize(
    "name, key, number, low, high",
    [
        ("RandomContrast", "contrast_factor", 0, 0.1, 1.9),
        ("RandomColorDegeneration", "factor", 0, -0.9, 0.9),
        ("RandomSharpness", "factor", 0, 0.05, 0.95),
        ("RandomRotation", "angle", 0, -30, 30),
        ("RandomBrightness", "rgb_delta", 0, -76.5, 76.5),
        ("Solarization", "thresholds", 0, 0, 255),
        ("RandomPosterization", "shift_factor", 0, 0, 4),
    ],
)
def test_strengths_reach_both_ends(name, key, number, low, high):
    values = _drawn(name, key, number)
    slack = 0.05 * (high - low)
    assert low - 1e-4 <= values.min() <= low + slack
    assert high - slack <= values.max() <= high + 1e-4


@pytest.mark.parametrize(
    "name, key, reach",
    [
        ("RandomShear", "shear_factor", 0.3),
        ("RandomTranslation", "translations", 8 * 150 / 331),
    ],
)
def test_moves_are_along_one_axis_and_to_both_sides(name, key, reach):
    axes = []
    for number in (0, 1):
        values = _drawn(name, key, number)
        (axis,) = np.flatnonzero(np.abs(values).max(0))
        axes.append(axis)
        assert -reach <= values.min() < -0.9 * reach
        assert 0.9 * reach < values.max() <= reach
    assert sorted(axes) == [0, 1]


def test_a_resumed_stream_has_the_images_of_an_unbroken_one():
    images = _images(8)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(8)))
    examples = Examples(dataset, count=8, window=9)
    training = Training(batch_size=4, augment="rand_augment", seed=5)

    def epochs(start, batches):
        stream = training_stream(examples, start, training)
        return [x for x, _ in stream.take(batches).as_numpy_iterator()]

    whole, rest = epochs(0, 6), epochs(2, 2)
    np.testing.assert_array_equal(whole[4:], rest)
    assert (whole[0] != whole[2]).any()
    assert min(x.min() for x in whole) >= -1
    assert max(x.max() for x in whole) <= 1
