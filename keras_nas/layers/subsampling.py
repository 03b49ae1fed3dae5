"""Evenly spread pixels: taken out of a map, and put back into it."""

import numpy as np
from keras import ops


def subsample(images, size, data_format="channels_last"):
    """Takes evenly spread pixels out of images, by nearest neighbours.

    It is how `keras_nas.ResolutionSubsample` makes small images from large
    ones, so use it to compare a model that holds one with the network of the
    chosen resolution.

    Args:
        images: Tensor `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` with `"channels_first"`.
        size: Integer, the height and width of the result, or a pair of them,
            at most those of the images; they need not divide them.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of the given size.

    Raises:
        ValueError: If the size is larger than the images.

    Example:

    >>> import numpy as np
    >>> from keras_nas.layers import subsample
    >>> pixels = np.arange(5.0).reshape((1, 1, 5, 1))
    >>> np.array(subsample(pixels, (1, 3))).ravel().tolist()
    [0.0, 1.0, 3.0]
    """
    for axis, new in zip(spatial_axes(data_format), pair(size), strict=True):
        old = images.shape[axis]
        if new > old:
            raise ValueError(
                "Invalid value received for argument `size`. Expected at most "
                f"the size of the images, of shape {tuple(images.shape)}. "
                f"Received: size={size}"
            )
        if new < old:
            images = ops.take(images, spread(new, old), axis=axis)
    return images


def put_back(images, size, data_format="channels_last"):
    """Puts pixels where `subsample` takes them from; zeros lie between.

    Args:
        images: Tensor `(batch, height, width, channels)`, or with channels
            first.
        size: Pair of integers, the height and width of the result.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of the given size.
    """
    for axis, new in zip(spatial_axes(data_format), pair(size), strict=True):
        old = images.shape[axis]
        if new == old:
            continue
        places = spread(old, new)
        source, is_there = np.zeros(new, "int32"), np.zeros(new)
        source[places], is_there[places] = np.arange(old), 1.0
        shape = [1] * 4
        shape[axis] = new
        is_there = ops.cast(is_there.reshape(shape), images.dtype)
        images = ops.take(images, source, axis=axis) * is_there
    return images


def spread(number, length):
    """Returns which `number` of `length` pixels are taken: floor(i L / n)."""
    return (np.arange(number) * length // number).astype("int32")


def pair(size):
    """Returns a size as `(height, width)`."""
    return (size, size) if isinstance(size, int) else tuple(size)


def spatial_axes(data_format):
    """Returns the axes of height and width of a batch of images."""
    return (2, 3) if data_format == "channels_first" else (1, 2)
