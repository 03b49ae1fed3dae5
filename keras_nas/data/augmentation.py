"""Random changes of training images, decided by numbers drawn beforehand.

Each image has numbers of its own, so that what becomes of it depends neither
on the other images of a batch nor on how many there are.
"""

import tensorflow as tf

from keras_nas.data import color
from keras_nas.data.auto_augment import auto_augment
from keras_nas.data.rand_augment import rand_augment

AUGMENTATIONS = (
    "none",
    "flip",
    "flip_crop",
    "flip_color",
    "rand_augment",
    "auto_augment",
)

# What an image draws, integers below 2**32: two for a box (`cropping`), one
# for a flip, two for shifts, two for RandAugment, the rest for colours.
_BOX, _FLIP, _SHIFT = slice(0, 2), 2, slice(3, 5)
_SEED, _COLOR = slice(5, 7), slice(7, 7 + color.DRAWS)
DRAWS = _COLOR.stop


def box_seed(draws):
    """Returns the seed of the box of an image.

    Args:
        draws: int64 tensor `(DRAWS,)`.
    """
    return draws[_BOX]


def augment_images(images, draws, augment, shift):
    """Changes images at random.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`.
        draws: int64 tensor `(batch, DRAWS)` of numbers from 0 to 2**32 - 1.
        augment: One of `AUGMENTATIONS`.
        shift: Boolean, whether images are moved, too, where `augment` is more
            than a flip and a change of colour.

    Returns:
        Tensor of that shape, of pixels from 0 to 255.
    """
    if augment == "none":
        return images
    images = _flip(images, _uniform(draws[:, _FLIP]))
    if augment == "flip_color":
        return tf.map_fn(
            lambda pair: color.change_color(*pair),
            (images, _uniform(draws[:, _COLOR])),
            fn_output_signature=tf.TensorSpec(images.shape[1:], tf.float32),
        )
    if augment != "flip" and shift:
        images = _move(images, _uniform(draws[:, _SHIFT]))
    if augment == "rand_augment":
        images = rand_augment(images, draws[:, _SEED])
    elif augment == "auto_augment":
        images = auto_augment(images)
    return images


def _flip(images, coins):
    coins = coins[:, None, None, None]
    return tf.where(coins < 0.5, tf.reverse(images, axis=[2]), images)


def _move(images, draws):
    """Moves each image by up to an eighth of its size, edges repeated."""
    for axis, size in enumerate(images.shape[1:3], start=1):
        reach = size // 8
        steps = tf.floor(draws[:, axis - 1, None] * (2 * reach + 1))
        shifts = tf.cast(steps, tf.int32) - reach
        places = tf.clip_by_value(tf.range(size) + shifts, 0, size - 1)
        images = tf.gather(images, places, axis=axis, batch_dims=1)
    return images


def _uniform(draws):
    """Returns numbers in [0, 1), of as many bits as a float32 has."""
    return tf.cast(draws // 2**8, tf.float32) / 2**24
