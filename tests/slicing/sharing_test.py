"""The slicer: shared layers, nested models, several inputs and outputs."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import slice_model
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import conv_block
from tests.common import decide
from tests.common import decide_at_random
from tests.common import head
from tests.common import inputs_for
from tests.common import mask
from tests.common import randomize
from tests.slicing.networks import nested_block
from tests.slicing.networks import norm
from tests.slicing.networks import siamese
from tests.slicing.networks import sliced


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
