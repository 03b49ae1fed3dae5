"""RandAugment, as a pure function of images and their seeds."""

import functools

import keras
import tensorflow as tf
from keras import layers

OPERATIONS = 2  # How many are applied to each image, one after the other.

# The largest strengths are those of AutoAugment: a shear by 0.3, a shift by
# 150 of 331 pixels, 30 degrees, 4 bits, contrast between 0.1 and 1.9 times.
# A brightness of Keras is added, so that 0.9 would leave nothing to see.
_SHEAR, _SHIFT, _TURN = 0.3, 150 / 331, 30 / 360
_BITS = (4, 9)  # The end is not drawn.
_CONTRAST, _BRIGHTNESS = 0.9, 0.3


def rand_augment(images, seeds):
    """Applies `OPERATIONS` operations, drawn for each image, to images.

    It stands in for AutoAugment, whose learned policy Keras does not have:
    the operations are its own (but for Invert, Cutout and SamplePairing),
    drawn evenly as in RandAugment; a strength is drawn for each, up to
    AutoAugment's largest. Unlike `keras.layers.RandAugment` it draws the
    operations for each image, not for the whole batch, moves images to both
    sides, and keeps no state: the same seed draws the same.

    Args:
        images: Tensor `(batch, height, width, channels)` of pixels from 0 to
            255.
        seeds: Integer tensor `(batch, 2)`, a seed for each image.

    Returns:
        float32 tensor of that shape, of pixels from 0 to 255.

    Reference:
        RandAugment: Practical Automated Data Augmentation with a Reduced
        Search Space, Section 3.
    """
    augmented = tf.map_fn(
        lambda pair: _augment_one(*pair),
        (tf.cast(images, tf.float32), seeds),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.float32),
    )
    return tf.clip_by_value(augmented, 0.0, 255.0)


def _augment_one(image, seed):
    for number in range(OPERATIONS):
        place = tf.random.experimental.stateless_fold_in(seed, number)
        image = _change(image, place)
    return image


def _change(image, seed):
    """Applies one operation; only the one that is drawn is computed."""
    operations = _operations(image.shape[-1])
    drawn = tf.random.stateless_uniform(
        [], seed, 0, len(operations) + 1, tf.int32
    )
    branches = [
        functools.partial(_apply, layer, image, seed) for layer in operations
    ]
    # The last one is the operation that leaves the image as it is.
    branches.append(functools.partial(tf.identity, image))
    return tf.ensure_shape(tf.switch_case(drawn, branches), image.shape)


def _apply(layer, image, seed):
    change = layer.get_random_transformation(image, seed=_Draws(seed))
    image = layer.transform_single_image(image, change)
    return tf.cast(image, tf.float32)


@functools.cache
def _operations(channels):
    """Returns the layers, which are made once: they have variables."""
    with tf.init_scope():
        operations = [
            layers.AutoContrast(),
            layers.Equalization(),
            layers.Solarization(threshold_factor=1.0),
            layers.RandomPosterization(_BITS),
            layers.RandomContrast((_CONTRAST, _CONTRAST)),  # To both sides.
            layers.RandomBrightness(_BRIGHTNESS),
            layers.RandomSharpness((0.05, 0.95)),
            layers.RandomRotation(_TURN),
            layers.RandomShear(x_factor=_SHEAR),
            layers.RandomShear(y_factor=_SHEAR),
            layers.RandomTranslation(0.0, _SHIFT),
            layers.RandomTranslation(_SHIFT, 0.0),
        ]
        if channels == 3:
            operations.append(layers.RandomColorDegeneration(_CONTRAST))
    for layer in operations:
        layer.backend.set_backend("tensorflow")
    return operations


class _Draws(keras.random.SeedGenerator):
    """Seeds that follow from one, for functions that draw several times."""

    def __init__(self, seed):  # Without the variable of the base class.
        self.seed = seed
        self.count = 0

    def next(self, ordered=True):
        self.count += 1
        seed = tf.random.experimental.stateless_fold_in(self.seed, self.count)
        return tf.cast(seed, tf.int32)
