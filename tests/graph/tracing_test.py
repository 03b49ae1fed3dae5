"""Subclassed models and layers made of layers: what their calls become."""

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


def names(model):
    return [node.name for node in walk(model).nodes]


def around(layer, *shapes):
    """Returns a model of one call of a layer, behind a Dense layer each."""
    inputs = [keras.Input(shape) for shape in shapes or [(4,)]]
    hidden = [layers.Dense(4, name="first")(x) for x in inputs]
    outputs = layer(*hidden)
    return keras.Model(inputs, layers.Dense(2, name="last")(outputs))


def inbound(layer):
    return [len(v._inbound_nodes) for v in layer._flatten_layers()]


# What is inlined.


class Blocks(layers.Layer):
    """Layers in nested lists; one is told `training`."""

    def __init__(self):
        super().__init__()
        self.blocks = [
            [
                layers.Dense(4, name=f"dense{i}"),
                layers.BatchNormalization(name=f"norm{i}"),
            ]
            for i in range(2)
        ]

    def call(self, inputs, training=None):
        x = inputs
        for dense, norm in self.blocks:
            x = ops.relu(norm(dense(x), training=training))
        return x + inputs


def test_nested_lists_of_layers():
    model = around(Blocks())
    found = [n for n in names(model) if n[:4] in ("dens", "norm")]
    assert found == ["dense0", "norm0", "dense1", "norm1"]
    types = [type(n.operation).__name__ for n in walk(model).nodes]
    assert types.count("Relu") == 2 and types.count("Add") == 1
    assert not ChannelFlow(model).barriers


class Wrapper(layers.Layer):
    """Passes `training` on."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, training=None):
        return self.layer(inputs, training=training)


@pytest.mark.parametrize("told", [None, True, False])
def test_training_of_the_call_reaches_the_inside(told):
    inputs = keras.Input((4,))
    layer = Wrapper(Wrapper(Blocks()))
    kwargs = {} if told is None else {"training": told}
    graph = walk(keras.Model(inputs, layer(inputs, **kwargs)))
    found = [n.kwargs.get("training") for n in graph.nodes if "norm" in n.name]
    assert found == [told, told]


class Stubborn(layers.Layer):
    """Tells its sublayers what is not what it was told."""

    def __init__(self):
        super().__init__()
        self.frozen = layers.BatchNormalization(name="frozen_norm")
        self.free = layers.BatchNormalization(name="free_norm")

    def call(self, inputs, training=None):
        return self.free(self.frozen(inputs, training=False))


def test_what_a_layer_tells_its_layers_goes_before_what_it_was_told():
    inputs = keras.Input((4,))
    outputs = Wrapper(Stubborn())(inputs, training=True)
    first, second = walk(keras.Model(inputs, outputs)).nodes
    assert first.kwargs["training"] is False
    assert second.kwargs["training"] is True


class Silent(layers.Layer):
    """Has no argument `training`, as Keras allows between two that have."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)


def test_training_passes_through_a_layer_that_does_not_take_it():
    inputs = keras.Input((4,))
    outputs = Wrapper(Silent(layers.Dropout(0.5)))(inputs, training=True)
    (node,) = walk(keras.Model(inputs, outputs)).nodes
    assert node.kwargs["training"] is True


class Twice(layers.Layer):
    """A sublayer that is called twice."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4, name="shared")

    def call(self, inputs):
        return self.dense(ops.relu(self.dense(inputs)))


def test_a_sublayer_called_twice_is_one_layer():
    model = around(Twice())
    calls = [n for n in walk(model).nodes if n.name == "shared"]
    assert len(calls) == 2
    assert calls[0].operation is calls[1].operation
    rows = [r for r in count_cost(model).layers if r.name == "shared"]
    assert [(r.macs, r.params) for r in rows] == [(16, 20), (16, 0)]


class Pair(layers.Layer):
    """Takes two tensors and gives two, in a dictionary."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4, name="inner")

    def call(self, a, b):
        return {"sum": self.dense(a) + b, "a": a}


