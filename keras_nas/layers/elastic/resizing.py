"""Bicubic interpolation that XLA compiles."""

import keras
import numpy as np
from keras import ops

from keras_nas.compiling import at_once


def resize_bicubic(images, size, axes):
    """Resizes images as `keras.ops.image.resize` does, by two products.

    TensorFlow has no bicubic interpolation for XLA, but it is linear: along
    each axis a product with a matrix, that of how an identity is resized.

    Args:
        images: Float tensor, a batch of images of known height and width.
        size: Pair of integers, the height and width of the result.
        axes: Pair of integers, the axes of height and width.
    """
    dtype = images.dtype
    images = ops.cast(images, keras.backend.result_type(dtype, "float32"))
    for axis, new in zip(axes, size, strict=True):
        old = images.shape[axis]
        if old != new:
            matrix = ops.cast(_matrix(old, new), images.dtype)
            letters = "abcd".replace("abcd"[axis], "o")
            images = ops.einsum(
                f"o{'abcd'[axis]},abcd->{letters}", matrix, images
            )
    return ops.cast(images, dtype)


def _matrix(old, new):
    identity = np.eye(old, dtype="float32")[None, :, :, None]
    with at_once():
        resized = ops.image.resize(
            identity,
            (new, old),
            interpolation="bicubic",
            data_format="channels_last",
        )
        return ops.convert_to_numpy(resized)[0, :, :, 0]
