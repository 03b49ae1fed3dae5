"""Checks that every layer of the package must pass, and small helpers."""

import json

import keras
import numpy as np
from keras import ops

from keras_nas.layers import Mask


def check_layer(
    layer_class,
    arguments,
    input_shape,
    trainable_weights,
    non_trainable_weights,
    seed_generators,
):
    """Runs the checks that do not depend on what the layer computes.

    Args:
        layer_class: A `keras.layers.Layer` class whose output has the shape
            of its input.
        arguments: Dict of arguments, such that calls of a mask draw at
            random.
        input_shape: Shape with the batch size.
        trainable_weights: How many the built layer has.
        non_trainable_weights: How many the built layer has.
        seed_generators: How many the layer owns.
    """
    layer = layer_class(**arguments)
    check_serialization(layer)

    features = np.random.default_rng(0).normal(size=input_shape)
    symbol = keras.KerasTensor(input_shape, "float32")
    assert layer.compute_output_shape(input_shape) == tuple(input_shape)
    symbolic = layer(symbol)
    eager = layer(features)
    assert symbolic.shape == tuple(eager.shape) == tuple(input_shape)
    assert keras.backend.standardize_dtype(eager.dtype) == "float32"
    assert symbolic.dtype == "float32"
    assert layer.built
    assert layer.supports_masking or not isinstance(layer, Mask)

    assert len(layer.trainable_weights) == trainable_weights
    assert len(layer.non_trainable_weights) == non_trainable_weights
    generators = [
        value
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]
    assert len(generators) == seed_generators
    assert len(layer.variables) == (
        trainable_weights + non_trainable_weights + seed_generators
    )
    layer.trainable = False
    assert not layer.trainable_weights

    check_training(layer_class(**arguments), features)
    for dtype in ("float16", "bfloat16"):
        check_mixed_precision(layer_class, arguments, features, dtype)


def check_serialization(layer):
    """Asserts that a layer comes back from JSON as it was."""
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    entry = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(entry)))
    assert type(again) is type(layer)
    assert again.get_config() == config
    assert set(vars(again)) == set(vars(layer))


def check_training(layer, features):
    """Asserts that one step of stock `fit` runs and moves what it should."""
    model = keras.Sequential(
        [
            keras.Input(features.shape[1:]),
            layer,
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    kernel = model.layers[-1].get_weights()[0]
    model.compile("sgd", "mse")
    labels = np.ones((len(features), 2))
    history = model.fit(features, labels, batch_size=len(features), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.abs(model.layers[-1].get_weights()[0] - kernel).max() > 0
    for weight in model.weights:
        assert np.isfinite(ops.convert_to_numpy(weight)).all()


def check_mixed_precision(layer_class, arguments, features, dtype):
    """Asserts that only the output is in low precision."""
    arguments = {**arguments, "name": "layer"}
    layer = layer_class(dtype=f"mixed_{dtype}", **arguments)
    output = layer(features, training=True)
    assert keras.backend.standardize_dtype(output.dtype) == dtype
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    if not isinstance(layer, Mask):
        return
    sample = layer.sample()
    assert keras.backend.standardize_dtype(sample.dtype) == "float32"
    exact = layer_class(**arguments)
    exact(features, training=True)
    assert (to_numpy(exact.sample()) == to_numpy(sample)).all()


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def draw(mask, batch=1):
    """Returns the multipliers of one training step, as the output shows."""
    channels = mask.logits.shape[0]
    return to_numpy(mask(np.ones((batch, channels)), training=True))[0]


def build_mask(mask, channels, logits=None):
    """Builds a mask for rank-2 inputs, perhaps with given logits."""
    mask.build((None, channels))
    if logits is not None:
        mask.logits.assign(np.broadcast_to(logits, channels))
    return mask


def step_of(mask):
    """Returns how many training steps the mask has counted."""
    return int(to_numpy(mask.seed_generator.state.value)[1])
