"""Gradients of the expected costs, against central differences in float64.

Logits are random: no two of the probabilities that a maximum compares are
equal, and the expectation is differentiable there.
"""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from tests.common import conv_block
from tests.common import deciders_of
from tests.common import head
from tests.common import mask
from tests.common import masks_of


def chain(x):
    x = conv_block(x, 4, "a", stride=2)
    x = mask()(layers.Conv2D(5, 1, use_bias=False)(x))
    x = layers.BatchNormalization()(x)  # Its constants need a bias next.
    return layers.Conv2D(3, 1, use_bias=False)(x)


def residual_groups(x):
    x = conv_block(x, 4, "a")
    x = layers.Add()([x, conv_block(x, 4, "b")])
    y = mask()(layers.Conv2D(4, 1, use_bias=False)(conv_block(x, 3, "c")))
    return layers.Maximum()([layers.Add()([x, y]), x])


def squeeze_excite(x):
    x = conv_block(x, 4, "a")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = mask()(layers.Conv2D(2, 1, activation="relu")(gate))
    gate = layers.Conv2D(4, 1, activation="sigmoid")(gate)
    return conv_block(layers.Multiply()([x, gate]), 3, "b")


def depthwise_and_concatenate(x):
    x, y = conv_block(x, 3, "a"), conv_block(x, 4, "b")
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(y)
    x = layers.Concatenate()([x, layers.BatchNormalization()(y), x])
    return conv_block(x, 3, "c", kernel=1)  # Padding would keep constants.


def grouped(x):
    x = conv_block(x, 6, "a")
    x = conv_block(x, 6, "b", groups=2)
    x = layers.GroupNormalization(3)(x)
    return conv_block(x, 4, "c", kernel=1)


NETWORKS = (
    chain,
    residual_groups,
    squeeze_excite,
    depthwise_and_concatenate,
    grouped,
)


def model_of(network):
    keras.utils.clear_session()
    inputs = keras.Input((4, 4, 2))
    return keras.Model(inputs, head(network(inputs)))


def slopes(cost, model):
    """Returns the cost and its gradient in the logits, one vector."""
    import tensorflow as tf

    logits = [layer.logits.value for layer in deciders_of(model)]
    with tf.GradientTape() as tape:
        value = cost(model, dtype="float64")
    gradients = tape.gradient(value, logits, unconnected_gradients="zero")
    return float(value), np.concatenate([g.numpy() for g in gradients])


def difference(cost, model, variable, index, step):
    """Returns the central difference in one logit.

    Logits are float32, so the step is what it really is after rounding.
    """
    at = keras.ops.convert_to_numpy(variable)
    values, places = [], []
    for sign in (1, -1):
        moved = at.copy()
        moved[index] += np.float32(sign * step)
        variable.assign(moved)
        values.append(float(cost(model, dtype="float64")))
        places.append(float(moved[index]))
    variable.assign(at)
    return (values[0] - values[1]) / (places[0] - places[1])


@pytest.mark.parametrize("cost", [ExpectedFLOPs(1.0), ExpectedParams(1.0)])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("seed", [0, 1])
def test_gradient_equals_central_differences(network, cost, seed):
    model = model_of(network)
    rng = np.random.default_rng(seed)
    for layer in masks_of(model):
        layer.logits.assign(rng.normal(0.3, 1.0, layer.logits.shape))
    value, gradient = slopes(cost, model)
    differences = [
        difference(cost, model, layer.logits, index, 2.0**-7)
        for layer in masks_of(model)
        for index in range(layer.logits.shape[0])
    ]
    assert value > 0 and np.abs(gradient).min() > 1e-3
    np.testing.assert_allclose(
        gradient, differences, rtol=1e-3, atol=1e-4 * np.abs(gradient).max()
    )
