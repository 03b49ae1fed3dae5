"""Rebuilding a model from its graph, one call at a time."""

import keras
from keras import tree

from keras_nas.graph.tracing import is_lambda_layer


class Rebuilder:
    """Makes a new model from a `ChannelGraph`.

    Subclasses decide in `build` what becomes of each call. Layers are new
    objects; the original model is only read.

    Attributes:
        tensors: Map from the id of an original tensor to its replacement.
        layers: Map from the id of an original layer to its replacement.
    """

    def __init__(self, graph):
        self.graph = graph
        self.tensors = {}
        self.layers = {}
        self.variables = {}  # By id of an original variable: its copy.
        self._names = set()

    def build(self, node, arguments):
        """Returns the tensors that replace a node's outputs, or `None`.

        Args:
            node: The original call.
            arguments: `(args, kwargs)` with replaced tensors.
        """
        return self.call(node.operation, arguments)

    def rebuild(self, name):
        """Returns the new model."""
        inputs = tree.map_structure(self._new_input, self.graph.inputs)
        for node in self.graph.nodes:
            arguments = tree.map_structure(
                self._replace, (node.args, node.kwargs)
            )
            outputs = self.build(node, arguments)
            if outputs is None:
                continue
            for old, new in zip(
                node.output_tensors, tree.flatten(outputs), strict=True
            ):
                self.tensors[id(old)] = new
        outputs = tree.map_structure(self._replace, self.graph.outputs)
        return keras.Model(inputs, outputs, name=name)

    def call(self, operation, arguments, config=None, weights=None):
        """Calls the copy of a layer, made at the first call.

        Args:
            operation: The original layer or operation.
            arguments: `(args, kwargs)` of the call.
            config: Config of the copy; by default the original's.
            weights: Weights of the copy; by default the original's.

        Returns:
            The outputs of the call.
        """
        args, kwargs = arguments
        if not isinstance(operation, keras.layers.Layer):
            config = config or self.config_of(operation)
            copy = type(operation).from_config(config)
            copy.name = self.unique_name(operation.name)
            return copy(*args, **kwargs)
        if id(operation) in self.layers:
            return self.layers[id(operation)](*args, **kwargs)
        config = dict(config or self.config_of(operation))
        config["name"] = self.unique_name(operation.name)
        layer = _from_config(self.class_of(operation), operation, config)
        self.layers[id(operation)] = layer
        outputs = layer(*args, **kwargs)
        if weights is None:
            weights = operation.get_weights()
            olds = (id(variable) for variable in operation.variables)
            self.variables.update(zip(olds, layer.variables, strict=False))
        if weights:
            layer.set_weights(weights)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes with copies.
        layer.trainable = operation.trainable
        return outputs

    def class_of(self, operation):
        """Returns the class of the copy of an operation."""
        return type(operation)

    def config_of(self, operation):
        """Returns the config of the copy of an operation."""
        return get_config(operation, self.class_of(operation))

    def unique_name(self, name):
        """Returns `name`, with a number if it is taken."""
        candidate, number = name, 1
        while candidate in self._names:
            candidate, number = f"{name}_{number}", number + 1
        self._names.add(candidate)
        return candidate

    def _new_input(self, tensor, shape=None):
        new = keras.Input(
            batch_shape=shape or tensor.shape,
            dtype=tensor.dtype,
            name=self.unique_name(tensor.name),
        )
        self.tensors[id(tensor)] = new
        return new

    def _replace(self, value):
        if isinstance(value, keras.Variable):
            # Of a layer that is copied as it is; else a constant is right.
            copy = self.variables.get(id(value))
            return keras.ops.convert_to_numpy(value) if copy is None else copy
        return self.tensors.get(id(value), value)


def get_config(operation, cls=None):
    """Returns an operation's config.

    Args:
        operation: A layer, or an operation that is not a layer.
        cls: A base class of it whose config is wanted; by default its own.

    Raises:
        ValueError: If its class has none, with the way to give it one.
    """
    try:
        return (cls or type(operation)).get_config(operation)
    except NotImplementedError as error:
        raise _not_copied(operation, error) from error


def _from_config(cls, layer, config):
    try:
        if not is_lambda_layer(layer):
            return cls.from_config(config)
        # Its code is already in this process. Bytes of it would not do: they
        # lack the names that the function refers to.
        copy = type(layer).from_config(config, safe_mode=False)
        copy.function = layer.function
        return copy
    except TypeError as error:
        raise _not_copied(layer, error) from error


def _not_copied(operation, error):
    return ValueError(
        f"Layer '{operation.name}' of type {type(operation).__name__} cannot "
        "be copied from its config. Give the class a `get_config` that "
        "returns the arguments of its `__init__`, and let `__init__` pass "
        f"`**kwargs` on to `super().__init__`. Keras says: {error}"
    )
