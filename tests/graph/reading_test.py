"""Readings: demand, what stays, and agreement of decisions and tensors."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.graph import ChannelFlow
from keras_nas.graph import Reading
from tests.common import conv_block
from tests.common import head
from tests.common import mask


def residual():
    """Two masked blocks added, and one more behind."""
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    y = conv_block(x, 4, "b")
    z = conv_block(layers.Add(name="add")([x, y]), 2, "c", kernel=1)
    return keras.Model(inputs, head(z))


def read(flow, vectors, ops=np):
    vectors = [np.array(vector, "float32") for vector in vectors]
    if ops is not np:
        vectors = [ops.convert_to_tensor(vector) for vector in vectors]
    return Reading(flow, vectors, ops)


def node(flow, name):
    (found,) = [n for n in flow.graph.nodes if n.name == name]
    return found


def output(flow, name):
    return flow.state(node(flow, name).output_tensors[0])


def kept(flow, reading, name):
    state = output(flow, name)
    kept = reading.kept(state) * np.ones(state.length)
    return keras.ops.convert_to_numpy(kept)


def test_kept_is_the_union_over_an_addition():
    flow = ChannelFlow(residual())
    reading = read(flow, [[1, 0, 0, 1], [0, 0, 1, 1], [1, 0]])
    for name in ("a", "b", "add"):
        np.testing.assert_array_equal(kept(flow, reading, name), [1, 0, 1, 1])
    np.testing.assert_array_equal(kept(flow, reading, "c"), [1, 0])
    assert reading.count(output(flow, "a")) == 3


def test_kept_probability_of_an_addition():
    flow = ChannelFlow(residual())
    p, q = np.array([[0.2, 0.5, 0.9, 1.0], [0.5, 0.1, 0.3, 0.0]])
    reading = read(flow, [p, q, [0.7, 0.4]], keras.ops)
    union = 1 - (1 - p) * (1 - q)
    np.testing.assert_allclose(kept(flow, reading, "a"), union, 1e-6)
    # Channel 0 also stays, as a constant, where all of c are closed.
    np.testing.assert_allclose(
        kept(flow, reading, "c"), [0.7 + 0.3 * 0.6, 0.4], 1e-6
    )


def test_tensors_agree_with_decisions_at_every_corner():
    flow = ChannelFlow(residual())
    for a, b, c in itertools.product([0.0, 1.0], repeat=3):
        vectors = [[a, 1, 0, b], [b, 0, c, 1], [c, a]]
        exact = read(flow, vectors)
        tensors = read(flow, vectors, keras.ops)
        for n in flow.graph.nodes:
            assert float(exact.live(n)) == float(tensors.live(n)), n.name
            np.testing.assert_array_equal(
                kept(flow, exact, n.name), kept(flow, tensors, n.name)
            )


def test_a_dead_branch_is_not_live():
    flow = ChannelFlow(residual())
    reading = read(flow, [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1]])
    live = {n.name: reading.live(n) for n in flow.graph.nodes}
    assert not live["b"] and not live["b_bn"]
    assert live["a"] and live["add"] and live["c"]


def test_one_branch_of_a_dead_addition_remains():
    flow = ChannelFlow(residual())
    reading = read(flow, [[0] * 4, [0] * 4, [1, 1]])
    # c is the constant beta; the classifier folds it and reads one channel.
    assert reading.live(node(flow, "c"))
    np.testing.assert_array_equal(kept(flow, reading, "c"), [1, 0])
    np.testing.assert_array_equal(kept(flow, reading, "a"), [1, 0, 0, 0])


def test_parts_without_masks_cost_nothing_to_read():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="plain")(inputs)
    x = conv_block(x, 4, "a")
    flow = ChannelFlow(keras.Model(inputs, head(x)))
    reading = read(flow, [[0.5] * 4], keras.ops)
    state = output(flow, "plain")
    assert isinstance(reading.alive(state), float)


def test_channels_beside_fixed_ones():
    """Of a tensor that holds both, the fixed ones stay, each at its place."""
    inputs = keras.Input((3,))
    x = mask("m")(layers.Dense(2, name="d")(inputs))
    x = layers.Concatenate(name="join")([inputs, x])
    flow = ChannelFlow(keras.Model(inputs, layers.Dense(1)(x)))
    for ops in (np, keras.ops):
        reading = read(flow, [[0, 1]], ops)
        np.testing.assert_array_equal(
            kept(flow, reading, "join"), [1, 1, 1, 0, 1]
        )


@pytest.mark.parametrize("ops", [np, keras.ops])
def test_arithmetic_of_constants(ops):
    reading = Reading(ChannelFlow(residual()), [np.ones(4)] * 2 + [np.ones(2)])
    reading.ops = ops
    vector = ops.array([0.25, 0.5])
    assert reading.product(1.0, vector) is vector
    assert reading.product(vector, 0.0) == 0.0
    assert reading.maximum(vector, 1.0) == 1.0
    assert reading.maximum(0.0, vector) is vector
    assert reading.any_of([0.5, 1.0]) == 1.0
    assert float(reading.some(vector)) == 0.625
    folded = reading.fold(vector, np.array([1, 1]), 2)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(folded), [0, 0.5])
