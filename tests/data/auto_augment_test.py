"""AutoAugment, with the Model Garden, and what is said without it."""

import importlib.util
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data import auto_augment as module
from keras_nas.data import load
from keras_nas.data.auto_augment import auto_augment

IMAGES = np.random.default_rng(0).integers(256, size=(8, 16, 16, 3))


def test_a_missing_garden_is_told_at_once(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed.*\[models\]"):
        load(augment="auto_augment")


def test_gray_images_are_refused():
    with pytest.raises(ValueError, match="3 channels"):
        auto_augment(tf.zeros((8, 16, 16, 1)))


def test_the_policy_changes_each_image(monkeypatch):
    """A stand-in for the Garden, to see what it is given."""

    class AutoAugment:
        def __init__(self, translate_const):
            assert translate_const == pytest.approx(16 * 150 / 331)

        def distort(self, image):
            assert image.dtype == tf.uint8
            return 255 - image

    ops = types.SimpleNamespace(augment=types.SimpleNamespace())
    ops.augment.AutoAugment = AutoAugment
    for name in ("official", "official.vision"):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "official.vision.ops", ops)
    np.testing.assert_array_equal(
        auto_augment(tf.constant(IMAGES)), 255 - IMAGES
    )


@pytest.mark.skipif(not module.is_installed(), reason="needs extra 'models'")
def test_images_of_the_garden():
    images = load(image_size=16, augment="auto_augment").train
    images = next(iter(images))[0].numpy()
    assert images.shape == (64, 16, 16, 3)
    assert images.min() >= -1.0 and images.max() <= 1.0
    augmented = auto_augment(tf.constant(IMAGES)).numpy()
    assert (augmented != IMAGES).any(axis=(1, 2, 3)).sum() > 2
