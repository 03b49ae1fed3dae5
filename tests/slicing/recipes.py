"""Random networks as plain data, so that a counterexample can be kept.

A recipe is a list of steps `(operation, source, other, option)`: the name of
an operation of `OPERATIONS` and three integers, taken modulo what there is to
choose from: which of the tensors so far is the input, which of those with the
same shape is the second input, and which variant of the operation is meant.
`build(recipe)` makes the network.
"""

import keras
import numpy as np
from keras import layers
from keras import ops

from tests.common import mask
from tests.common import randomize

OPERATIONS = {}


def build(recipe, seed=0):
    """Returns the model of a recipe, with random weights."""
    keras.utils.clear_session(free_memory=False)
    net = Net()
    for name, source, other, option in recipe:
        rank, function = OPERATIONS[name]
        net.step(rank, function, source, other, option)
    return randomize(net.model(), seed)


class Net:
    """A network under construction.

    Attributes:
        tensors: The tensors so far; a recipe counts from the last.
        used: Map from a purpose and a shape to a layer that can be shared.
    """

    def __init__(self):
        self.inputs = [keras.Input((5, 4, 3)), keras.Input((5, 4, 3))]
        self.tensors = list(self.inputs)
        self.used = {}

    def step(self, rank, function, source, other, option):
        fitting = [
            t for t in reversed(self.tensors) if rank in (0, len(t.shape))
        ]
        if not fitting:
            return
        x = fitting[source % len(fitting)]
        like_x = [t for t in fitting if t.shape == x.shape]
        y = function(self, x, like_x[other % len(like_x)], option)
        if np.prod(y.shape[1:]) <= 2000:
            self.tensors.append(y)

    def shared(self, purpose, x, make):
        key = (purpose, x.shape)
        if key not in self.used:
            self.used[key] = make()
        return self.used[key]

    def model(self):
        last = self.tensors[-1]
        if len(last.shape) > 2:
            outputs = layers.Dense(3)(layers.Flatten()(last))
        else:
            outputs = layers.Dense(3)(last)
        return keras.Model(self.inputs, [outputs, self.tensors[-2]])


def operation(name, rank=0):
    def decorator(function):
        OPERATIONS[name] = rank, function
        return function

    return decorator


def digits(option, *bases):
    """Splits an option into one digit for each base."""
    for base in bases:
        option, digit = divmod(option, base)
        yield digit


ACTIVATIONS = (None, "relu", "sigmoid", "tanh", "softmax", "leaky_relu")


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
    ][option % 15](x)


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
    ][option % 14](x)


@operation("pool", 4)
def pool(net, x, y, option):
    kind, same = digits(option, 7, 2)
    size = min(2, *x.shape[1:3])
    padding = ("valid", "same")[same]
    return [
        layers.MaxPooling2D(size, 1, padding),
        layers.AveragePooling2D(size, 1, padding),
        layers.ZeroPadding2D(1),
        layers.UpSampling2D(2),
        layers.Cropping2D(((0, size - 1), (0, 0))),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.GlobalMaxPooling2D(keepdims=True),
    ][kind](x)


@operation("global_pool", 4)
def global_pool(net, x, y, option):
    return [layers.GlobalAveragePooling2D(), layers.GlobalMaxPooling2D()][
        option % 2
    ](x)


@operation("merge")
def merge(net, x, y, option):
    return [
        lambda: layers.Add()([x, y]),
        lambda: layers.Multiply()([x, y]),
        lambda: layers.Concatenate()([x, y]),
        lambda: x + y,
        lambda: x * y,
        lambda: layers.Add()([x, y, x]),
        lambda: layers.Subtract()([x, y]),
        lambda: layers.Average()([x, y]),
        lambda: layers.Maximum()([x, y]),
        lambda: layers.Concatenate(axis=1)([x, y]),
        lambda: x - y,
        lambda: layers.Minimum()([y, x]),
    ][option % 12]()


@operation("merge_any")
def merge_any(net, x, y, option):
    """Joins x with a tensor that broadcasts to it, if there is one."""
    kind, which = digits(option, 4, 100)

    def broadcasts(t):
        pairs = zip(t.shape[1:], x.shape[1:], strict=True)
        return len(t.shape) == len(x.shape) and all(
            a in (1, b) for a, b in pairs
        )

    fitting = [t for t in reversed(net.tensors) if broadcasts(t)]
    y = fitting[which % len(fitting)]
    return [
        lambda: layers.Add()([x, y]),
        lambda: layers.Multiply()([y, x]),
        lambda: x * y,
        lambda: y + x,
    ][kind]()


@operation("squeeze_excite", 4)
def squeeze_excite(net, x, y, option):
    dense, masked, hard, keep = digits(option, 2, 3, 2, 2)
    gate = layers.GlobalAveragePooling2D(keepdims=bool(keep))(y)
    if not keep:
        gate = layers.Reshape((1, 1, x.shape[-1]))(gate)
    linear = layers.Dense if dense else lambda n: layers.Conv2D(n, 1)
    gate = layers.ReLU()(linear(2)(gate))
    if masked == 2:
        gate = mask()(gate)
    gate = linear(x.shape[-1])(gate)
    gate = layers.Activation(("sigmoid", "hard_sigmoid")[hard])(gate)
    if masked == 1:
        gate = mask()(gate)
    return layers.Multiply()([x, gate])


@operation("reshape")
def reshape(net, x, y, option):
    rank = len(x.shape)
    if rank == 2:
        channels = x.shape[-1]
        shape = [(1, 1, channels), (1, channels), (channels, 1), (-1,)]
        return layers.Reshape(shape[option % 4])(x)
    rows, channels = x.shape[1], x.shape[-1]
    return [
        lambda: layers.Flatten()(x),
        lambda: layers.Permute((*range(2, rank), 1))(x),
        lambda: layers.Reshape((-1, channels))(x),
        lambda: layers.Reshape((rows, -1))(x),
        lambda: layers.Reshape((-1, rows))(x),
        lambda: layers.Flatten(data_format="channels_first")(x),
    ][option % 6]()


@operation("nested")
def nested(net, x, y, option):
    """A nested model with a mask inside, which may be called again."""

    def make():
        sequential, unit = digits(option, 2, 2)
        steps = [
            layers.Dense(3 - unit),
            mask(axis=-1),
            layers.ReLU(),
            layers.Dense(x.shape[-1], use_bias=False),
        ]
        if sequential:
            return keras.Sequential([keras.Input(x.shape[1:]), *steps])
        start = end = keras.Input(x.shape[1:])
        for layer in steps:
            end = layer(end)
        return keras.Model(start, end + start)

    return net.shared("nested", x, make)(x)


@operation("nested_pair")
def nested_pair(net, x, y, option):
    """A nested model of two inputs and two outputs."""

    def make():
        a, b = keras.Input(x.shape[1:]), keras.Input(x.shape[1:])
        joined = layers.Concatenate()([a, layers.Dense(2)(b)])
        masked = mask(axis=-1)(joined)
        return keras.Model([a, b], [layers.Dense(2)(masked), masked])

    results = net.shared("nested_pair", x, make)([x, y])
    net.tensors.append(results[0])
    return results[1]
