"""insert_masks: where masks go, and that nothing else changes."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import ExpectedFLOPs
from keras_nas import LogisticSigmoidMask
from keras_nas import SplitAttention
from keras_nas import insert_masks
from keras_nas.graph import flow_of
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import decide
from tests.common import decide_at_random
from tests.common import inputs_for
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize


def conv(x, filters, name, norm=True, **kwargs):
    x = layers.Conv2D(filters, 1, use_bias=not norm, name=name, **kwargs)(x)
    if norm:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def depthwise(x, name, **kwargs):
    x = layers.DepthwiseConv2D(3, padding="same", name=name, **kwargs)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def end(x):
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(3)(x)


def masked(inputs, x, **kwargs):
    """Returns the masked model and a map from masks to what they follow."""
    model = randomize(keras.Model(inputs, x))
    result = insert_masks(model, seed=0, **kwargs)
    assert_same_function(model, result)
    return result, places(result)


def places(model):
    graph = flow_of(model).graph
    producers, result = graph.producers(), {}
    for layer in masks_of(model):
        result[layer.name] = [
            producers[id(node.input_tensors[0])].name
            for node in graph.nodes
            if node.operation is layer
        ]
    return result


def image():
    return keras.Input((6, 6, 3))


def test_behind_normalization_or_right_behind():
    inputs = image()
    x = conv(conv(inputs, 4, "a"), 4, "b", norm=False)
    x = layers.SeparableConv2D(4, 3, name="c")(x)
    x = layers.Dense(5, name="d")(layers.Flatten()(x))
    model, found = masked(inputs, layers.Dense(2, name="e")(x))
    assert found == {
        "a_mask": ["a_bn"],
        "b_mask": ["b"],
        "c_mask": ["c"],
        "d_mask": ["d"],
    }
    assert [m.logits.shape[0] for m in masks_of(model)] == [4, 4, 4, 5]


def test_depthwise_layers_are_masked_once_behind_the_last():
    inputs = image()
    x = depthwise(depthwise(conv(inputs, 4, "a"), "d"), "e")
    model, found = masked(inputs, end(x))
    assert found == {"a_mask": ["e_bn"]}
    assert_slices(decide_at_random(model))


def test_depthwise_layers_apply_the_mask_again_if_something_else_reads():
    inputs = image()
    x = conv(inputs, 4, "a")
    x = layers.Concatenate()([x, depthwise(x, "d")])
    model, found = masked(inputs, end(x))
    assert found == {"a_mask": ["a_bn", "d_bn"]}
    assert_slices(decide_at_random(model))


def test_grouped_spelling_of_a_depthwise_layer():
    inputs = image()
    x = layers.Conv2D(4, 3, groups=4, name="d")(conv(inputs, 4, "a"))
    _, found = masked(inputs, end(x))
    assert found == {"a_mask": ["d"]}


def test_before_a_depthwise_layer_that_is_skipped():
    inputs = image()
    x = depthwise(conv(inputs, 4, "a"), "d")
    _, found = masked(inputs, end(x), skip=["d"])
    assert found == {"a_mask": ["a_bn"]}


@pytest.mark.parametrize("join", [layers.Add, layers.Concatenate])
def test_depthwise_layer_behind_a_joint_gets_no_mask_of_one_branch(join):
    inputs = image()
    branches = [conv(inputs, 4, name) for name in "ab"]
    x = depthwise(join()(branches), "d")
    model, found = masked(inputs, end(x))
    assert found == {"a_mask": ["a_bn"], "b_mask": ["b_bn"]}
    assert_slices(decide_at_random(model))


def test_depthwise_layer_that_multiplies_channels_gets_no_mask():
    inputs = image()
    x = depthwise(conv(inputs, 4, "a"), "d", depth_multiplier=2)
    _, found = masked(inputs, end(x))
    assert found == {"a_mask": ["a_bn"]}


def test_depthwise_layer_on_the_input_gets_no_mask():
    inputs = image()
    _, found = masked(inputs, end(conv(depthwise(inputs, "d"), 4, "a")))
    assert found == {"a_mask": ["a_bn"]}


def test_each_branch_of_an_addition_has_its_own():
    inputs = image()
    x = conv(inputs, 4, "a")
    x = layers.Add()([x, conv(x, 4, "b")])
    _, found = masked(inputs, end(x))
    assert found == {"a_mask": ["a_bn"], "b_mask": ["b_bn"]}


def test_layers_that_reach_the_output_are_left_alone():
    inputs = image()
    x = conv(inputs, 4, "a")
    y = layers.Add()([conv(x, 4, "b"), conv(x, 4, "c")])
    _, found = masked(inputs, [end(x), layers.ReLU()(y)])
    assert found == {"a_mask": ["a_bn"]}


def sigmoid_by_hand(x):
    return layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)


def test_gates_are_left_alone():
    inputs = image()
    x = conv(inputs, 4, "a")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(4, 1, name="excite")(gate)
    for sigmoid in (layers.Activation("sigmoid"), sigmoid_by_hand):
        _, found = masked(inputs, end(layers.Multiply()([x, sigmoid(gate)])))
        assert found == {"a_mask": ["a_bn"], "squeeze_mask": ["squeeze"]}


def test_layers_in_front_of_a_barrier_are_left_alone():
    inputs = image()
    x = layers.Conv2D(4, 1, name="a")(inputs)
    x = layers.LayerNormalization()(x)
    x = layers.Conv2D(4, 1, groups=2, name="b")(x)
    _, found = masked(inputs, end(conv(x, 4, "c")))
    assert found == {"c_mask": ["c_bn"]}


@pytest.mark.parametrize("groups", [-1, 2])
def test_behind_a_group_normalization(groups):
    inputs = image()
    x = layers.Conv2D(4, 1, name="a")(inputs)
    x = layers.GroupNormalization(groups, name="a_norm")(x)
    x = layers.Conv2D(4, 3, padding="same", name="b")(layers.ReLU()(x))
    model, found = masked(inputs, end(x))
    assert found["a_mask"] == ["a_norm"]
    for kept in ([0, 1], [2, 3]):
        sliced, _ = assert_slices(decide(model, a_mask=kept, b_mask=[0]))
        assert sliced.get_layer("a").filters == 2


def test_grouped_convolution():
    inputs = image()
    x = layers.Conv2D(4, 1, groups=2, name="b")(conv(inputs, 4, "a"))
    _, found = masked(inputs, end(conv(x, 4, "c")))
    assert found == {"a_mask": ["a_bn"], "b_mask": ["b"], "c_mask": ["c_bn"]}


def test_shared_layer_has_one_mask():
    inputs, other = image(), image()
    shared = layers.Conv2D(4, 1, name="shared")
    x = layers.Concatenate()([shared(inputs), shared(other)])
    model, found = masked([inputs, other], end(x))
    assert found == {"shared_mask": ["shared", "shared"]}


def test_masks_that_are_there_stay_alone():
    inputs = image()
    x = layers.Conv2D(4, 1, name="a")(inputs)
    x = mask("mine")(layers.BatchNormalization(name="a_bn")(x))
    _, found = masked(inputs, end(conv(x, 4, "b")))
    assert found == {"mine": ["a_bn"], "b_mask": ["b_bn"]}


def test_nested_models_are_flattened():
    inner = keras.Sequential([image(), layers.Conv2D(3, 1, name="inner")])
    inputs = image()
    x = inner(inner(conv(inputs, 3, "a")))
    model, found = masked(inputs, end(x))
    assert found == {"a_mask": ["a_bn"], "inner_mask": ["inner", "inner"]}
    assert not any(isinstance(v, keras.Model) for v in model.layers)


def test_channels_first():
    inputs = keras.Input((3, 6, 6))
    x = layers.Conv2D(4, 1, data_format="channels_first", name="a")(inputs)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    model = insert_masks(keras.Model(inputs, layers.Dense(2)(x)))
    (layer,) = masks_of(model)
    assert layer.axis == 1 and layer.logits.shape == (4,)


def test_skip():
    inputs = image()
    x = conv(conv(conv(inputs, 4, "a"), 4, "b"), 4, "c")
    model = keras.Model(inputs, end(x))
    for skip in ("b", model.get_layer("b"), ["b"], [model.get_layer("b")]):
        found = places(insert_masks(model, skip=skip))
        assert found == {"a_mask": ["a_bn"], "c_mask": ["c_bn"]}
    with pytest.raises(ValueError, match=r"`skip`.*\['nothing'\]"):
        insert_masks(model, skip=["a", "nothing"])


def test_skipped_layer_in_front_of_a_depthwise_one():
    inputs = image()
    x = depthwise(conv(conv(inputs, 4, "a"), 4, "b"), "d")
    _, found = masked(inputs, end(x), skip="b")
    assert found == {"a_mask": ["a_bn"]}


def test_kind_of_mask():
    inputs = image()
    model = keras.Model(inputs, end(conv(inputs, 4, "a")))
    kind = functools.partial(LogisticSigmoidMask, temperature=0.5)
    (layer,) = masks_of(insert_masks(model, mask=kind))
    assert type(layer) is LogisticSigmoidMask
    assert float(layer.temperature) == 0.5
    with pytest.raises(ValueError, match="`mask`.*ReLU"):
        insert_masks(model, mask=lambda **kwargs: layers.ReLU())


def test_seed_makes_draws_repeatable():
    inputs = image()
    x = conv(conv(inputs, 8, "a"), 8, "b")
    model = keras.Model(inputs, end(x))
    kind = functools.partial(LogisticSigmoidMask, temperature=0.5)
    draws = []
    for seed in (1, 1, 2):
        result = insert_masks(model, mask=kind, seed=seed)
        draws.append(result(inputs_for(model), training=True))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.abs(draws[0] - draws[2]).max() > 0
    first, second = masks_of(result)
    assert first.seed == second.seed
    assert np.abs(first.sample() - second.sample()).max() > 0


def test_regularizer_is_attached():
    inputs = image()
    model = keras.Model(inputs, end(conv(inputs, 4, "a")))
    result = insert_masks(model, regularizer=ExpectedFLOPs(2.0))
    (loss,) = result.losses
    assert float(loss) == 2.0 * float(ExpectedFLOPs(1.0)(result))


def test_original_is_untouched():
    inputs = image()
    model = randomize(keras.Model(inputs, end(conv(inputs, 4, "a"))))
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    result = insert_masks(model)
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]
    assert not set(map(id, result.layers)) & set(map(id, model.layers))
    names = [layer.name for layer in result.layers]
    assert [n for n in names if n != "a_mask"] == [
        layer.name for layer in model.layers
    ]


def test_frozen_layers_stay_frozen():
    inputs = image()
    model = keras.Model(inputs, end(conv(inputs, 4, "a")))
    model.get_layer("a").trainable = False
    result = insert_masks(model)
    assert not result.get_layer("a").trainable
    assert result.get_layer("a_mask").trainable


@pytest.mark.parametrize(
    "outputs",
    [
        lambda x: layers.Conv2D(4, 1)(x),
        lambda x: layers.LayerNormalization()(layers.Conv2D(4, 1)(x)),
        layers.ReLU(),
    ],
)
def test_model_without_a_place_is_refused(outputs):
    inputs = image()
    with pytest.raises(ValueError, match="no place for a mask"):
        insert_masks(keras.Model(inputs, outputs(inputs)))


def test_not_a_model_is_refused():
    with pytest.raises(ValueError, match="Keras 3"):
        insert_masks(None)


def test_inserted_masks_are_trained_saved_and_cut(tmp_path):
    inputs = image()
    x = depthwise(conv(inputs, 6, "a"), "d")
    x = layers.Add()([conv(x, 6, "b"), x])
    model = insert_masks(
        keras.Model(inputs, end(x)), regularizer=ExpectedFLOPs(target=0.5)
    )
    model.compile("adam", "mse")
    batch = inputs_for(model, batch=8)
    model.fit(batch, np.ones((8, 3)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_function(model, loaded)
    assert places(loaded) == places(model)
    assert_slices(decide_at_random(randomize(loaded)))


def test_published_network():
    """Hard sigmoids by hand, squeeze and excitation, strides, additions."""
    model = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 3), classes=4, alpha=0.5
    )
    model = decide_at_random(insert_masks(model, seed=0), keep=(0.3, 0.6, 1))
    sliced, _ = assert_slices(randomize(model))
    assert sliced.count_params() < 0.7 * model.count_params()


@pytest.mark.parametrize("splits", [0, 1, 2, 4])
def test_split_attention_goes_with_the_channels_that_enter_it(splits):
    inputs = image()
    x = conv(inputs, 8, "a")
    x = SplitAttention(3, splits, hidden=4, name="b")(x)
    model, found = masked(inputs, end(conv(x, 4, "c")))
    numbers = [f"_{q + 1}" for q in range(splits)] if splits > 1 else [""]
    expected = {
        "a_mask": [f"b_depthwise3{n}_bn" for n in numbers],
        "b_se_reduce_mask": ["b_se_reduce"],
        "c_mask": ["c_bn"],
    }
    if not splits:
        del expected["b_se_reduce_mask"]
    assert {k: sorted(v) for k, v in found.items()} == expected
    for seed in range(3):
        assert_slices(decide_at_random(model, seed))
    decide(model, a_mask=[0, 2, 7], b_se_reduce_mask=[1], c_mask=range(4))
    sliced, report = assert_slices(model)
    assert not report.barriers
    widths = {
        layer.name: layer.get_weights()[0].shape[-2:]
        for layer in sliced.layers
        if layer.name.startswith("b") and layer.weights
    }
    expected = {f"b_depthwise3{n}": (3, 1) for n in numbers}
    if splits:
        expected["b_se_reduce"] = (3, 1)
        expected |= {f"b_se_expand{n}": (1, 3) for n in numbers}
    assert {k: v for k, v in widths.items() if "bn" not in k} == expected
