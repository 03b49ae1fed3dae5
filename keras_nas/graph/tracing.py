"""What a layer or subclassed model computes inside, as a Functional model."""

import inspect
import math

import keras
from keras import tree


class Untraceable(Exception):
    """Says in a few words why the inside of a layer cannot be read."""


def trace(layer, args, kwargs):
    """Returns what a layer's `call` does, as calls of layers and operations.

    `call` is run on symbolic tensors; the layers are left as they were.

    Args:
        layer: A layer or subclassed model; built.
        args: Its positional call arguments, tensors as `KerasTensor`s.
        kwargs: Its keyword call arguments.

    Returns:
        A Functional model whose inputs are, as a list, the tensors among the
        arguments.

    Raises:
        Untraceable: If that is not possible, or would not be the whole truth.
    """
    own = _own_weights(layer)
    if own:
        raise Untraceable(f"it has weights of its own, such as '{own[0].name}'")
    if getattr(layer, "activity_regularizer", None) is not None:
        raise Untraceable("it has an activity regularizer")
    kwargs = {k: v for k, v in kwargs.items() if k != "training"}
    model, calls = _run(layer, args, kwargs, training=None)
    if takes_training(layer) and not _is_same_in_training(
        layer, args, kwargs, calls
    ):
        raise Untraceable("its call depends on the argument `training`")
    return model


def _is_same_in_training(layer, args, kwargs, calls):
    try:
        return _run(layer, args, kwargs, training=True)[1] == calls
    except Untraceable:
        return False


def takes_training(operation):
    """Whether an operation's call has an argument `training`."""
    return "training" in inspect.signature(operation.call).parameters


def default_training(operation):
    """Returns what a call takes for `training` unless it is told; or None."""
    parameters = inspect.signature(operation.call).parameters
    return parameters["training"].default if "training" in parameters else None


def required_arguments(operation):
    """Returns the names of the call arguments that have no default."""
    parameters = inspect.signature(operation.call).parameters.values()
    return [
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]


def is_stock_layer(operation):
    """Whether an operation is one of `keras.layers`."""
    name = type(operation).__name__
    return getattr(keras.layers, name, None) is type(operation)


def is_lambda_layer(operation):
    """Whether an operation is Keras's layer around any function."""
    return type(operation).__name__ == "Lambda" and is_stock_layer(operation)


def _own_weights(layer):
    sublayers = layer._flatten_layers(include_self=False, recursive=False)
    held = {id(v) for sublayer in sublayers for v in sublayer.weights}
    return [v for v in layer.weights if id(v) not in held]


def _run(layer, args, kwargs, training):
    """Returns the Functional model of one `call`, and its list of calls."""
    inputs = []

    def new_input(value):
        if not isinstance(value, keras.KerasTensor):
            return value
        inputs.append(keras.Input(batch_shape=value.shape, dtype=value.dtype))
        return inputs[-1]

    args, kwargs = tree.map_structure(new_input, (args, kwargs))
    if takes_training(layer):
        kwargs["training"] = training
    sublayers = list(layer._flatten_layers())
    before = {id(s): len(s._inbound_nodes) for s in sublayers}
    try:
        model = keras.Model(inputs, layer.call(*args, **kwargs))
        for operation in model.operations:
            _fill_in_sizes(operation)
        return model, _calls(model, before)
    except Untraceable:
        raise
    except Exception as error:  # Whatever the code of a user may raise.
        message = (str(error).strip() or repr(error)).splitlines()[0]
        message = message.split(". ")[0][:160]
        raise Untraceable(
            f"its call cannot be traced: {type(error).__name__}: {message}"
        ) from error
    finally:
        for sublayer in sublayers:
            del sublayer._inbound_nodes[before[id(sublayer)] :]


def _fill_in_sizes(operation):
    """Writes -1 for a size that `ops.shape` did not know in the trace."""
    if isinstance(operation, keras.layers.Layer):
        return
    if type(operation).__name__ == "Reshape":
        sizes, given = list(operation.newshape), operation.input.shape
        if None in sizes and -1 in sizes and given.count(None) == 1:
            rest = math.prod(s for s in given if s is not None)
            rest //= math.prod(s for s in sizes if s not in (None, -1))
            sizes[sizes.index(-1)] = rest  # The None is the unknown one.
        if sizes.count(None) == 1 and -1 not in sizes:
            sizes[sizes.index(None)] = -1
        operation.newshape = tuple(sizes)
        operation._auto_config.config["newshape"] = tuple(sizes)
    for value in _without_name(operation).values():
        if isinstance(value, (list, tuple)) and None in value:
            raise Untraceable("its call uses a size that is not known before")


def _calls(model, before):
    """Returns what is called on what, in a form that can be compared."""
    number = {id(operation): i for i, operation in enumerate(model.operations)}

    def describe(value):
        if isinstance(value, keras.KerasTensor):
            operation, call, output = value._keras_history
            first = before.get(id(operation), 0)
            return number[id(operation)], call - first, output
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            raise Untraceable("its call holds a constant array")
        return str(value)

    calls = []
    for operation in model.operations:
        is_layer = isinstance(operation, keras.layers.Layer)
        name = id(operation) if is_layer else type(operation).__name__
        if isinstance(operation, keras.layers.InputLayer):
            name = "input"
        config = None if is_layer else repr(_without_name(operation))
        for node in operation._inbound_nodes[before.get(id(operation), 0) :]:
            kwargs = dict(node.arguments.kwargs)
            kwargs.pop("training", None)
            values = tree.flatten((node.arguments.args, kwargs))
            calls.append((name, config, [describe(v) for v in values]))
    return calls


def _without_name(operation):
    config = operation.get_config()
    config.pop("name", None)
    return config
