"""Functions that keep little for the backward pass.

TensorFlow's own gradients ask for the shapes of tensors that they do not need
else, and a branch of a switch keeps the whole tensors for that.
"""

import keras
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
            of_mean, of_variance = _flat(args, upstream)
            number = _number(x, axes)
            # Nothing here of x alone, which would run in the forward pass.
            slope = 2.0 * of_variance / number
            start = of_mean / number - slope * mean
            return _along(slope, x, axes) * x + _along(start, x, axes)

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
            (upstream,) = _flat(args, upstream)
            return (
                upstream * along,
                ops.sum(upstream * x, axes),
                ops.sum(upstream, axes),
            )

        return outputs, gradient

    return function(inputs, scale, offset)


def mean_of_sum(tensors, axes):
    """Returns the mean over some axes of the sum of tensors of equal shapes.

    Args:
        tensors: List of float tensors.
        axes: List of integers, axes that are 1 in what is returned.
    """

    @ops.custom_gradient
    def function(*tensors):
        means = [ops.mean(x, axes, keepdims=True) for x in tensors]

        def gradient(*args, upstream=None):
            (upstream,) = _flat(args, upstream)
            each = ops.divide(upstream, _number(tensors[0], axes))
            each = ops.cast(each, upstream.dtype)
            each = ops.broadcast_to(each, ops.shape(tensors[0]))
            return each if len(tensors) == 1 else (each,) * len(tensors)

        return sum(means), gradient

    return function(*tensors)


def softmax_over(tensors):
    """Returns the softmax over tensors of equal shapes, at each place.

    TensorFlow transposes for a softmax over an axis, by an order that a switch
    hands to its backward pass like any value of a step. XLA has to know it
    when it compiles, and for minutes looks for it in all that came before.

    Args:
        tensors: List of float tensors.
    """
    dtype = tensors[0].dtype
    precise = keras.backend.result_type(dtype, "float32")
    tensors = [ops.cast(x, precise) for x in tensors]
    largest = tensors[0]
    for x in tensors[1:]:
        largest = ops.maximum(largest, x)
    largest = ops.stop_gradient(largest)
    powers = [ops.exp(x - largest) for x in tensors]
    total = sum(powers)
    return [ops.cast(power / total, dtype) for power in powers]


def weighted_sum(tensors, weights, axes):
    """Returns the sum of tensors of equal shapes, each with its weights.

    Args:
        tensors: List of float tensors.
        weights: List of as many tensors, with the size 1 along some axes.
        axes: List of integers, those axes.
    """
    number = len(tensors)

    @ops.custom_gradient
    def function(*arguments):
        tensors, weights = arguments[:number], arguments[number:]
        pairs = list(zip(tensors, weights, strict=True))
        outputs = sum(x * weight for x, weight in pairs)

        def gradient(*args, upstream=None):
            (upstream,) = _flat(args, upstream)
            of_weights = [
                ops.sum(upstream * x, axes, keepdims=True) for x in tensors
            ]
            return *(upstream * weight for weight in weights), *of_weights

        return outputs, gradient

    return function(*tensors, *weights)


def _flat(args, upstream):
    """Returns the gradients of outputs, which backends pass in three ways."""
    return keras.tree.flatten(args if upstream is None else upstream)


def _number(x, axes):
    """Returns how many elements there are along some axes."""
    number = 1
    for axis in axes:
        number = number * ops.shape(x)[axis]
    # More than 65504 are too many for float16.
    return ops.cast(number, keras.backend.result_type(x.dtype, "float32"))


def _along(values, x, axes):
    """Returns values of one axis, in a shape that broadcasts to `x`."""
    shape = [1 if axis in axes else -1 for axis in range(len(x.shape))]
    return ops.reshape(values, shape)
