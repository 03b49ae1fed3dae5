"""Layers whose calls cannot be read: barriers with a reason."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_nas import count_cost
from keras_nas.graph import ChannelFlow
from keras_nas.graph import walk
from keras_nas.graph.tracing import Untraceable
from keras_nas.graph.tracing import trace


def around(layer, *shapes):
    """Returns a model of one call of a layer, behind a Dense layer each."""
    inputs = [keras.Input(shape) for shape in shapes or [(4,)]]
    hidden = [layers.Dense(4, name="first")(x) for x in inputs]
    outputs = layer(*hidden)
    return keras.Model(inputs, layers.Dense(2, name="last")(outputs))


def inbound(layer):
    return [len(v._inbound_nodes) for v in layer._flatten_layers()]


class OwnWeight(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.factor = self.add_weight(shape=(4,), name="factor")

    def call(self, inputs):
        return self.dense(inputs) * self.factor


class WithDense(layers.Layer):
    """Base class: a layer that has a layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4)

    def build(self, input_shape):
        self.dense.build(input_shape)


class Branching(WithDense):
    def call(self, inputs, training=None):
        x = self.dense(inputs)
        return 2.0 * x if training else x


class OtherNumber(WithDense):
    """The same operations, with another number in training."""

    def call(self, inputs, training=None):
        return self.dense(inputs) * (2.0 if training else 1.0)


class OtherOption(WithDense):
    """The same operation, with another option in training."""

    def call(self, inputs, training=None):
        x = self.dense(inputs)
        return ops.leaky_relu(x, 0.1 if training else 0.2)


class OtherOrder(WithDense):
    """The same calls of the same layers, one after the other or not."""

    def call(self, inputs, training=None):
        x = self.dense(inputs)
        return x + (self.dense(x) if training else self.dense(inputs))


class UsesNumPy(WithDense):
    def call(self, inputs):
        return self.dense(np.tanh(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape


class UsesTensorFlow(WithDense):
    def call(self, inputs):
        import tensorflow as tf

        return self.dense(tf.nn.relu(inputs))


class AddsArray(WithDense):
    def call(self, inputs):
        return self.dense(inputs) + np.ones(4, "float32")


class AsksForValues(WithDense):
    def call(self, inputs):
        return self.dense(inputs) if inputs[0, 0] > 0 else inputs

    def compute_output_shape(self, input_shape):
        return input_shape


def regularized():
    return Regularized(activity_regularizer="l2")


class Regularized(WithDense):
    def call(self, inputs):
        return self.dense(inputs)


OPAQUE = {
    OwnWeight: "it has weights of its own, such as 'factor'",
    Branching: "its call depends on the argument `training`",
    OtherNumber: "its call depends on the argument `training`",
    OtherOption: "its call depends on the argument `training`",
    OtherOrder: "its call depends on the argument `training`",
    UsesNumPy: "its call cannot be traced: ",
    UsesTensorFlow: "its call cannot be traced: ",
    AddsArray: "its call holds a constant array",
    AsksForValues: "its call cannot be traced: ",
    regularized: "it has an activity regularizer",
}
opaque = pytest.mark.parametrize(
    "make, reason", OPAQUE.items(), ids=[make.__name__ for make in OPAQUE]
)


@opaque
def test_a_layer_that_cannot_be_read_is_a_barrier_with_its_reason(make, reason):
    layer = make()
    flow = ChannelFlow(around(layer))
    ((node, found),) = flow.barriers
    assert node.operation is layer
    assert found.startswith(reason)
    assert len(found) < 250 and "\n" not in found
    assert [n.name for n in flow.graph.nodes] == ["first", layer.name, "last"]


@opaque
def test_its_parameters_are_counted_and_it_is_named(make, reason):
    layer = make()
    model = around(layer)
    cost = count_cost(model)
    assert cost.uncounted == (layer.name,)
    assert cost.macs == 4 * 4 + 4 * 2
    assert cost.params == model.count_params()


@opaque
def test_trace_raises(make, reason):
    layer = make()
    around(layer)
    with pytest.raises(Untraceable, match=reason.split("`")[0]):
        trace(layer, (keras.KerasTensor((None, 4)),), {})


class UnknownModel(keras.Model):
    """A subclassed model that cannot be traced."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, inputs):
        import tensorflow as tf

        return self.dense(tf.tanh(inputs))


def test_a_model_that_cannot_be_read_is_one_node():
    model = UnknownModel()
    model(np.zeros((2, 3), "float32"))
    (node,) = walk(model).nodes
    assert node.operation is model
    assert node.opaque.startswith("its call cannot be traced: ")
    cost = count_cost(model)
    assert (cost.macs, cost.params) == (0, 16)
    assert cost.uncounted == (model.name,)


class NumPyModel(UnknownModel):
    def call(self, inputs):
        return self.dense(np.tanh(inputs))


def test_a_model_that_only_runs_on_arrays_is_refused():
    model = NumPyModel()
    model(np.zeros((2, 3), "float32"))
    with pytest.raises(ValueError, match="symbolic inputs.*without NumPy"):
        count_cost(model)


class Doubled(layers.Layer):
    def call(self, inputs):
        return inputs * 2.0


class Scaled(Doubled):
    def build(self, input_shape):
        self.factor = self.add_weight(shape=(4,), name="factor")

    def call(self, inputs):
        return inputs * self.factor


def test_a_layer_of_operations_alone():
    graph = walk(around(Doubled()))
    found = [type(node.operation).__name__ for node in graph.nodes]
    assert found == ["Dense", "Multiply", "Dense"]
    flow = ChannelFlow(around(Scaled(name="scaled")))
    ((node, reason),) = flow.barriers
    assert node.name == "scaled"
    assert reason == OPAQUE[OwnWeight]


def test_nothing_is_left_where_a_call_cannot_be_traced():
    layer = Branching()
    model = around(layer)
    before = inbound(layer)
    walk(model)
    assert inbound(layer) == before
