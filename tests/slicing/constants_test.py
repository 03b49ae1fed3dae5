"""The slicer: constants that masked channels leave."""

import keras
from keras import layers

from tests.common import head
from tests.common import mask
from tests.slicing.networks import norm
from tests.slicing.networks import sliced
from tests.slicing.networks import types


def test_constant_into_a_pointwise_convolution_is_folded():
    inputs = keras.Input((4, 4, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1, name="a")(inputs)))
    x = layers.Conv2D(5, 1, name="b")(x)
    result, report = sliced(inputs, head(x), m=[1])
    assert result.get_layer("a").filters == 1
    assert result.get_layer("b").kernel.shape == (1, 1, 1, 5)


def test_constant_into_a_valid_convolution_is_folded():
    inputs = keras.Input((5, 5, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1, name="a")(inputs)))
    x = layers.Conv2D(5, 3, name="b")(x)
    result, _ = sliced(inputs, head(x), m=[1])
    assert result.get_layer("b").kernel.shape == (3, 3, 1, 5)


def test_constant_into_a_padded_convolution_stays():
    inputs = keras.Input((4, 4, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1, name="a")(inputs)))
    x = layers.Conv2D(5, 3, padding="same", name="b")(x)
    result, _ = sliced(inputs, head(x), m=[1])
    assert result.get_layer("b").kernel.shape == (3, 3, 4, 5)


def test_zero_into_a_padded_convolution_goes():
    inputs = keras.Input((4, 4, 3))
    x = mask("m")(norm(layers.Conv2D(4, 1, name="a")(inputs)))
    x = layers.Conv2D(5, 3, padding="same", name="b")(x)
    result, report = sliced(inputs, head(x), m=[1])
    assert result.get_layer("b").kernel.shape == (3, 3, 1, 5)
    assert not report.folded


def test_constants_into_dense_without_bias_add_a_bias():
    inputs = keras.Input((4,))
    x = norm(mask("m")(layers.Dense(3)(inputs)))
    x = layers.Dense(2, use_bias=False, name="d")(x)
    result, report = sliced(inputs, x, m=[1])
    assert result.get_layer("d").use_bias
    assert ("d", "constants into new bias") in report.folded


def test_constants_before_batch_norm_move_into_its_mean():
    inputs = keras.Input((4, 4, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1)(inputs)))
    x = layers.Conv2D(5, 1, use_bias=False, name="b")(x)
    result, report = sliced(inputs, head(norm(x)), m=[1])
    assert not result.get_layer("b").use_bias
    assert ("b", "constants into BatchNorm") in report.folded


def test_constants_before_a_fused_activation_do_not():
    """The BatchNorm sees them through the activation only."""
    inputs = keras.Input((4, 4, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1)(inputs)))
    x = layers.Conv2D(5, 1, use_bias=False, activation="relu", name="b")(x)
    result, _ = sliced(inputs, head(norm(x)), m=[0, 2])
    assert result.get_layer("b").use_bias


def test_constants_before_a_batch_norm_read_elsewhere_too():
    inputs = keras.Input((4, 4, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1)(inputs)))
    x = layers.Conv2D(5, 1, use_bias=False, name="b")(x)
    result, _ = sliced(inputs, head(layers.Add()([norm(x), x])), m=[1])
    assert result.get_layer("b").use_bias


def test_constants_through_many_layers():
    inputs = keras.Input((6, 6, 3))
    x = norm(mask("m")(layers.Conv2D(4, 1, name="a")(inputs)))
    x = layers.Activation("sigmoid")(x)
    x = layers.AveragePooling2D(2, padding="same")(x)
    x = layers.DepthwiseConv2D(2)(x) * 0.5 + 3.0
    x = layers.Flatten()(layers.Permute((3, 1, 2))(x))
    result, _ = sliced(inputs, layers.Dense(2)(x), m=[1, 2])
    assert result.get_layer("a").filters == 2


def test_constants_of_dropped_operands_are_added():
    """Nothing of the branch is computed, but its offsets remain."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, name="a")(inputs)
    y = norm(mask("m")(layers.Conv2D(4, 1, name="b")(x)), name="b_bn")
    x = layers.Add(name="add")([x, y])
    result, report = sliced(inputs, head(x), m=[])
    assert "Rescaling" in types(result) and "Add" not in types(result)
    assert {"b", "b_bn"} <= set(report.removed)
    assert ("add", "constant operand into Rescaling") in report.folded
