"""Colours against Python's own conversion, and numpy."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data.color import change_color

# In the middle, so that nothing is clipped but what is said to be.
IMAGE = np.random.default_rng(0).integers(80, 160, size=(5, 6, 3))
SAME = 0.5


def _changed(image, *draws):
    return change_color(tf.constant(image, tf.uint8), tf.constant(draws))


def _expected(image, brightness, saturation, hue, contrast):
    pixels = image / 255 + brightness
    for place in np.ndindex(pixels.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*pixels[place])
        changed = (h + hue) % 1.0, min(1.0, s * saturation), v
        pixels[place] = colorsys.hsv_to_rgb(*changed)
    mean = pixels.mean((0, 1))
    return 255 * np.clip((pixels - mean) * contrast + mean, 0, 1)


@pytest.mark.parametrize(
    ("draws", "amounts"),
    [
        ((SAME, SAME, SAME, SAME), (0, 1, 0, 1)),
        ((0.0, SAME, SAME, SAME), (-32 / 255, 1, 0, 1)),
        ((1.0, SAME, SAME, SAME), (32 / 255, 1, 0, 1)),
        ((SAME, 0.0, SAME, SAME), (0, 0.5, 0, 1)),
        ((SAME, 1.0, SAME, SAME), (0, 1.5, 0, 1)),
        ((SAME, SAME, 0.0, SAME), (0, 1, -0.2, 1)),
        ((SAME, SAME, 1.0, SAME), (0, 1, 0.2, 1)),
        ((SAME, SAME, SAME, 0.0), (0, 1, 0, 0.5)),
        ((SAME, SAME, SAME, 1.0), (0, 1, 0, 1.5)),
        ((0.25, 0.75, 0.9, 0.8), (-16 / 255, 1.25, 0.16, 1.3)),
    ],
)
def test_each_amount_is_that_of_its_draw(draws, amounts):
    expected = _expected(IMAGE, *amounts)
    np.testing.assert_allclose(_changed(IMAGE, *draws), expected, atol=0.01)


def test_pixels_stay_in_their_range():
    image = np.array([[[0, 128, 255]], [[255, 255, 255]]])
    changed = np.array(_changed(image, 1.0, 1.0, 0.3, 1.0))
    assert changed.min() >= 0 and changed.max() <= 255


def test_gray_images_keep_to_brightness_and_contrast():
    gray = IMAGE[..., :1]
    pixels = gray + 32
    expected = (pixels - pixels.mean()) * 0.5 + pixels.mean()
    changed = _changed(gray, 1.0, 0.1, 0.9, 0.0)
    np.testing.assert_allclose(changed, expected, atol=0.01)
