"""Parts of a BatchNormalization that keep little for the backward pass.

TensorFlow's own gradients ask for the shapes of what they need not else, and
a branch of a switch keeps the whole tensors for that.
"""

from keras import ops


def moments(inputs, axes):
    """Returns mean and variance over some axes.

    Args:
        inputs: Float tensor.
        axes: List of integers, all axes but one.

    Returns:
        Two tensors with one axis.
    """

    @ops.custom_gradient
    def function(x):
        mean, variance = ops.moments(x, axes=axes)

        def gradient(*args, upstream=None):
            of_mean, of_variance = args if upstream is None else upstream
            shape = ops.shape(x)
            number = 1
            for axis in axes:
                number = number * shape[axis]
            scale = 1.0 / ops.cast(number, x.dtype)
            centered = x - _along(mean, x, axes)
            of_mean, of_variance = (
                _along(g * scale, x, axes) for g in (of_mean, of_variance)
            )
            return of_mean + 2.0 * of_variance * centered

        return (mean, variance), gradient

    return function(inputs)


def affine(inputs, scale, offset, axes):
    """Returns the inputs, scaled and shifted along the axis that is left.

    Args:
        inputs: Float tensor.
        scale: Tensor with one axis.
        offset: Tensor with one axis.
        axes: List of integers, all axes of `inputs` but that one.
    """

    @ops.custom_gradient
    def function(x, scale, offset):
        along = _along(scale, x, axes)
        outputs = x * along + _along(offset, x, axes)

        def gradient(*args, upstream=None):
            (upstream,) = args if upstream is None else (upstream,)
            return (
                upstream * along,
                ops.sum(upstream * x, axes),
                ops.sum(upstream, axes),
            )

        return outputs, gradient

    return function(inputs, scale, offset)


def _along(values, x, axes):
    """Returns values of one axis, in a shape that broadcasts to `x`."""
    shape = [1 if axis in axes else -1 for axis in range(len(x.shape))]
    return ops.reshape(values, shape)
