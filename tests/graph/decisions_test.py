"""What masks have decided, as plain data and back."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import Architecture
from keras_nas import slice_model
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales
from keras_nas.slicing import read_architecture
from tests.common import assert_same_function
from tests.common import decide
from tests.common import mask
from tests.common import randomize


def network(soft=False):
    inputs = keras.Input((4,))
    x = layers.Dense(4)(mask("a", soft_inference=soft)(inputs))
    x = layers.Dense(3)(mask("b", soft_inference=soft)(x))
    return randomize(keras.Model(inputs, x, name="net"))


def test_decisions_are_what_the_masks_keep():
    flow = flow_of(decide(network(), a=[0, 3], b=[]))
    assert read_architecture(flow) == Architecture(
        "net", {"a": [0, 3], "b": []}
    )
    a, b = mask_scales(flow)
    np.testing.assert_array_equal(a, [1, 0, 0, 1])
    np.testing.assert_array_equal(b, [0, 0, 0, 0])


@pytest.mark.parametrize("soft", [False, True])
def test_decisions_written_and_read_give_the_same_network(soft):
    model = network(soft)
    rng = np.random.default_rng(0)
    for layer in flow_of(model).masks:
        layer.logits.assign(rng.normal(size=layer.logits.shape))
    text = read_architecture(flow_of(model)).to_json()
    chosen = Architecture.from_json(text)
    for a, b in zip(
        mask_scales(flow_of(model)),
        mask_scales(flow_of(model), chosen),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert_same_function(model, slice_model(model, chosen))


def test_soft_decisions_use_the_probabilities_of_the_masks():
    model = network(soft=True)
    for layer in flow_of(model).masks:
        layer.logits.assign([0.0, 1.0, -1.0, 2.0])
    chosen = Architecture("", {"a": [2], "b": [1, 3]})
    a, b = mask_scales(flow_of(model), chosen)
    p = 1 / (1 + np.exp(-np.array([0.0, 1.0, -1.0, 2.0])))
    np.testing.assert_allclose(a, p * [0, 0, 1, 0], 1e-6)
    np.testing.assert_allclose(b, p * [0, 1, 0, 1], 1e-6)


def test_masks_and_decisions_must_match():
    model = network()
    with pytest.raises(ValueError, match=r"without a decision: \['b'\]"):
        slice_model(model, Architecture("", {"a": [0]}))
    extra = {"a": [0], "b": [0], "c": [0]}
    with pytest.raises(ValueError, match=r"without a mask: \['c'\]"):
        slice_model(model, Architecture("", extra))


@pytest.mark.parametrize("wrong", [[4], [-1], [0, 0], 3, "0", [0.0], [True]])
def test_decisions_must_be_channels_of_the_mask(wrong):
    with pytest.raises(ValueError, match="decision for mask 'a'"):
        slice_model(network(), Architecture("", {"a": wrong, "b": [0]}))


@pytest.mark.parametrize("wrong", [{"a": [0], "b": [0]}, "net.json", [0]])
def test_only_an_architecture_is_one(wrong):
    with pytest.raises(ValueError, match="Architecture.load"):
        slice_model(network(), wrong)


def test_masks_of_one_name_cannot_be_told_apart():
    inputs = keras.Input((4,))
    x = inputs
    for _ in range(2):
        x = keras.Sequential([keras.Input((4,)), mask("same")])(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    assert slice_model(model).output_shape == (None, 2)
    with pytest.raises(ValueError, match=r"several masks.*\['same'\]"):
        read_architecture(flow_of(model))
    with pytest.raises(ValueError, match=r"several masks.*\['same'\]"):
        slice_model(model, Architecture("", {"same": [0]}))
