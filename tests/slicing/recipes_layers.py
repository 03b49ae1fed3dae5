"""Layers of random networks: kernels, norms, masks, elementwise functions."""

import numpy as np
from keras import layers
from keras import ops

from tests.common import mask
from tests.slicing.recipes_net import ACTIVATIONS
from tests.slicing.recipes_net import digits
from tests.slicing.recipes_net import operation


@operation("conv", 4)
def conv(net, x, y, option):
    kernel, same, bias, act, filters = digits(option, 2, 2, 2, 6, 3)
    return layers.Conv2D(
        filters + 2,
        min(1 + 2 * kernel, *x.shape[1:3]),
        padding=("valid", "same")[same],
        use_bias=bool(bias),
        activation=ACTIVATIONS[act],
    )(x)


@operation("shared_conv", 4)
def shared_conv(net, x, y, option):
    kernel, same, bias = digits(option, 2, 2, 2)
    layer = net.shared(
        "conv",
        x,
        lambda: layers.Conv2D(
            x.shape[-1],
            min(1 + 2 * kernel, *x.shape[1:3]),
            padding=("valid", "same")[same],
            use_bias=bool(bias),
        ),
    )
    return layer(x)


@operation("depthwise", 4)
def depthwise(net, x, y, option):
    kernel, same, bias, act, multiplier = digits(option, 2, 2, 2, 4, 2)
    return layers.DepthwiseConv2D(
        min(1 + 2 * kernel, *x.shape[1:3]),
        padding=("valid", "same")[same],
        use_bias=bool(bias),
        activation=ACTIVATIONS[act],
        depth_multiplier=multiplier + 1,
    )(x)


@operation("grouped", 4)
def grouped(net, x, y, option):
    bias, divide, multiplier = digits(option, 2, 2, 2)
    channels = x.shape[-1]
    groups = channels
    if divide:
        groups = next(g for g in (3, 2, 1) if channels % g == 0)
    return layers.Conv2D(
        channels * (1 + multiplier),
        1,
        groups=groups,
        use_bias=bool(bias),
    )(x)


@operation("separable", 4)
def separable(net, x, y, option):
    kernel, same, bias, multiplier = digits(option, 2, 2, 2, 2)
    return layers.SeparableConv2D(
        3,
        min(1 + 2 * kernel, *x.shape[1:3]),
        padding=("valid", "same")[same],
        use_bias=bool(bias),
        depth_multiplier=multiplier + 1,
    )(x)


@operation("conv1d", 3)
def conv1d(net, x, y, option):
    same, bias = digits(option, 2, 2)
    return layers.Conv1D(
        3,
        min(3, x.shape[1]),
        padding=("valid", "causal")[same],
        use_bias=bool(bias),
    )(x)


@operation("dense")
def dense(net, x, y, option):
    bias, act, units = digits(option, 2, 6, 3)
    return layers.Dense(
        units + 2, use_bias=bool(bias), activation=ACTIVATIONS[act]
    )(x)


@operation("shared_dense")
def shared_dense(net, x, y, option):
    make = lambda: layers.Dense(x.shape[-1], use_bias=bool(option % 2))  # noqa: E731
    return net.shared("dense", x, make)(x)


@operation("norm")
def norm(net, x, y, option):
    scale, center, other_axis = digits(option, 2, 2, 4)
    axis = 1 if other_axis == 3 else -1
    return layers.BatchNormalization(
        axis=axis, scale=not scale, center=not center
    )(x)


@operation("shared_norm")
def shared_norm(net, x, y, option):
    return net.shared("norm", x, layers.BatchNormalization)(x)


@operation("mask")
def new_mask(net, x, y, option):
    soft, other_axis = digits(option, 2, 6)
    axis = 1 if other_axis == 5 else -1
    return mask(soft_inference=bool(soft), axis=axis)(x)


@operation("shared_mask")
def shared_mask(net, x, y, option):
    return net.shared("mask", x, lambda: mask(axis=-1))(x)


@operation("same_mask_other_place")
def same_mask_other_place(net, x, y, option):
    key = ("channels", x.shape[-1])
    if key not in net.used:
        net.used[key] = mask(axis=-1)
    return net.used[key](x)


@operation("activation")
def activation(net, x, y, option):
    return [
        layers.ReLU(),
        layers.ReLU(6.0),
        layers.ReLU(negative_slope=0.1, threshold=0.3),
        layers.LeakyReLU(),
        layers.ELU(),
        layers.Activation("sigmoid"),
        layers.Activation("hard_silu"),
        layers.Activation("softmax"),
        layers.Dropout(0.3),
        layers.Softmax(),
        layers.PReLU(),
        layers.LayerNormalization(epsilon=0.1),
        layers.Rescaling(0.5, 0.25),
        layers.Rescaling(
            np.linspace(0.5, 1.5, x.shape[-1]).tolist(),
            np.linspace(-1.0, 1.0, x.shape[-1]).tolist(),
        ),
        layers.Rescaling(np.linspace(-1, 1, x.shape[-1]).tolist()),
        layers.Softmax(axis=1),
    ][option % 16](x)


@operation("function")
def function(net, x, y, option):
    return [
        ops.relu,
        ops.relu6,
        ops.sigmoid,
        ops.silu,
        ops.tanh,
        ops.exp,
        ops.softmax,
        lambda x: x + 3.0,
        lambda x: 2.0 - x,
        lambda x: x * 0.5,
        lambda x: x + np.ones(x.shape[-1], "float32"),
        lambda x: x / 2.0,
        lambda x: -x,
        lambda x: x**2,
        lambda x: ops.normalize(x, axis=1),
    ][option % 15](x)
