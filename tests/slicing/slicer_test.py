"""The slicer: constants, dead branches, factors, shared and nested parts."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import slice_model
from tests.common import architecture_of
from tests.common import assert_plain
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import conv_block
from tests.common import decide
from tests.common import decide_at_random
from tests.common import head
from tests.common import inputs_for
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize
from tests.common import run


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


# Constants that masked channels leave.


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


# Soft masks: factors that are folded into weights.


def soften(model):
    """Gives the kept channels of soft masks factors below 1."""
    for seed, layer in enumerate(masks_of(model)):
        logits = np.random.default_rng(seed).normal(size=layer.logits.shape)
        layer.logits.assign(logits)
    return model


def soft(name):
    return mask(name, soft_inference=True)


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


NOT_FOLDABLE = {
    "sigmoid": layers.Activation("sigmoid"),
    "conv sigmoid": layers.Conv2D(5, 1, activation="sigmoid"),
    "relu6": layers.ReLU(6.0),
    "norm without scale": layers.BatchNormalization(scale=False),
    "softmax": layers.Softmax(),
    "norm of rows": layers.BatchNormalization(axis=1),
}


@pytest.mark.parametrize("layer", NOT_FOLDABLE.values(), ids=NOT_FOLDABLE)
def test_soft_factors_that_cannot_be_folded(layer):
    inputs = keras.Input((6, 6, 3))
    x = soft("m")(layer(layers.Conv2D(4, 1)(inputs)))
    model = soften(randomize(keras.Model(inputs, head(x))))
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


# Shared layers, nested models, several inputs and outputs.


def test_one_mask_at_several_places():
    inputs = keras.Input((6, 6, 3))
    shared = mask("m")
    x = layers.ReLU()(shared(norm(layers.Conv2D(4, 1, name="a")(inputs))))
    x = layers.DepthwiseConv2D(3, padding="same", name="d")(x)
    x = layers.ReLU()(shared(norm(x)))
    x = layers.Conv2D(4, 3, padding="same", name="b")(x)
    x = shared(norm(x))
    result, _ = sliced(inputs, head(x), m=[0, 2, 3])
    for name in "ab":
        assert result.get_layer(name).filters == 3
    assert result.get_layer("d").kernel.shape == (3, 3, 3, 1)


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


@pytest.mark.parametrize("bias", [True, False])
def test_shared_layer_is_cut_by_the_union_of_its_calls(bias):
    model = randomize(siamese(bias))
    decide(model, in_a=[0, 1], in_b=[1, 2], out_a=[0], out_b=[2, 4])
    result, _ = assert_slices(model)
    shared = result.get_layer("shared")
    assert len(shared._inbound_nodes) == 2
    assert shared.filters == 3
    # What is dropped in one call only cannot move into the bias of both.
    assert shared.kernel.shape[2] == 4


def test_shared_layer_with_a_dead_call():
    model = randomize(siamese())
    decide(model, in_a=[], in_b=[1, 2], out_a=[], out_b=[2, 4])
    assert_slices(model)
    decide(model, in_a=[], in_b=[1, 2], out_a=[0, 1], out_b=[])
    assert_slices(model)


def test_shared_batch_norm():
    inputs = keras.Input((4,))
    shared = layers.BatchNormalization()
    x = mask("m")(shared(layers.Dense(3)(inputs)))
    y = shared(layers.Dense(3)(x))
    x = layers.Concatenate()([x, y])
    sliced(inputs, layers.Dense(2)(x), m=[1])
    sliced(inputs, layers.Dense(2)(x), m=[])


def test_shared_layer_without_weights_has_other_channels_at_each_call():
    inputs = keras.Input((4,))
    reshape = layers.Reshape((1, 1, 4), name="reshape")
    rescaling = layers.Rescaling([1.0, 2.0, 3.0, 4.0], name="rescaling")
    outputs = []
    for name in "ab":
        x = mask(name)(layers.Dense(4)(inputs))
        x = layers.Flatten()(reshape(rescaling(x)))
        outputs.append(layers.Dense(2)(x))
    result, _ = sliced(inputs, outputs, a=[0], b=[1, 2])
    shapes = [
        layer.target_shape
        for layer in result.layers
        if isinstance(layer, layers.Reshape)
    ]
    assert sorted(shapes) == [(1, 1, 1), (1, 1, 2)]


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


@pytest.mark.parametrize("kind", ["sequential", "functional"])
@pytest.mark.parametrize("calls", [1, 2])
def test_nested_model(kind, calls):
    inputs = keras.Input((6, 6, 3))
    block = nested_block(kind)
    x = layers.Conv2D(4, 1)(inputs)
    for _ in range(calls):
        x = layers.Activation("tanh")(block(x))
    result, _ = sliced(inputs, head(x), m=[1, 3])
    assert not [v for v in result.layers if isinstance(v, keras.Model)]
    assert 2 in [getattr(v, "filters", None) for v in result.layers]


def test_nested_model_in_inference_mode_stays_so():
    inputs = keras.Input((6, 6, 4))
    x = nested_block("functional")(inputs, training=False)
    result, _ = sliced(inputs, head(x), m=[1, 3])
    (bn,) = [v for v in result.layers if "batch_norm" in v.name]
    (node,) = bn._inbound_nodes
    assert node.arguments.kwargs["training"] is False


def test_layer_that_always_trains_is_kept_whole():
    """Its statistics are those of the batch: nothing is known of it."""
    inputs = keras.Input((6, 6, 4))
    x = mask("m")(layers.Conv2D(4, 1, name="a")(inputs))
    x = layers.BatchNormalization(name="bn")(x, training=True)
    model = randomize(keras.Model(inputs, head(layers.Conv2D(4, 1)(x))))
    result, report = slice_model(decide(model, m=[1]), return_report=True)
    assert result.get_layer("a").filters == 4
    assert [name for name, _ in report.barriers] == ["bn"]
    # Only without an explicit `training` does Keras heed that of the layer.
    batch = inputs_for(model)
    np.testing.assert_allclose(model(batch), result(batch), 1e-5, 1e-5)


def test_two_inputs_and_two_outputs():
    a, b = keras.Input((6, 6, 3)), keras.Input((6, 6, 2))
    x, y = conv_block(a, 4, "a"), conv_block(b, 4, "b")
    joined = layers.Concatenate()([x, y])
    z = conv_block(joined, 4, "c")
    outputs = [head(z, name="one"), layers.Flatten()(layers.Add()([x, z]))]
    model = randomize(keras.Model([a, b], outputs))
    for seed in range(3):
        assert_slices(decide_at_random(model, seed))


def test_structures_of_inputs_and_outputs():
    inputs = {name: keras.Input((4,), name=name) for name in "ab"}
    x = layers.Concatenate()([layers.Dense(4)(inputs["a"]), inputs["b"]])
    outputs = {"y": layers.Dense(2)(mask("m")(x)), "a": inputs["a"]}
    result, _ = sliced(inputs, outputs, m=[1, 5])
    assert sorted(result.output) == ["a", "y"]


def test_sequential_model():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            mask("m"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    result, _ = assert_slices(decide(randomize(model), m=[0, 3]))
    assert result.layers[1].filters == 2


def test_mixed_precision():
    inputs = keras.Input((6, 6, 3))
    policy = {"dtype": "mixed_float16"}
    x = layers.Conv2D(4, 1, name="a", **policy)(inputs)
    x = layers.BatchNormalization(**policy)(mask("m", **policy)(x))
    y = mask("n", **policy)(layers.Conv2D(4, 1, **policy)(x))
    x = layers.Add(**policy)([x, layers.BatchNormalization(**policy)(y), x])
    x = layers.GlobalAveragePooling2D(**policy)(x)
    outputs = layers.Dense(2, dtype="float32")(x)
    model = randomize(keras.Model(inputs, outputs))
    for kept in ([0, 2], []):
        result = slice_model(decide(model, m=[1, 2, 3], n=kept))
        assert_same_function(model, result, rtol=1e-2)
        for layer in result.layers[1:-1]:
            assert layer.dtype_policy.name == "mixed_float16", layer.name


# What the slicer returns and leaves alone.


def fixed_network():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    y = conv_block(x, 4, "b")
    return randomize(keras.Model(inputs, head(layers.Add()([x, y])), name="n"))


def test_original_is_untouched():
    model = decide(fixed_network(), a_mask=[0], b_mask=[0, 1])
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    weights = [w.copy() for w in model.get_weights()]
    result = slice_model(model)
    result.set_weights([w + 1 for w in result.get_weights()])
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not set(map(id, result.layers)) & set(map(id, model.layers))


def test_names_and_trainability_are_kept():
    model = decide(fixed_network(), a_mask=[0], b_mask=[0, 1])
    model.get_layer("a").trainable = False
    result = slice_model(model)
    assert result.name == "n"
    assert {"a", "a_bn", "a_relu", "b", "classifier"} <= set(names(result))
    assert not result.get_layer("a").trainable
    assert result.get_layer("b").trainable


def test_names_of_inputs_are_kept():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="x")])
    inputs = keras.Input((4,), name="x")
    outputs = mask("m")(inner(inputs))
    result, _ = sliced(inputs, outputs)
    assert names(result) == ["x", "x_1"]
    inputs = keras.Input((4,))  # Keras finds a name.
    model = keras.Model(inputs, mask("m")(inputs))
    assert names(slice_model(model))[0] == names(model)[0]


def test_sliced_model_trains():
    result = slice_model(decide(fixed_network(), a_mask=[0], b_mask=[0, 1]))
    result.compile("sgd", "mse")
    result.fit(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0)


def test_architecture_overrides_the_masks():
    model = decide(fixed_network(), a_mask=[0], b_mask=[0])
    chosen = Architecture("", {"a_mask": [1, 2], "b_mask": [2, 3]})
    result = slice_model(model, chosen)
    decide(model, a_mask=[1, 2], b_mask=[2, 3])
    assert_same_function(model, result)
    assert architecture_of(model).decisions == chosen.decisions


def test_report():
    model = decide(fixed_network(), a_mask=[0], b_mask=[])
    _, report = slice_model(model, return_report=True)
    assert report.layers == [
        ("a", "Conv2D", 1, 4),
        ("classifier", "Dense", 3, 3),
    ]
    text = str(report)
    assert "removed: b_bn" in text and "1/4" in text


def test_report_names_a_shared_layer_once():
    model = randomize(siamese())
    decide(model, in_a=[0], in_b=[0], out_a=[], out_b=[])
    _, report = slice_model(model, return_report=True)
    assert len(set(report.removed)) == len(report.removed)


def test_model_without_masks_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="insert_masks"):
        slice_model(model)


def test_not_a_model_is_refused():
    with pytest.raises(ValueError, match="Keras 3"):
        slice_model("model.keras")


LOAD = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_nas":
            raise ImportError("keras_nas is blocked")

sys.meta_path.insert(0, Blocker())
try:
    import keras_nas
except ImportError:
    pass
else:
    raise SystemExit("keras_nas could be imported")

import keras
import numpy as np

for stem in sys.argv[1:]:
    model = keras.models.load_model(stem + ".keras")
    data = np.load(stem + ".npz")
    inputs = [data[f"in{i}"] for i in range(len(model.inputs))]
    outputs = model(inputs, training=False)
    for i, output in enumerate(keras.tree.flatten(outputs)):
        np.testing.assert_allclose(output, data[f"out{i}"], 1e-5, 1e-5)
"""


