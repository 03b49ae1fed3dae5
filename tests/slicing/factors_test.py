"""The slicer: soft masks, whose factors are folded into weights."""

import keras
import pytest
from keras import layers

from keras_nas import slice_model
from tests.common import architecture_of
from tests.common import assert_same_function
from tests.common import head
from tests.common import randomize
from tests.slicing.networks import norm
from tests.slicing.networks import soft
from tests.slicing.networks import soften
from tests.slicing.networks import types

FOLDABLE = {
    "norm": norm,
    "norm through relu": lambda x: layers.ReLU()(norm(x)),
    "norm through many": lambda x: layers.Dropout(0.1)(
        layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(norm(x)))
    ),
    "conv": lambda x: layers.Conv2D(5, 3)(x),
    "conv relu": lambda x: layers.Conv2D(5, 1, activation="relu")(x),
    "separable": lambda x: layers.SeparableConv2D(5, 3)(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3)(x),
    "depthwise multiplier": lambda x: layers.DepthwiseConv2D(
        3, depth_multiplier=2
    )(x),
    "global pool": lambda x: layers.GlobalAveragePooling2D()(norm(x)),
    "another mask": lambda x: soft("m2")(norm(x)),
}


@pytest.mark.parametrize("make", FOLDABLE.values(), ids=FOLDABLE)
def test_soft_factors_are_folded(make):
    inputs = keras.Input((6, 6, 3))
    x = soft("m")(make(layers.Conv2D(5, 1)(inputs)))
    outputs = layers.Dense(2)(layers.Flatten()(x))
    model = soften(randomize(keras.Model(inputs, outputs)))
    result, report = slice_model(model, return_report=True)
    assert_same_function(model, result)
    assert "Rescaling" not in types(result)
    assert any(name == "m" for name, _ in report.folded)


NOT_FOLDED_BACK = {
    "sigmoid": layers.Activation("sigmoid", name="first"),
    "conv sigmoid": layers.Conv2D(5, 1, activation="sigmoid", name="first"),
    "relu6": layers.ReLU(6.0, name="first"),
    "norm without scale": layers.BatchNormalization(scale=False, name="first"),
    "softmax": layers.Softmax(name="first"),
    "norm of rows": layers.BatchNormalization(axis=1, name="first"),
}


def behind(layer, *others):
    inputs = keras.Input((6, 6, 3))
    x = soft("m")(layer(layers.Conv2D(4, 1)(inputs)))
    for other in others:
        x = other(x)
    return soften(randomize(keras.Model(inputs, head(x))))


@pytest.mark.parametrize("layer", NOT_FOLDED_BACK.values(), ids=NOT_FOLDED_BACK)
def test_soft_factors_that_cannot_be_folded_back_are_folded_on(layer):
    model = behind(layer)
    result, report = slice_model(model, return_report=True)
    assert_same_function(model, result)
    assert "Rescaling" not in types(result)
    assert ("m", "factors into classifier") in report.folded


@pytest.mark.parametrize("layer", NOT_FOLDED_BACK.values(), ids=NOT_FOLDED_BACK)
def test_soft_factors_that_cannot_be_folded(layer):
    model = behind(layer, layers.Activation("tanh"))
    result = slice_model(model)
    assert_same_function(model, result)
    assert "Rescaling" in types(result)


def test_soft_factors_behind_a_tensor_read_elsewhere_too():
    inputs = keras.Input((6, 6, 3))
    x = norm(layers.Conv2D(4, 1)(inputs))
    x = layers.Concatenate()([soft("m")(x), x])
    model = soften(randomize(keras.Model(inputs, head(x))))
    assert_same_function(model, slice_model(model))


def test_soft_factors_of_one_mask_at_several_places():
    inputs = keras.Input((6, 6, 3))
    shared = soft("m")
    x = shared(norm(layers.Conv2D(4, 1)(inputs)))
    x = shared(norm(layers.DepthwiseConv2D(3)(shared(layers.ReLU()(x)))))
    x = shared(layers.Activation("sigmoid")(x))
    model = soften(randomize(keras.Model(inputs, head(x))))
    assert_same_function(model, slice_model(model))


def test_soft_architecture():
    inputs = keras.Input((4,))
    x = layers.Dense(2)(soft("m")(layers.Dense(4)(inputs)))
    model = soften(randomize(keras.Model(inputs, x)))
    chosen = architecture_of(model)
    assert_same_function(model, slice_model(model, chosen))


def test_factors_under_channels_first(tmp_path):
    """There, Rescaling would take a vector for one of image channels."""
    keras.config.set_image_data_format("channels_first")
    try:
        inputs = keras.Input((5,))
        x = layers.Dense(4, activation="sigmoid")(inputs)
        x = layers.Activation("tanh")(soft("m", axis=-1)(x))
        x = layers.Dense(3)(x)
        model = soften(randomize(keras.Model(inputs, x)))
        result = slice_model(model)
        assert_same_function(model, result)
        result.save(tmp_path / "sliced.keras")
        loaded = keras.models.load_model(tmp_path / "sliced.keras")
        assert_same_function(model, loaded)
    finally:
        keras.config.set_image_data_format("channels_last")
