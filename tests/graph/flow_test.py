"""Channel states, against what networks really compute."""

import itertools

import keras
import numpy as np
from keras import layers

from keras_nas.graph import ChannelFlow
from keras_nas.graph import Reading
from keras_nas.graph import flow_of
from tests.common import conv_block
from tests.common import decide
from tests.common import head
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize


def states(model, flow, read):
    """Returns what `read` says of each layer's output channels, by name."""
    result = {}
    for node in flow.graph.nodes:
        state = flow.state(node.output_tensors[0])
        result[node.name] = read(state) * np.ones(state.length)
    return result


def seen(model, flow):
    """Returns per layer which channels vary, and which are not 0.

    Measured on random inputs, over samples and positions.
    """
    names = [node.name for node in flow.graph.nodes]
    outputs = [model.get_layer(name).output for name in names]
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(4, *t.shape[1:])) for t in model.inputs]
    values = keras.Model(model.inputs, outputs)(inputs, training=False)
    varying, nonzero = {}, {}
    for node, value in zip(flow.graph.nodes, values, strict=True):
        axis = flow.state(node.output_tensors[0]).axis
        value = np.moveaxis(keras.ops.convert_to_numpy(value), axis, 0)
        value = value.reshape(len(value), -1)
        varying[node.name] = np.ptp(value, axis=1) > 1e-6
        nonzero[node.name] = np.abs(value).max(axis=1) > 1e-6
    return varying, nonzero


def assert_states_are_what_is_seen(model, exact=True):
    """Compares at every choice of the masks.

    A state may claim less than is so (that a channel varies which does not),
    never more; with `exact` it may not claim less either.
    """
    randomize(model)
    flow = ChannelFlow(model)
    masks = masks_of(model)
    sizes = [m.logits.shape[0] for m in masks]
    for corner in itertools.product([0.0, 1.0], repeat=sum(sizes)):
        vectors = np.split(np.array(corner, "float32"), np.cumsum(sizes)[:-1])
        for layer, vector in zip(masks, vectors, strict=True):
            decide(model, **{layer.name: np.flatnonzero(vector)})
        reading = Reading(flow, vectors)
        varying, nonzero = seen(model, flow)
        alive = states(model, flow, reading.alive)
        not_zero = states(model, flow, reading.nonzero)
        for name in alive:
            assert (alive[name] >= varying[name]).all(), (name, corner)
            assert (not_zero[name] >= nonzero[name]).all(), (name, corner)
            if exact:
                np.testing.assert_array_equal(alive[name], varying[name], name)


def test_mask_norm_and_pointwise_convolution():
    inputs = keras.Input((3, 3, 2))
    x = layers.Conv2D(2, 1, name="a")(inputs)
    x = mask("m")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("sigmoid")(x)
    x = layers.Conv2D(2, 1, use_bias=False, name="b")(x)
    assert_states_are_what_is_seen(keras.Model(inputs, x))


def test_padding_makes_a_constant_vary():
    inputs = keras.Input((3, 3, 2))
    x = layers.Conv2D(2, 1)(inputs)
    x = mask("m")(x)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Conv2D(2, 3, padding="same")(x)
    assert_states_are_what_is_seen(keras.Model(inputs, x))


def test_zero_is_not_padded_away():
    inputs = keras.Input((3, 3, 2))
    x = layers.Conv2D(2, 1)(inputs)
    x = mask("m")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.Conv2D(2, 3, padding="same")(x)
    assert_states_are_what_is_seen(keras.Model(inputs, x))


def test_add_multiply_and_concatenate():
    inputs = keras.Input((3, 3, 2))
    x = mask("mx")(layers.Conv2D(2, 1)(inputs))
    y = layers.Conv2D(2, 1)(inputs)
    y = layers.Activation("tanh")(mask("my")(y))
    total = layers.Add()([x, y])
    product = layers.Multiply()([x, y])
    joined = layers.Concatenate()([total, product, x])
    assert_states_are_what_is_seen(keras.Model(inputs, joined))


