"""Networks with atomic blocks that several tests share, and their factors."""

import keras
import numpy as np
from keras import layers

import keras_nas
from tests.common import head
from tests.common import masks_of
from tests.common import randomize


def norm(x, name=None, **kwargs):
    return layers.BatchNormalization(name=name, **kwargs)(x)


def conv(x, filters, kernel, name, act="relu", bias=False, **kwargs):
    """Convolution "name", BatchNormalization "name_bn", activation."""
    kwargs.setdefault("padding", "same")
    x = layers.Conv2D(filters, kernel, use_bias=bias, name=name, **kwargs)(x)
    x = norm(x, f"{name}_bn")
    return layers.Activation(act, name=f"{name}_act")(x) if act else x


def depthwise(x, kernel, name, act="relu", stride=1):
    x = layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=name
    )(x)
    x = norm(x, f"{name}_bn")
    return layers.Activation(act, name=f"{name}_act")(x) if act else x


def mbconv(x, hidden, out, act="relu", stride=1, squeeze=0, name="mb"):
    """An MBConv block, with a squeeze-excite if it is told to."""
    x = conv(x, hidden, 1, f"{name}_expand", act)
    x = depthwise(x, 3, f"{name}_dw", act, stride)
    if squeeze:
        x = squeeze_excite(x, squeeze, f"{name}_se")
    return conv(x, out, 1, f"{name}_project", None)


def squeeze_excite(x, hidden, name):
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    gate = layers.Conv2D(hidden, 1, activation="relu", name=f"{name}_reduce")(
        gate
    )
    gate = layers.Conv2D(
        x.shape[-1], 1, activation="sigmoid", name=f"{name}_expand"
    )(gate)
    return layers.Multiply(name=f"{name}_multiply")([x, gate])


def network(make, shape=(6, 6, 3)):
    """Returns `make` of a stem, a residual stream, with a classifier."""
    inputs = keras.Input(shape)
    x = conv(inputs, 4, 3, "stem", padding="valid")
    return keras.Model(inputs, head(layers.Add(name="stream")([x, make(x)])))


def with_atoms(model, **kwargs):
    return keras_nas.insert_masks(
        model, keras_nas.AtomicBlockScale, seed=0, **kwargs
    )


def atoms_of(model):
    """Returns, by name of a mask without "_mask", the layer before and the
    kind of factor."""
    found = {}
    for mask in masks_of(model):
        (before,) = mask._inbound_nodes[0].parent_nodes
        name = mask.name.removesuffix("_mask")
        found[name] = (before.operation.name, mask.factor_kind)
    return found


def random_factors(model, seed=0, dead=0.5):
    """Gives a model random weights, and factors of both signs, or 0."""
    randomize(model, seed)
    rng = np.random.default_rng(seed)
    for mask in masks_of(model):
        size = mask.moving_average.shape
        factors = rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size)
        mask.factor.assign(factors * (rng.random(size) >= dead))
    return model


def scales_of(model):
    return [
        keras.ops.convert_to_numpy(mask.inference_scale())
        for mask in masks_of(model)
    ]
