"""Which part of an image is seen, told from ramps of red and green."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_nas.data import load
from keras_nas.data.cropping import make_decoder
from tests.data.tiny_builder import RAMPS
from tests.data.tiny_builder import ramp

FEATURE = tfds.features.Image(shape=(None, None, 3))
IMAGE = ramp(100, 125)


def _png(image):
    return tf.io.encode_png(image)


def _jpeg(image):
    return tf.io.encode_jpeg(image, quality=100, chroma_downsampling=False)


def _parts(encoded, size, count=1, part="random"):
    """Returns what so many seeds show of an image."""
    decode = tf.function(make_decoder(FEATURE, (size, size, 3), part))
    seeds = tf.constant([[7, i] for i in range(count)], tf.int64)
    return np.array([decode(encoded, seed) for seed in seeds], "float64")


def _boxes(parts):
    """Returns the ends of boxes, in shares of the image: x, x, y, y."""
    size = parts.shape[1]
    across = parts[:, :, :, 0].mean(1), parts[:, :, :, 1].mean(2)
    ends = []
    for values in across:
        values = values / 250
        half = (values[:, -1] - values[:, 0]) / (size - 1) / 2
        ends += [values[:, 0] - half, values[:, -1] + half]
    return np.stack(ends, axis=1)


def test_random_parts_have_the_areas_and_aspects_of_the_recipe():
    left, right, top, bottom = _boxes(_parts(_png(IMAGE), 16, 300)).T
    width, height = right - left, bottom - top
    area, aspect = width * height, 1.25 * width / height
    assert 0.07 < area.min() < 0.12
    assert 0.85 < area.max() < 1.03
    assert 0.70 < aspect.min() < 0.80
    assert 1.25 < aspect.max() < 1.40
    for low, high in ((left, right), (top, bottom)):
        assert low.min() < 0.05 and high.max() > 0.95
        assert low.max() > 0.5 and high.min() < 0.5


@pytest.mark.parametrize("encode", [_png, _jpeg])
def test_parts_do_not_depend_on_the_size(encode):
    small, large = (_parts(encode(IMAGE), size, 20) for size in (12, 30))
    np.testing.assert_allclose(_boxes(small), _boxes(large), atol=0.02)


def test_a_jpeg_shows_the_part_that_a_png_shows():
    png, jpeg = (_parts(encode(IMAGE), 16, 20) for encode in (_png, _jpeg))
    np.testing.assert_allclose(png, jpeg, atol=6)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((100, 125), (6, 94), (18, 106)),
        ((125, 100), (18, 106), (6, 94)),
        ((50, 50), (3, 47), (3, 47)),
    ],
)
def test_the_centre_keeps_proportions(shape, rows, columns):
    image = ramp(*shape)
    size = rows[1] - rows[0]
    (part,) = _parts(_png(image), size, part="centre")
    np.testing.assert_array_equal(part, image[slice(*rows), slice(*columns)])


def test_the_centre_has_the_proportions_of_the_size():
    decode = make_decoder(FEATURE, (80, 40, 3), "centre")
    part = decode(_png(ramp(96, 128)), None)
    # 84 of 96 rows, 42 of 128 columns.
    expected = ramp(96, 128)[6:90, 43:85]
    np.testing.assert_allclose(part[0, 0], expected[0, 0], atol=2)
    np.testing.assert_allclose(part[-1, -1], expected[-1, -1], atol=2)


def test_the_whole_image_is_resized_regardless_of_proportions():
    (part,) = _parts(_png(IMAGE), 16, part="whole")
    (box,) = _boxes(part[None])
    np.testing.assert_allclose(box, [0, 1, 0, 1], atol=0.03)


def test_data_of_two_sizes_show_the_same_parts(tiny_dir):
    def batch(size):
        data = load(
            RAMPS,
            image_size=size,
            batch_size=16,
            data_dir=tiny_dir,
            crop="inception",
            augment="flip_color",
        )
        images, labels = next(data.stream("train", 1).as_numpy_iterator())
        return tf.image.resize(images, (8, 8), antialias=True), labels

    (small, labels), (large, others) = batch(16), batch(24)
    np.testing.assert_array_equal(labels, others)
    np.testing.assert_allclose(small, large, atol=0.08)


def test_epochs_show_other_parts(tiny_dir):
    data = load(
        RAMPS,
        image_size=16,
        batch_size=18,
        data_dir=tiny_dir,
        crop="inception",
    )
    stream = data.stream("train").take(2).as_numpy_iterator()
    one, other = ({y: x for x, y in zip(*b, strict=True)} for b in stream)
    assert one.keys() == other.keys()
    assert sum((one[y] != other[y]).any() for y in one) == 18


def test_without_augmentation_the_centre_is_seen(tiny_dir):
    data = load(
        RAMPS,
        image_size=42,
        batch_size=2,
        data_dir=tiny_dir,
        crop="inception",
        augment="none",
    )
    for batches in (data.train, data.validation):
        for image, label in batches.unbatch():
            if label % 3 == 0:  # Of 48 rows.
                expected = ramp(48, 64, 4 * label)[3:45, 11:53]
                difference = np.abs((image + 1) * 127.5 - expected)
                assert difference.max() < 20 and difference.mean() < 3
