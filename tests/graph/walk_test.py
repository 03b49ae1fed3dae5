"""The walk: nodes, nested models, and an untouched original."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.graph import walk
from tests.common import inputs_for
from tests.common import run


def branches():
    """Two inputs and two outputs, with an operation that is no layer."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(4, name="x")(a)
    y = layers.Dense(4, name="y")(b)
    outputs = layers.ReLU(name="r")(keras.ops.add(x, y))
    return keras.Model([a, b], [outputs, x])


def block(name):
    inputs = keras.Input((4,))
    x = layers.Dense(4, name=f"{name}_dense")(inputs)
    return keras.Model(inputs, layers.ReLU(name=f"{name}_relu")(x), name=name)


def names(graph):
    return [node.name for node in graph.nodes]


def inbound(model):
    return [len(layer._inbound_nodes) for layer in model._flatten_layers()]


def test_nodes_are_in_topological_order():
    graph = walk(branches())
    known = {id(t) for t in keras.tree.flatten(graph.inputs)}
    for index, node in enumerate(graph.nodes):
        assert node.index == index
        assert {id(t) for t in node.input_tensors} <= known
        known |= {id(t) for t in node.output_tensors}
    assert {id(t) for t in keras.tree.flatten(graph.outputs)} <= known
    types = sorted(type(node.operation).__name__ for node in graph.nodes)
    assert types == ["Add", "Dense", "Dense", "ReLU"]


def test_consumers_and_producers():
    graph = walk(branches())
    (node,) = [node for node in graph.nodes if node.name == "x"]
    (x,) = node.output_tensors
    assert graph.producers()[id(x)] is node
    (reader,) = graph.consumers()[id(x)]
    assert type(reader.operation).__name__ == "Add"


def test_structures_of_inputs_and_outputs_are_kept():
    inputs = {name: keras.Input((4,), name=name) for name in "ab"}
    x = layers.Add()([inputs["a"], inputs["b"]])
    graph = walk(keras.Model(inputs, {"sum": x, "pair": [x, inputs["a"]]}))
    assert sorted(graph.inputs) == ["a", "b"]
    assert sorted(graph.outputs) == ["pair", "sum"]
    assert graph.outputs["pair"][0] is graph.outputs["sum"]
    assert graph.outputs["pair"][1] is graph.inputs["a"]


def test_original_is_untouched():
    model = branches()
    inputs = inputs_for(model)
    before, nodes = run(model, inputs), inbound(model)
    output = model.get_layer("x").output
    graph = walk(model)
    assert inbound(model) == nodes
    assert model.get_layer("x").output is output
    for a, b in zip(before, run(model, inputs), strict=True):
        np.testing.assert_array_equal(a, b)
    tensors = {id(t) for n in graph.nodes for t in n.output_tensors}
    assert id(output) not in tensors


def test_nested_models_are_untouched():
    inner = block("inner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(inner(inputs)))
    nodes = inbound(model)
    walk(model)
    assert inbound(model) == nodes
    assert inner.output_shape == (None, 4)


def test_compiled_model_still_fits():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert names(walk(model)) == [model.layers[0].name]
    model.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0)
    assert names(walk(model)) == [model.layers[0].name]


def test_nested_models_are_inlined_at_every_call():
    inner = block("inner")
    outer = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    inputs = keras.Input((4,))
    x = inner(inputs)
    graph = walk(keras.Model(inputs, outer(x)))
    twice = ["inner_dense", "inner_relu"] * 2
    assert names(graph) == [*twice, outer.layers[-1].name]
    for before, after in zip(graph.nodes, graph.nodes[1:], strict=False):
        assert after.input_tensors[0] is before.output_tensors[0]
    assert graph.nodes[0].operation is graph.nodes[2].operation


def test_nested_model_given_the_same_tensor_twice():
    a, b = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model([a, b], [a + b, a])
    inputs = keras.Input((4,))
    total, same = inner([inputs, inputs])
    graph = walk(keras.Model(inputs, [total, same]))
    (node,) = graph.nodes
    assert [id(t) for t in node.input_tensors] == [id(graph.inputs)] * 2
    assert graph.outputs[1] is graph.inputs


def test_nested_model_called_by_keyword():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, block("inner")(inputs=inputs))
    assert names(walk(model)) == ["inner_dense", "inner_relu"]


def test_training_of_a_nested_call_reaches_its_layers():
    a = keras.Input((4,))
    x = layers.Dropout(0.5)(layers.BatchNormalization()(a))
    inner = keras.Model(a, layers.ReLU()(x))
    middle = keras.Sequential([keras.Input((4,)), inner])
    inputs = keras.Input((4,))
    graph = walk(keras.Model(inputs, middle(inputs, training=False)))
    told = [node.kwargs.get("training") for node in graph.nodes]
    assert told == [False, False, None]


def test_every_layer_of_a_published_network_is_a_node():
    model = keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), classes=4
    )
    nodes = inbound(model)
    assert sorted(names(walk(model))) == sorted(
        layer.name for layer in model.layers[1:]
    )
    assert inbound(model) == nodes


def test_unbuilt_sequential_is_refused():
    with pytest.raises(ValueError, match="no input shape yet"):
        walk(keras.Sequential([layers.Dense(2)]))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_functional_form_of_a_subclassed_model():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Subclassed().call(inputs))
    assert len(walk(model).nodes) == 1


def test_tf_keras_model_is_refused_with_the_way_out():
    cls = type("Functional", (), {"__module__": "tf_keras.src.engine"})
    with pytest.raises(ValueError, match="set_weights"):
        walk(cls())


@pytest.mark.parametrize("wrong", [None, "model.keras", layers.Dense(2)])
def test_other_objects_are_refused(wrong):
    with pytest.raises(ValueError, match="Keras 3"):
        walk(wrong)
