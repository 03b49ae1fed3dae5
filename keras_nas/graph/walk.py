"""The walk: any traceable Keras model as a list of nodes."""

import dataclasses
import inspect

import keras
from keras import tree

from keras_nas.graph.checks import check_keras_model


@dataclasses.dataclass(eq=False)
class Node:
    """One call of a layer or operation.

    Attributes:
        operation: The layer, or the operation that is not a layer.
        args: Positional call arguments; tensors are `KerasTensor`s.
        kwargs: Keyword call arguments.
        outputs: What the call returned, a structure of `KerasTensor`s.
        index: Position in topological order.
    """

    operation: keras.Operation
    args: tuple
    kwargs: dict
    outputs: object
    index: int

    @property
    def name(self):
        return self.operation.name

    @property
    def input_tensors(self):
        return _tensors((self.args, self.kwargs))

    @property
    def output_tensors(self):
        return _tensors(self.outputs)


@dataclasses.dataclass(eq=False)
class ChannelGraph:
    """The calls of a model in topological order, nested models inlined.

    Attributes:
        name: The model's name.
        inputs: Structure of the model's input `KerasTensor`s.
        outputs: Structure of its output `KerasTensor`s.
        nodes: List of `Node`.
    """

    name: str
    inputs: object
    outputs: object
    nodes: list

    def calls_of(self, operation):
        """Returns the nodes that call `operation`."""
        return [node for node in self.nodes if node.operation is operation]

    def consumers(self):
        """Returns a map from tensor id to the nodes that read the tensor."""
        result = {}
        for node in self.nodes:
            for tensor in {id(t): t for t in node.input_tensors}.values():
                result.setdefault(id(tensor), []).append(node)
        return result

    def producers(self):
        """Returns a map from tensor id to the node that returns the tensor."""
        return {
            id(tensor): node
            for node in self.nodes
            for tensor in node.output_tensors
        }


def walk(model):
    """Returns the `ChannelGraph` of a model, which it leaves untouched.

    The model is run on symbolic tensors with stand-ins for its layers, so its
    layers get no new nodes and no weight is read. A layer or nested model that
    is called several times appears once for each call.

    Args:
        model: A Functional or Sequential Keras 3 model; nested models may be
            of either kind.

    Returns:
        A `ChannelGraph`.

    Raises:
        ValueError: If `model` is not such a model, or is not built.
    """
    check_keras_model(model)
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError(
                f"Sequential model '{model.name}' has no input shape yet, so "
                "its graph is unknown. Add a `keras.Input(shape)` as its "
                "first entry or call `model.build(input_shape)`."
            )
        reference = model.inputs[0]
    else:
        _check_functional(model)
        reference = model.input
    return _Walker().walk(model, reference)


class _Walker:
    def __init__(self):
        self.nodes = []
        self.training = None  # What an enclosing call was told, if anything.
        self.alias = {}  # By id; `kept_alive` keeps the ids unique.
        self.kept_alive = []

    def walk(self, model, reference):
        inputs = tree.map_structure(_new_input, reference)
        outputs = self.run(model, inputs)
        outputs = tree.map_structure(self.resolve, outputs)
        return ChannelGraph(model.name, inputs, outputs, self.nodes)

    def run(self, model, inputs):
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = self.record(layer, inputs)
            return inputs
        _check_functional(model)
        # A plain copy of the head: cloning a compiled model would compile.
        plain = keras.Model(model.input, model.output)
        return keras.models.clone_model(
            plain,
            input_tensors=inputs,
            clone_function=lambda layer: layer,
            call_function=self.record,
        ).output

    def record(self, operation, *args, **kwargs):
        if self.training is not None and _takes_training(operation):
            kwargs["training"] = self.training
        outputs = _StandIn(operation)(*args, **kwargs)
        args, kwargs = tree.map_structure(self.resolve, (args, kwargs))
        if isinstance(operation, keras.Model):
            actual_inputs = args[0] if args else kwargs["inputs"]
            before = self.training
            self.training = kwargs.get("training")
            self.inline(operation, actual_inputs, outputs)
            self.training = before
        elif not isinstance(operation, keras.layers.InputLayer):
            index = len(self.nodes)
            self.nodes.append(Node(operation, args, kwargs, outputs, index))
        return outputs

    def inline(self, model, actual_inputs, outputs):
        inputs = tree.map_structure(_stand_in, actual_inputs)
        for new, actual in zip(
            tree.flatten(inputs), tree.flatten(actual_inputs), strict=True
        ):
            self.alias[id(new)] = actual
        results = self.run(model, inputs)
        for seen, result in zip(
            tree.flatten(outputs), tree.flatten(results), strict=True
        ):
            self.alias[id(seen)] = self.resolve(result)
        self.kept_alive.append((inputs, outputs, results))

    def resolve(self, value):
        return self.alias.get(id(value), value)


class _StandIn(keras.Operation):
    """Stands for an operation, so that the walk leaves it alone."""

    def __init__(self, operation):
        super().__init__()
        self.stands_for = operation

    def compute_output_spec(self, *args, **kwargs):
        spec = self.stands_for.compute_output_spec(*args, **kwargs)
        return tree.map_structure(
            lambda t: keras.KerasTensor(t.shape, dtype=t.dtype), spec
        )


def _new_input(tensor):
    name = tensor._keras_history.operation.name  # That of its InputLayer.
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)


def _stand_in(tensor):
    # Without a name: the same tensor may be passed twice.
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)


def _tensors(structure):
    return [
        t for t in tree.flatten(structure) if isinstance(t, keras.KerasTensor)
    ]


def _takes_training(operation):
    return "training" in inspect.signature(operation.call).parameters


def _check_functional(model):
    if not isinstance(model, keras.Function):
        raise ValueError(
            f"Model '{model.name}' of type {type(model).__name__} is "
            "neither Functional nor Sequential, so its graph cannot be "
            "read. Pass `keras.Model(inputs, model.call(inputs))` with "
            "`inputs = keras.Input(...)` instead."
        )
