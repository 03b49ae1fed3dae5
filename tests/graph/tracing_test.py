"""Subclassed models and layers made of layers: what their calls become."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_nas import count_cost
from keras_nas.graph import ChannelFlow
from keras_nas.graph import walk


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
