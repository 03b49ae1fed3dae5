"""Layers with kernels: transposed, grouped, 1D and 3D, einsum, attention."""

from keras import layers

from tests.slicing.recipes_net import ACTIVATIONS
from tests.slicing.recipes_net import digits
from tests.slicing.recipes_net import in_groups
from tests.slicing.recipes_net import operation

PADDING = ("valid", "same")


@operation("transposed", 4)
def transposed(net, x, y, option):
    kernel, stride, same, bias, act, filters = digits(option, 3, 2, 2, 2, 6, 2)
    return layers.Conv2DTranspose(
        filters + 2,
        kernel + 1,
        strides=stride + 1,
        padding=PADDING[same],
        use_bias=bool(bias),
        activation=ACTIVATIONS[act],
    )(x)


@operation("in_groups", 4)
def grouped_conv(net, x, y, option):
    """A convolution of two or three groups of several channels."""
    masked, three, kernel, same, bias, act = digits(option, 2, 2, 2, 2, 2, 6)
    groups = 2 + three
    x = in_groups(x, groups, masked)
    return layers.Conv2D(
        groups * (1 + bool(act % 2)),
        min(1 + 2 * kernel, *x.shape[1:3]),
        groups=groups,
        padding=PADDING[same],
        use_bias=bool(bias),
        activation=ACTIVATIONS[act],
    )(x)


@operation("kernels_1d", 3)
def kernels_1d(net, x, y, option):
    kind, bias, same, act = digits(option, 6, 2, 2, 6)
    options = {
        "padding": PADDING[same],
        "use_bias": bool(bias),
        "activation": ACTIVATIONS[act],
    }
    size = min(2, x.shape[1])
    if kind == 5:
        x = in_groups(x, 2, masked=False)
    return [
        lambda: layers.Conv1DTranspose(3, 2, strides=1, **options),
        lambda: layers.Conv1DTranspose(2, 2, strides=2, **options),
        lambda: layers.DepthwiseConv1D(size, **options),
        lambda: layers.DepthwiseConv1D(size, depth_multiplier=2, **options),
        lambda: layers.SeparableConv1D(3, size, **options),
        lambda: layers.Conv1D(4, size, groups=2, **options),
    ][kind]()(x)


@operation("kernels_3d", 5)
def kernels_3d(net, x, y, option):
    kind, bias, same, act = digits(option, 4, 2, 2, 6)
    options = {
        "padding": PADDING[same],
        "use_bias": bool(bias),
        "activation": ACTIVATIONS[act],
    }
    sizes = tuple(min(2, size) for size in x.shape[1:4])
    if kind == 3:
        x = in_groups(x, 2, masked=False)
    return [
        lambda: layers.Conv3D(3, sizes, **options),
        lambda: layers.Conv3D(2, 1, **options),
        lambda: layers.Conv3DTranspose(2, sizes, **options),
        lambda: layers.Conv3D(2, sizes, groups=2, **options),
    ][kind]()(x)


@operation("einsum_dense")
def einsum_dense(net, x, y, option):
    """A Dense of one axis. Behind an ellipsis that stands for several axes
    Keras's symbolic shape is wrong: it turns their order around."""
    kind, bias, act, units = digits(option, 5, 2, 6, 2)
    rank, units = len(x.shape), units + 2
    between = "bcde"[: rank - 2]
    dots = "..." if rank < 4 else f"a{between}"
    shape = list(x.shape[1:])
    first = shape[:-1] + [units]
    equation, output_shape, name = [
        (f"a{between}x,xy->a{between}y", first, "dense"),
        (f"a{between}x,yx->a{between}y", first, "dense"),
        (
            f"{dots}x,xy->{dots}y",
            units if rank < 4 else first,
            "dense",
        ),
        (
            f"a{between}x,xy->ay{between}",
            [units] + shape[:-1],
            "channels_first",
        ),
        (
            f"az{between[1:]}x,zy->ay{between[1:]}x",
            [units] + shape[1:],
            "channels_first",
        ),
    ][kind if rank > 2 else kind % 2]
    return layers.EinsumDense(
        equation,
        output_shape,
        bias_axes="y" if bias else None,
        activation=ACTIVATIONS[act],
        name=f"einsum_{len(net.tensors)}_{name}",
    )(x)


@operation("einsum_of_two_axes", 4)
def einsum_of_two_axes(net, x, y, option):
    return layers.EinsumDense(
        "abcd,cde->abe",
        output_shape=(x.shape[1], 2),
        bias_axes=(None, "e", "be")[option % 3],
    )(x)


@operation("attention", 3)
def attention(net, x, y, option):
    heads, bias = digits(option, 2, 2)
    layer = layers.MultiHeadAttention(heads + 1, 2, use_bias=bool(bias))
    return layer(x, y)