def test_squeeze_and_excite():
    inputs = keras.Input((3, 3, 2))
    x = mask("mx")(layers.Conv2D(2, 1)(inputs))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = mask("mg")(layers.Conv2D(2, 1)(gate))
    gate = layers.Conv2D(2, 1)(gate)
    gate = layers.Activation("sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    assert_states_are_what_is_seen(keras.Model(inputs, x))


def test_channels_that_move():
    inputs = keras.Input((2, 3))
    x = mask("m")(layers.Dense(3)(inputs))
    turned = layers.Permute((2, 1))(x)
    outputs = [layers.Flatten()(turned), layers.Flatten()(x)]
    assert_states_are_what_is_seen(keras.Model(inputs, outputs))


def test_barriers_claim_nothing():
    inputs = keras.Input((3, 3, 2))
    x = mask("m")(layers.Conv2D(2, 1)(inputs))
    x = layers.LayerNormalization()(x)
    x = layers.Conv2D(2, 1)(x)
    model = keras.Model(inputs, x)
    assert_states_are_what_is_seen(model, exact=False)
    ((node, reason),) = ChannelFlow(model).barriers
    assert "over all channels" in reason
    assert isinstance(node.operation, layers.LayerNormalization)


def groups_of(model):
    flow = ChannelFlow(model)
    return flow, {
        node.name: flow.group[flow.state(node.output_tensors[0]).ids].tolist()
        for node in flow.graph.nodes
    }


def test_an_addition_ties_channels():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    y = conv_block(x, 4, "b")
    z = conv_block(layers.Add(name="add")([x, y]), 4, "c")
    _, groups = groups_of(keras.Model(inputs, head(z)))
    assert groups["a"] == groups["b"] == groups["add"]
    assert not set(groups["a"]) & set(groups["c"])


def test_a_chain_of_additions_is_one_group():
    inputs = keras.Input((4,))
    x = [layers.Dense(3, name=f"d{i}")(inputs) for i in range(5)]
    for i in (2, 0, 3, 1):
        x[i] = layers.Add()([x[i], x[i + 1]])
    _, groups = groups_of(keras.Model(inputs, layers.Dense(1)(x[1])))
    assert groups["d1"] == groups["d2"]
    assert groups["d1"] == groups["d3"]


def test_shared_layers_tie_their_calls():
    a, b = keras.Input((4,)), keras.Input((4,))
    first = [layers.Dense(3, name=name)(t) for name, t in (("a", a), ("b", b))]
    shared = layers.Dense(2, name="shared")
    outputs = layers.Concatenate()([shared(x) for x in first])
    flow, groups = groups_of(keras.Model([a, b], layers.Dense(1)(outputs)))
    assert groups["a"] == groups["b"]
    calls = [n for n in flow.graph.nodes if n.name == "shared"]
    assert len(calls) == 2 and all(flow.is_shared(n) for n in calls)


def test_inputs_and_outputs_are_fixed():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    flow, groups = groups_of(keras.Model(inputs, head(x)))
    assert not flow.fixed[groups["a"]].any()
    assert flow.fixed[groups["classifier"]].all()
    assert flow.fixed[flow.state(flow.graph.inputs).ids].all()


def test_reading_along_another_axis_fixes_both():
    inputs = keras.Input((5, 4))
    x = layers.Dense(3, name="a")(inputs)
    x = layers.Permute((2, 1))(x)
    x = layers.Dense(2, name="b")(x)
    flow, groups = groups_of(keras.Model(inputs, layers.Flatten()(x)))
    assert flow.fixed[groups["a"]].all()
    (b,) = [n for n in flow.graph.nodes if n.name == "b"]
    view = flow.view(b, 2)
    assert view.length == 5 and flow.fixed[view.ids].all()


def test_masks_are_listed_once():
    inputs = keras.Input((4,))
    shared = mask("shared")
    x = shared(layers.Dense(3)(inputs))
    x = shared(layers.Dense(3)(mask("other")(x)))
    flow = ChannelFlow(keras.Model(inputs, layers.Dense(1)(x)))
    assert [m.name for m in flow.masks] == ["shared", "other"]


def test_feeds_only_batch_norm():
    inputs = keras.Input((4, 4, 3))
    conv = [layers.Conv2D(3, 1, name=f"c{i}")(inputs) for i in range(4)]
    norm = layers.BatchNormalization()
    shared = layers.BatchNormalization()
    outputs = [
        norm(conv[0]),
        layers.BatchNormalization(axis=1)(conv[1]),
        shared(conv[2]),
        shared(conv[3]),
    ]
    flow = ChannelFlow(keras.Model(inputs, outputs))
    answers = {
        node.name: flow.feeds_only_batch_norm(node)
        for node in flow.graph.nodes
        if node.name.startswith("c")
    }
    assert answers == {"c0": True, "c1": False, "c2": False, "c3": False}


def test_flow_is_kept_until_the_layers_change():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    flow = flow_of(model)
    assert flow_of(model) is flow
    model.add(layers.Dense(2))
    assert flow_of(model) is not flow
    assert len(flow_of(model).graph.nodes) == 2
