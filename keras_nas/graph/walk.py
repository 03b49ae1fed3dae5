"""The walk: any traceable Keras model as a list of nodes."""

import dataclasses

import keras
from keras import tree

from keras_nas.graph.checks import check_keras_model
from keras_nas.graph.checks import is_graph
from keras_nas.graph.rules import has_rule
from keras_nas.graph.tracing import Untraceable
from keras_nas.graph.tracing import default_training
from keras_nas.graph.tracing import is_lambda_layer
from keras_nas.graph.tracing import is_stock_layer
from keras_nas.graph.tracing import required_arguments
from keras_nas.graph.tracing import takes_training
from keras_nas.graph.tracing import trace
from keras_nas.layers.resolution_wrapper import ResolutionWrapper


@dataclasses.dataclass(eq=False)
class Node:
    """One call of a layer or operation.

    Attributes:
        operation: The layer, or the operation that is not a layer.
        args: Positional call arguments; tensors are `KerasTensor`s.
        kwargs: Keyword call arguments.
        outputs: What the call returned, a structure of `KerasTensor`s.
        index: Position in topological order.
        opaque: Why the inside of a custom layer could not be read, or
            `None`.
        wrapper: The `ResolutionWrapper` that runs the call at several
            resolutions, or `None`.
    """

    operation: keras.Operation
    args: tuple
    kwargs: dict
    outputs: object
    index: int
    opaque: str | None = None
    wrapper: keras.layers.Layer | None = None

    @property
    def name(self):
        return self.operation.name

    @property
    def input_tensors(self):
        """The tensors that the call is about: all but `mask_tensors`."""
        kwargs = {k: v for k, v in self.kwargs.items() if k != "mask"}
        return _tensors((self.args, kwargs))

    @property
    def mask_tensors(self):
        """Keras's masks of padded positions, passed as `mask`."""
        return _tensors(self.kwargs.get("mask"))

    @property
    def output_tensors(self):
        return _tensors(self.outputs)


@dataclasses.dataclass(eq=False)
class Wrap:
    """One call of a `ResolutionWrapper`, whose inside is inlined.

    Attributes:
        layer: The `ResolutionWrapper`.
        entry: The `KerasTensor` that it is given.
        exit: The `KerasTensor` that it returns.
    """

    layer: keras.layers.Layer
    entry: keras.KerasTensor
    exit: keras.KerasTensor


