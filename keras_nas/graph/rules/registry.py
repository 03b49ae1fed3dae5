"""Which rule belongs to which layer."""

import inspect

import keras

from keras_nas.graph.rules.rule import Rule

_RULES = {}
_BARRIER = Rule()


def register_rule(*types):
    """Class decorator that registers a `Rule` for layers or operations.

    Use it to teach keras_nas a layer of your own. `PassThrough` is the base
    class for a layer that keeps channels apart, `Rule` for any other.

    Args:
        *types: Layer classes, or names of operations that are not layers,
            such as `"Add"` for `x + y`. A rule holds for subclasses that have
            no rule of their own and do not override `call`.

    Returns:
        The decorator.

    Raises:
        ValueError: If a type is neither a class nor a string.

    Example:

    >>> import keras, keras_nas
    >>> from keras_nas.graph import PassThrough, register_rule
    >>> class Scale(keras.layers.Layer):
    ...     def build(self, shape):
    ...         self.gamma = self.add_weight(shape=shape[-1:], name="gamma")
    ...     def call(self, inputs):
    ...         return inputs * self.gamma
    >>> @register_rule(Scale)
    ... class ScaleRule(PassThrough):
    ...     def keeps_zero(self, layer):
    ...         return True
    ...     def cost(self, node, flow, reading):
    ...         (output,) = node.output_tensors
    ...         return {"norm": reading.count(flow.state(output))}
    ...     def build(self, piece):
    ...         gamma = piece.operation.get_weights()[0]
    ...         piece.weights = [gamma[piece.kept_out()]]
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(16),
    ...     keras_nas.FiGSMask(name="mask"),
    ...     Scale(),
    ...     keras.layers.Dense(2),
    ... ])
    >>> chosen = keras_nas.Architecture("", {"mask": [0, 3, 5]})
    >>> [w.shape for w in keras_nas.slice_model(model, chosen).get_weights()]
    [(8, 3), (3,), (3,), (3, 2), (2,)]
    """
    for type_ in types:
        if not inspect.isclass(type_) and not isinstance(type_, str):
            raise ValueError(
                "Invalid value received for argument `types`. Expected layer "
                f"classes or names of operations. Received: {type_!r}"
            )

    def decorator(rule):
        instance = rule()
        _RULES.update({type_: instance for type_ in types})
        return rule

    return decorator


def rule_for(operation):
    """Returns the rule of a layer or operation; a barrier if there is none.

    Args:
        operation: A Keras layer, or an operation that is not a layer.

    Returns:
        A `Rule`.
    """
    return _registered(operation) or _BARRIER


def has_rule(operation):
    """Returns whether a rule is registered for a layer or operation.

    Args:
        operation: A Keras layer, or an operation that is not a layer.
    """
    return _registered(operation) is not None


def _registered(operation):
    if not isinstance(operation, keras.layers.Layer):
        return _RULES.get(type(operation).__name__)
    cls = type(operation)
    for base in cls.__mro__:
        if base in _RULES:
            return _RULES[base] if base.call is cls.call else None
    return None