def test_two_inputs_and_a_structure_of_outputs():
    a, b = keras.Input((4,)), keras.Input((4,))
    graph = walk(keras.Model([a, b], Pair()(a, b)))
    dense, add = graph.nodes
    assert dense.input_tensors[0] is graph.inputs[0]
    assert add.input_tensors[1] is graph.inputs[1]
    assert graph.outputs["sum"] is add.output_tensors[0]
    assert graph.outputs["a"] is graph.inputs[0]


class Gated(layers.Layer):
    """Takes a tensor as a keyword."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4, name="inner")

    def call(self, inputs, gate=None, power=1):
        x = self.dense(inputs)
        return x if gate is None else x * gate * power


def test_a_tensor_passed_by_keyword():
    a, b = keras.Input((4,)), keras.Input((4,))
    graph = walk(keras.Model([a, b], Gated()(a, gate=b, power=3)))
    first, second = graph.nodes[1:]
    assert first.input_tensors[1] is graph.inputs[1]
    assert second.args[1] == 3
    assert len(walk(keras.Model(a, Gated()(a))).nodes) == 1


class Network(keras.Model):
    """A subclassed model of a layer of layers."""

    def __init__(self):
        super().__init__()
        self.blocks = Blocks()
        self.head = layers.Dense(2, name="head")

    def call(self, inputs, training=None):
        return self.head(self.blocks(inputs, training=training))


def test_a_subclassed_model():
    model = Network()
    model(np.zeros((2, 4), "float32"))
    assert [n for n in names(model) if n[-1] in "01" or n == "head"] == [
        "dense0",
        "norm0",
        "dense1",
        "norm1",
        "head",
    ]
    cost = count_cost(model)
    assert cost.macs == 2 * 16 + 8
    assert cost.params == 2 * (20 + 8) + 10
    assert not cost.uncounted


class Dictionary(keras.Model):
    """Takes a dictionary."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs["a"]) + inputs["b"]


def test_a_subclassed_model_of_a_dictionary():
    model = Dictionary()
    arrays = {"a": np.zeros((2, 4)), "b": np.zeros((2, 2))}
    model(arrays)
    graph = walk(model)
    assert {k: v.shape[1:] for k, v in graph.inputs.items()} == {
        "a": (4,),
        "b": (2,),
    }
    assert count_cost(model).macs == 8


@pytest.mark.parametrize(
    "make",
    [Blocks, Twice, Gated, Network, lambda: Wrapper(Twice())],
    ids=["blocks", "twice", "gated", "network", "wrapper"],
)
def test_nothing_is_left_on_the_layers(make):
    layer = make()
    model = around(layer)
    before, outer = inbound(layer), inbound(model)
    for _ in range(2):
        walk(model)
    count_cost(model)
    assert inbound(layer) == before and inbound(model) == outer


def test_nothing_is_left_where_a_call_cannot_be_traced():
    layer = Branching()
    model = around(layer)
    before = inbound(layer)
    walk(model)
    assert inbound(layer) == before


# What is not, and why.


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


# What cannot be walked.


def test_a_model_that_was_not_called_is_refused_with_the_way_out():
    with pytest.raises(ValueError) as error:
        walk(Network())
    message = str(error.value)
    assert "no input shape yet" in message
    assert "Call it on a batch of data" in message
    assert "model.build(input_shape)" in message


class TwoArguments(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, a, b):
        return self.dense(a) + b


def test_a_model_of_several_call_arguments_is_refused_with_the_way_out():
    model = TwoArguments()
    a, b = np.zeros((2, 4), "float32"), np.zeros((2, 4), "float32")
    model(a, b)
    with pytest.raises(ValueError, match="several call arguments") as error:
        walk(model)
    assert "['a', 'b']" in str(error.value)
    assert "keras.Model(inputs, model.call(" in str(error.value)
    # The way out.
    inputs = [keras.Input((4,)), keras.Input((4,))]
    assert len(walk(keras.Model(inputs, model.call(*inputs))).nodes) == 2
