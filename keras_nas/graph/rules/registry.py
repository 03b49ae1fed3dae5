"""Which rule belongs to which layer."""

import inspect

import keras

from keras_nas.graph.rules.rule import Rule

_RULES = {}
_BARRIER = Rule()


def register_rule(*types):
    """Class decorator that registers a `Rule` for layers or operations.

    Use it to teach keras_nas a layer of your own.

    Args:
        *types: Layer classes, or names of operations that are not layers,
            such as `"Add"` for `x + y`. A rule holds for subclasses that have
            no rule of their own and do not override `call`.

    Returns:
        The decorator.

    Raises:
        ValueError: If a type is neither a class nor a string.

    Example:

    >>> import keras
    >>> from keras_nas.graph import PassThrough, register_rule
    >>> class Double(keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return 2 * inputs
    >>> @register_rule(Double)
    ... class DoubleRule(PassThrough):
    ...     def keeps_zero(self, operation):
    ...         return True
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
    rule = _registered(operation)
    return _BARRIER if rule is None else rule.specialize(operation)


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
