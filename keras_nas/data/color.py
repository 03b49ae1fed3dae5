"""Random brightness, saturation, hue and contrast of an image."""

import tensorflow as tf

DRAWS = 4

_BRIGHTNESS = 32 / 255
_SATURATION = (0.5, 1.5)
_HUE = 0.2
_CONTRAST = (0.5, 1.5)


def change_color(image, draws):
    """Changes brightness, saturation, hue and contrast, in that order.

    The amounts are those of the Inception recipe in TensorFlow: brightness
    moves by up to 32 of 255, the hue by up to a fifth of the circle; saturation
    and contrast become 0.5 to 1.5 times as large, the contrast around the mean
    of each channel. An image without three channels keeps to brightness and
    contrast.

    Args:
        image: Tensor `(height, width, channels)` of pixels from 0 to 255.
        draws: float32 tensor of `DRAWS` numbers in [0, 1), which decide the
            four amounts.

    Returns:
        float32 tensor of that shape, of pixels from 0 to 255.

    Reference:
        Going Deeper with Convolutions, Section 6.
    """
    brightness, saturation, hue, contrast = tf.unstack(draws)
    image = tf.cast(image, tf.float32) / 255.0
    image += _between(-_BRIGHTNESS, _BRIGHTNESS, brightness)
    if image.shape[-1] == 3:
        factor = _between(*_SATURATION, saturation)
        image = tf.image.adjust_saturation(image, factor)
        image = tf.image.adjust_hue(image, _between(-_HUE, _HUE, hue))
    image = tf.image.adjust_contrast(image, _between(*_CONTRAST, contrast))
    return 255.0 * tf.clip_by_value(image, 0.0, 1.0)


def _between(low, high, draw):
    return low + (high - low) * draw
