"""AutoAugment, as the TensorFlow Model Garden has it."""

import importlib.util

import tensorflow as tf

# The Garden's own constant would move images of 224 pixels out of sight.
_SHIFT = 150 / 331  # The largest shift, in AutoAugment's paper.


def is_installed():
    """Whether the TensorFlow Model Garden is there."""
    try:
        return importlib.util.find_spec("official.vision") is not None
    except ModuleNotFoundError:
        return False


def auto_augment(images):
    """Applies AutoAugment's policy for ImageNet to images.

    A sub-policy of two operations is drawn for each image. It is
    `official.vision.ops.augment.AutoAugment` of the Model Garden, whose draws
    no seed can be passed to. They are TensorFlow's stateful ones: they begin
    with the seed of the program, or of the stream, but which image gets which
    draw is not the same in each run, since images are computed in parallel,
    and a training that is resumed begins with them anew.

    Args:
        images: Tensor `(batch, height, width, 3)` of pixels from 0 to 255.

    Returns:
        uint8 tensor of that shape.

    Raises:
        ValueError: If images have another number of channels.

    Reference:
        AutoAugment: Learning Augmentation Policies from Data, Appendix.
    """
    if images.shape[-1] != 3:
        raise ValueError(
            "The argument `augment='auto_augment'` expects images with 3 "
            f"channels. Received: images of shape {tuple(images.shape[1:])}. "
            "Use `augment='rand_augment'`, which takes others, too."
        )
    from official.vision.ops import augment

    policy = augment.AutoAugment(translate_const=_SHIFT * images.shape[1])
    # Their shape is lost on the way.
    return tf.ensure_shape(
        tf.map_fn(policy.distort, tf.cast(images, tf.uint8)), images.shape
    )