def test_sliced_models_load_without_keras_nas(tmp_path):
    inputs = keras.Input((6, 6, 3))
    block = nested_block("functional")
    x = block(layers.Activation("relu6")(block(layers.Conv2D(4, 1)(inputs))))
    x = layers.Activation("sigmoid")(soft("s")(x)) * 2.0 + 1.0
    y = conv_block(x, 4, "dead")
    z = layers.Concatenate()([norm(mask("z")(x)), x, y])
    x = keras.ops.relu6(layers.Add()([x, norm(y)]))
    model = keras.Model(inputs, [head(x, name=None), head(z, name=None)])
    soften(randomize(model))
    decide(model, m=[1, 2], dead_mask=[], z=[])
    models = [model, decide(randomize(siamese()), in_a=[0], out_b=[])]
    stems = []
    for index, masked in enumerate(models):
        result = slice_model(masked)
        assert_plain(result)
        stems.append(str(tmp_path / f"model{index}"))
        result.save(f"{stems[-1]}.keras")
        arrays = keras.tree.flatten(inputs_for(masked))
        data = {f"in{i}": array for i, array in enumerate(arrays)}
        outputs = run(masked, arrays if len(arrays) > 1 else arrays[0])
        data.update({f"out{i}": array for i, array in enumerate(outputs)})
        np.savez(f"{stems[-1]}.npz", **data)
    finished = subprocess.run(
        [sys.executable, "-c", LOAD, *stems], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
