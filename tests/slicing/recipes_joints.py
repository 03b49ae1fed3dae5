"""Joints of random networks: pools, merges, reshapes, nested models."""

import keras
from keras import layers

from keras_nas import SplitAttention
from tests.common import mask
from tests.slicing.recipes_net import digits
from tests.slicing.recipes_net import operation


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


@operation("split_attention", 4)
def split_attention(net, x, y, option):
    """A layer that is traced, perhaps called again, or what it consists of."""
    splits, kernel, stride, inline, shared = digits(option, 4, 2, 2, 2, 2)

    def make():
        return SplitAttention(
            1 + 2 * kernel, splits, 1 + stride, hidden=2, activation="tanh"
        )

    if inline:
        return make().inline(x)
    key = f"split attention {splits} {kernel} {stride}"
    return (net.shared(key, x, make) if shared else make())(x)


@operation("split_softmax")
def split_softmax(net, x, y, option):
    """Weights of two tensors, from positions side by side."""
    if len(x.shape) < 3:
        return layers.Softmax()(x)
    size = x.shape[1]
    both = layers.Concatenate(axis=1)([x, y])
    shares = layers.Softmax(axis=1)(both)
    first, second = shares[:, :size], shares[:, size:]
    return first * x + second * y


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
