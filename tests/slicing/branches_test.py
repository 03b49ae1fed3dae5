"""The slicer: dead parts, and channels that must stay."""

import keras
import numpy as np
from keras import layers

from keras_nas import count_cost
from tests.common import assert_slices
from tests.common import conv_block
from tests.common import decide
from tests.common import head
from tests.common import inputs_for
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize
from tests.common import run
from tests.slicing.networks import norm
from tests.slicing.networks import sliced
from tests.slicing.networks import types

# Dead parts.


def test_dead_branch_is_gone():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    y = conv_block(x, 6, "b")
    y = layers.Conv2D(4, 1, use_bias=False, name="c")(y)
    x = layers.Add()([x, mask("m")(y)])
    result, report = sliced(inputs, head(x), m=[])
    assert {"b", "b_bn", "b_relu", "c"} <= set(report.removed)
    assert types(result) == [
        "InputLayer",
        "Conv2D",
        "BatchNormalization",
        "ReLU",
        "GlobalAveragePooling2D",
        "Dense",
    ]


def test_dead_gate_is_gone():
    """The last layer of the gate is masked: the gate is sigmoid(0)."""
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu", name="g1")(gate)
    gate = mask("m")(layers.Conv2D(4, 1, name="g2")(gate))
    gate = layers.Activation("sigmoid")(gate)
    result, report = sliced(inputs, head(layers.Multiply()([x, gate])), m=[])
    assert {"g1", "g2"} <= set(report.removed)
    rescaling = next(v for v in result.layers if "rescaling" in v.name)
    assert rescaling.scale == [0.5] * 4


def test_dead_squeeze_leaves_a_constant_gate():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = mask("m")(layers.Conv2D(2, 1, activation="relu", name="g1")(gate))
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="g2")(gate)
    _, report = sliced(inputs, head(layers.Multiply()([x, gate])), m=[])
    assert {"g1", "g2"} <= set(report.removed)


def test_a_zero_on_one_side_releases_the_gate():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu")(gate)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="g2")(gate)
    result, _ = sliced(
        inputs, head(layers.Multiply()([x, gate])), a_mask=[0, 2]
    )
    assert result.get_layer("g2").filters == 2


def test_dead_gate_that_is_all_zero():
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, name="a")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = mask("m")(layers.Conv2D(4, 1, name="g")(gate))
    x = layers.Multiply()([x, gate])
    sliced(inputs, head(layers.Add()([x, layers.Conv2D(4, 1)(inputs)])), m=[])


def test_everything_closed():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    y = conv_block(x, 4, "b")
    x = layers.Add()([x, y])
    x = conv_block(x, 6, "c")
    model = randomize(keras.Model(inputs, head(x)))
    closed = {layer.name: [] for layer in masks_of(model)}
    result, _ = assert_slices(decide(model, **closed))
    first, second = (row for row in run(result, inputs_for(result))[0])
    np.testing.assert_array_equal(first, second)
    assert count_cost(result).macs < count_cost(model).macs / 10


def test_dead_operand_of_a_concatenation_is_left_out():
    inputs = keras.Input((4, 4, 3))
    x = layers.Concatenate(name="join")(
        [conv_block(inputs, 4, name) for name in "abc"]
    )
    x = layers.Conv2D(2, 3, name="d")(x)
    result, report = sliced(
        inputs, head(x), a_mask=[1], b_mask=[], c_mask=[0, 3]
    )
    assert {"b", "b_bn", "b_relu"} <= set(report.removed)
    assert result.get_layer("d").kernel.shape[2] == 3
    result, report = sliced(inputs, head(x), a_mask=[1], b_mask=[], c_mask=[])
    assert "join" in report.removed


def test_dead_operand_whose_channels_stay_elsewhere():
    """Its place in the concatenation is filled with its constants."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, name="a")(inputs)
    y = layers.Activation("sigmoid", name="s")(mask("m")(x))
    z = layers.Conv2D(2, 1)(inputs)
    joined = layers.Conv2D(2, 1)(layers.Concatenate()([y, z]))
    other = layers.Conv2D(2, 1)(x)
    _, report = sliced(inputs, head(layers.Add()([joined, other])), m=[])
    assert "s" in report.removed
    joined = layers.Conv2D(2, 1)(layers.Concatenate()([z, y]))
    sliced(inputs, head(layers.Add()([joined, other])), m=[])


# Where a masked channel must stay.


def test_masked_channel_alive_through_the_other_branch():
    inputs = keras.Input((8, 8, 3))
    x, y = conv_block(inputs, 4, "a"), conv_block(inputs, 4, "b")
    x = layers.Add()([x, y])
    result, _ = sliced(inputs, head(x), a_mask=[0, 1], b_mask=[1, 2])
    assert result.get_layer("a").filters == result.get_layer("b").filters == 3
    # Produced as 0: a's channel 2 has no weights left.
    gamma = result.get_layer("a_bn").get_weights()[0]
    assert gamma[2] == 0 and gamma[:2].all()


def test_mask_on_the_input():
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 3, name="a")(mask("m")(inputs))
    result, _ = sliced(inputs, head(x), m=[0, 2])
    assert result.input_shape == (None, 4, 4, 3)


def test_mask_on_an_input_read_elsewhere_too():
    inputs = keras.Input((4,))
    x = layers.Concatenate()([mask("m")(inputs), inputs])
    sliced(inputs, layers.Dense(2)(x), m=[1])
    sliced(inputs, layers.Dense(2)(x), m=[])


def test_mask_right_at_the_output():
    inputs = keras.Input((4,))
    x = mask("m")(norm(layers.Dense(5, name="d")(inputs)))
    result, _ = sliced(inputs, x, m=[0, 3])
    assert result.output_shape == (None, 5)
    assert types(result) == ["InputLayer", "Dense", "BatchNormalization"]


def test_mask_whose_input_is_an_output_too():
    inputs = keras.Input((4,))
    x = layers.Dense(5, name="d")(inputs)
    result, _ = sliced(inputs, [x, mask("m")(x)], m=[0, 3])
    assert result.get_layer("d").units == 5


def test_a_model_that_is_only_masks():
    inputs = keras.Input((4,))
    sliced(inputs, mask("m")(inputs), m=[0, 3])
    sliced(inputs, mask("m")(inputs), m=[0, 1, 2, 3])
    sliced(inputs, mask("m")(inputs), m=[])


def test_mask_of_another_axis_than_that_of_the_channels():
    inputs = keras.Input((5, 4, 3))
    x = mask("rows", axis=1)(layers.Conv2D(4, 1, name="a")(inputs))
    x = mask("m")(x)
    result, report = sliced(inputs, head(x), rows=[0, 2], m=[1, 3])
    assert result.get_layer("a").filters == 4
    assert ("rows", "masks another axis") in report.barriers
