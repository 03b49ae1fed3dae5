"""Layers made of layers and subclassed models, which are traced."""

import keras
from keras import layers
from keras import ops

from tests.common import mask
from tests.slicing.recipes_net import digits
from tests.slicing.recipes_net import operation


@keras.saving.register_keras_serializable(package="tests")
class Bottleneck(layers.Layer):
    """x + expand(norm(reduce(x))), perhaps with a mask in the middle."""

    def __init__(self, channels, width, masked=False, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.width, self.masked = channels, width, masked
        self.steps = [layers.Dense(width, use_bias=False)]
        self.steps.append(layers.BatchNormalization())
        if masked:
            self.steps.append(mask(axis=-1))
        self.expand = layers.Dense(channels)

    def build(self, input_shape):
        middle = (*input_shape[:-1], self.width)
        for step, shape in zip(
            [*self.steps, self.expand],
            [input_shape, *[middle] * len(self.steps)],
            strict=True,
        ):
            step.build(shape)

    def call(self, inputs, training=None):
        x = self.steps[0](inputs)
        x = self.steps[1](x, training=training)
        for step in self.steps[2:]:
            x = step(x)
        return inputs + self.expand(ops.relu(x))

    def get_config(self):
        own = {k: getattr(self, k) for k in ("channels", "width", "masked")}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="tests")
class Gated(layers.Layer):
    """a * sigmoid(dense(b)), where the dense layer is called twice."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.dense = layers.Dense(channels)

    def build(self, a_shape, b_shape):
        self.dense.build(a_shape)

    def call(self, a, b):
        return self.dense(a) * ops.sigmoid(self.dense(b))

    def get_config(self):
        return super().get_config() | {"channels": self.channels}


@keras.saving.register_keras_serializable(package="tests")
class Tower(keras.Model):
    """A subclassed model of a layer of layers and a dense layer."""

    def __init__(self, channels, masked=False, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.masked = channels, masked
        self.block = Bottleneck(channels, 3, masked)
        self.last = layers.Dense(2, activation="tanh")

    def build(self, input_shape):
        self.block.build(input_shape)
        self.last.build(input_shape)

    def call(self, inputs):
        x = self.block(inputs)
        return self.last(x), x

    def get_config(self):
        own = {"channels": self.channels, "masked": self.masked}
        return super().get_config() | own


def dense(x):
    """Keras takes `x * 0.5` for sparse, and cannot call own layers on it."""
    return ops.relu(x) if x.sparse else x


@operation("composite")
def composite(net, x, y, option):
    x, y = dense(x), dense(y)
    gated, shared = digits(option, 2, 2)
    channels = x.shape[-1]
    if gated:
        make = lambda: Gated(channels)  # noqa: E731
        arguments = (x, y)
    else:
        make = lambda: Bottleneck(channels, 2)  # noqa: E731
        arguments = (x,)
    purpose = f"composite {gated}"
    layer = net.shared(purpose, x, make) if shared else make()
    return layer(*arguments)


@operation("nested_composite")
def nested_composite(net, x, y, option):
    x = dense(x)
    make = lambda: Bottleneck(x.shape[-1], 3, masked=True)  # noqa: E731
    return net.shared("nested composite", x, make)(x)


@operation("nested_subclassed")
def nested_subclassed(net, x, y, option):
    x = dense(x)
    masked = bool(option % 2)
    first, second = net.shared(
        f"tower {masked}", x, lambda: Tower(x.shape[-1], masked)
    )(x)
    net.tensors.append(second)
    return first


@operation("subclassed")
def subclassed(net, x, y, option):
    x = dense(x)
    return Tower(x.shape[-1])(x)[option % 2]