@dataclasses.dataclass(eq=False)
class ChannelGraph:
    """The calls of a model in topological order.

    Nested models are inlined, and so is what custom layers do.

    Attributes:
        name: The model's name.
        inputs: Structure of the model's input `KerasTensor`s.
        outputs: Structure of its output `KerasTensor`s.
        nodes: List of `Node`.
        wraps: List of `Wrap`.
    """

    name: str
    inputs: object
    outputs: object
    nodes: list
    wraps: list = dataclasses.field(default_factory=list)

    def consumers(self):
        """Returns a map from tensor id to the nodes that read the tensor."""
        result = {}
        for node in self.nodes:
            tensors = [*node.input_tensors, *node.mask_tensors]
            for tensor in {id(t): t for t in tensors}.values():
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
    is called several times appears once for each call. The `call` of a
    subclassed model, and of a custom layer without weights of its own and
    without a rule, is traced; where it cannot be, it is one node, with the
    reason.

    Args:
        model: A built Keras 3 model.

    Returns:
        A `ChannelGraph`.

    Raises:
        ValueError: If `model` is not a Keras 3 model, or is not built.
    """
    check_keras_model(model)
    return _Walker().walk(model, _input_tensors(model))


def _input_tensors(model):
    """Returns new inputs for a model, in the structure that it takes."""
    if isinstance(model, keras.Sequential) and model.built:
        return _new_input(model.inputs[0])
    if isinstance(model, keras.Function):
        return tree.map_structure(_new_input, model.input)
    shapes = model.get_build_config() if model.built else None
    if isinstance(model, keras.Sequential) or not shapes:
        raise ValueError(
            f"Model '{model.name}' has no input shape yet, so its graph is "
            "unknown. Call it on a batch of data, or `model.build("
            "input_shape)`; a Sequential model may start with a "
            "`keras.Input(shape)`."
        )
    required = required_arguments(model)
    if "input_shape" not in shapes or len(required) > 1:
        raise ValueError(
            f"Model '{model.name}' takes several call arguments, so it cannot "
            f"be called on one structure of inputs. Received: {required}. "
            "Pass `keras.Model(inputs, model.call(...))` with `inputs = "
            "[keras.Input(...), ...]` instead."
        )
    return tree.map_shape_structure(
        lambda shape: keras.Input(shape[1:], dtype=model.input_dtype),
        shapes["input_shape"],
    )


class _Walker:
    def __init__(self):
        self.nodes = []
        self.training = None  # What an enclosing call was told, if anything.
        self.overrides = False  # Whether that holds for calls told otherwise.
        self.wraps = []
        self.wrapper = None  # The `ResolutionWrapper` around what is walked.
        self.alias = {}  # By id; `kept_alive` keeps the ids unique.
        self.kept_alive = []

    def walk(self, model, inputs):
        if is_graph(model):
            outputs = self.run(model, inputs)
        else:
            outputs = self.record_whole(model, inputs)
        outputs = tree.map_structure(self.resolve, outputs)
        return ChannelGraph(model.name, inputs, outputs, self.nodes, self.wraps)

    def record_whole(self, model, inputs):
        try:
            return self.record(model, inputs)
        except Exception as error:  # Whatever the code of a user may raise.
            raise ValueError(
                f"The `call` of model '{model.name}' runs on arrays, but not "
                "on symbolic inputs, so its graph cannot be read. Write it "
                "with Keras layers and `keras.ops`, without NumPy. It raised "
                f"{type(error).__name__}: {error}"
            ) from error

    def run(self, model, inputs):
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = self.record(layer, inputs)
            return inputs
        # A plain copy of the head: cloning a compiled model would compile.
        return self.run_plain(keras.Model(model.input, model.output), inputs)

    def run_plain(self, model, inputs):
        return keras.models.clone_model(
            model,
            input_tensors=inputs,
            clone_function=lambda layer: layer,
            call_function=self.record,
        ).output

    def record(self, operation, *args, **kwargs):
        told = kwargs.pop("training", None)
        if self.training is not None:
            # Keras notes a layer's default as if the call had said it.
            is_default = told in (None, default_training(operation))
            told = self.training if self.overrides or is_default else told
        if told is not None and takes_training(operation):
            kwargs["training"] = told
        outputs = _StandIn(operation)(*args, **kwargs)
        args, kwargs = tree.map_structure(self.resolve, (args, kwargs))
        if isinstance(operation, keras.layers.InputLayer):
            return outputs
        opaque = None
        try:
            run = self.inside(operation, args, kwargs)
        except Untraceable as reason:
            run, opaque = None, str(reason)
        if run is None:
            index = len(self.nodes)
            self.nodes.append(
                Node(
                    operation,
                    args,
                    kwargs,
                    outputs,
                    index,
                    opaque,
                    self.wrapper,
                )
            )
        else:
            before = self.training, self.overrides
            self.training, self.overrides = told, is_graph(operation)
            self.inline(run, outputs)
            self.training, self.overrides = before
            if isinstance(operation, ResolutionWrapper):
                exit = self.resolve(outputs)
                self.wraps.append(Wrap(operation, args[0], exit))
        return outputs

    def inside(self, operation, args, kwargs):
        """Returns a function that walks what a layer does; else `None`."""
        if is_graph(operation):
            actual = args[0] if args else kwargs["inputs"]
            inputs = self.stand_ins(actual)
            return lambda: self.run(operation, inputs)
        if isinstance(operation, ResolutionWrapper):
            inputs = self.stand_ins(args[0])
            return lambda: self.run_wrapped(operation, inputs)
        if not isinstance(operation, keras.layers.Layer):
            return None
        is_stock = is_stock_layer(operation) and not is_lambda_layer(operation)
        if is_stock or has_rule(operation):
            return None
        model = trace(operation, args, kwargs)
        inputs = self.stand_ins(_tensors((args, kwargs)))
        return lambda: self.run_plain(model, inputs)

    def run_wrapped(self, operation, inputs):
        if self.wrapper is not None:
            raise ValueError(
                f"'{operation.name}' is inside of '{self.wrapper.name}', and "
                "both choose a resolution. Expected one around the other's "
                "place, not inside of it. Wrap the inner layer itself instead."
            )
        self.wrapper = operation
        outputs = self.record(operation.layer, inputs)
        self.wrapper = None
        return outputs

    def stand_ins(self, actual_inputs):
        # Without a name: the same tensor may be passed twice.
        inputs = tree.map_structure(_stand_in, actual_inputs)
        for new, actual in zip(
            tree.flatten(inputs), tree.flatten(actual_inputs), strict=True
        ):
            self.alias[id(new)] = actual
        self.kept_alive.append(inputs)
        return inputs

    def inline(self, run, outputs):
        results = run()
        for seen, result in zip(
            tree.flatten(outputs), tree.flatten(results), strict=True
        ):
            self.alias[id(seen)] = self.resolve(result)
        self.kept_alive.append((outputs, results))

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
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)


def _tensors(structure):
    return [
        t for t in tree.flatten(structure) if isinstance(t, keras.KerasTensor)
    ]
