"""Which part of an image is decoded and resized: all, a random one, the centre.

A part is a box, four integers `[top, left, height, width]` of the stored
image. It does not depend on the size that images are resized to, so that data
sets of several sizes show the same part of an image.
"""

import functools

import tensorflow as tf

CROPS = ("resize", "inception")

_AREA = (0.08, 1.0)
_ASPECT = (3 / 4, 4 / 3)
_CENTRE = 0.875  # 224 of 256 pixels.


def make_decoder(feature, shape, part):
    """Returns a function from a stored image to one of a given shape.

    Args:
        feature: `tfds.features.Image`, which the image was stored by.
        shape: Shape `(height, width, channels)`, the first two of which are
            resized to.
        part: `"whole"`, regardless of proportions; `"random"`, of 8% to 100%
            of the area and an aspect of 3/4 to 4/3; or `"centre"`, 87.5% of
            the largest central box of the shape's proportions.

    Returns:
        Function from a string tensor and two integers, the seed of a random
        part, to a uint8 tensor. Of a JPEG no more than the part is decoded.
    """

    def decode(encoded, seed):
        if part == "whole":
            image = _decode(feature, encoded)
        else:
            find_box = {
                "random": functools.partial(_random_box, seed=seed),
                "centre": functools.partial(_central_box, shape=shape),
            }[part]
            image = _decode_box(feature, encoded, find_box)
        if part != "whole" or feature.shape != shape:
            image = tf.image.resize(image, shape[:2], antialias=True)
            image = tf.saturate_cast(tf.round(image), tf.uint8)
        return tf.ensure_shape(image, shape)

    return decode


def _decode(feature, encoded):
    image = feature.decode_example(encoded)
    return tf.image.convert_image_dtype(image, tf.uint8)


def _decode_box(feature, encoded, find_box):
    def decode_jpeg():
        box = find_box(tf.io.extract_jpeg_shape(encoded)[:2])
        channels = feature.shape[-1]
        return tf.io.decode_and_crop_jpeg(encoded, box, channels=channels)

    def decode_other():
        image = _decode(feature, encoded)
        top, left, height, width = tf.unstack(find_box(tf.shape(image)[:2]))
        return image[top : top + height, left : left + width]

    is_jpeg = tf.io.is_jpeg(encoded)
    image = tf.cond(is_jpeg, decode_jpeg, decode_other)
    return tf.ensure_shape(image, (None, None, feature.shape[-1]))


def _random_box(size, seed):
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.concat([size, [1]], axis=0),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=seed,
        min_object_covered=0.0,  # Else the area would be at least that.
        aspect_ratio_range=_ASPECT,
        area_range=_AREA,
    )
    return tf.concat([begin[:2], extent[:2]], axis=0)


def _central_box(size, shape):
    size = tf.cast(size, tf.float32)
    scale = _CENTRE * tf.reduce_min(size / shape[:2])
    extent = tf.maximum(1.0, tf.round(scale * shape[:2]))
    begin = (size - extent) // 2
    return tf.cast(tf.concat([begin, extent], axis=0), tf.int32)
