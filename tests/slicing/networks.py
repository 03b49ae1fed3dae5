"""Networks that the tests of the slicer share."""

import keras
import numpy as np
from keras import layers

from tests.common import assert_slices
from tests.common import decide
from tests.common import head
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize


def names(model):
    return [layer.name for layer in model.layers]


def types(model):
    return [type(layer).__name__ for layer in model.layers]


def norm(x, **kwargs):
    return layers.BatchNormalization(**kwargs)(x)


def sliced(inputs, outputs, **kept):
    """Slices the network from inputs to outputs, with random weights.

    Masks that are not mentioned stay open.
    """
    model = randomize(keras.Model(inputs, outputs))
    for layer in masks_of(model):
        kept.setdefault(layer.name, range(layer.logits.shape[0]))
    return assert_slices(decide(model, **kept))


def soften(model):
    """Gives the kept channels of soft masks factors below 1."""
    for seed, layer in enumerate(masks_of(model)):
        logits = np.random.default_rng(seed).normal(size=layer.logits.shape)
        layer.logits.assign(logits)
    return model


def soft(name, **kwargs):
    return mask(name, soft_inference=True, **kwargs)


def siamese(weights=True):
    """One layer called on two tensors with other masks."""
    a, b = keras.Input((4, 4, 3), name="a"), keras.Input((4, 4, 3), name="b")
    shared = layers.Conv2D(5, 1, name="shared", use_bias=weights)
    both = []
    for name, inputs in (("a", a), ("b", b)):
        x = layers.Conv2D(4, 1, name=f"first_{name}")(inputs)
        x = norm(mask(f"in_{name}")(x))
        both.append(mask(f"out_{name}")(shared(x)))
    return keras.Model([a, b], [head(x, name=None) for x in both])


def nested_block(kind):
    steps = [
        layers.Conv2D(6, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        mask("m"),
        layers.ReLU(),
        layers.Conv2D(4, 1),
    ]
    if kind == "sequential":
        return keras.Sequential([keras.Input((6, 6, 4)), *steps])
    inputs = x = keras.Input((6, 6, 4))
    for layer in steps:
        x = layer(x)
    return keras.Model(inputs, x + inputs)
