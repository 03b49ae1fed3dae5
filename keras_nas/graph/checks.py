"""What kind of model it is, and the check that every entry point makes."""

import keras


def _functional_class():
    inputs = keras.Input((1,), name="input")
    return type(keras.Model(inputs, inputs))


# Keras has no public name for the class of Functional models.
Functional = _functional_class()


def is_graph(model):
    """Whether a model does what the graph of its layers says, and no more.

    Args:
        model: A layer or model.

    Returns:
        Boolean, true for Functional and Sequential models, but for those of a
        subclass with a `call` of its own.
    """
    for cls in (Functional, keras.Sequential):
        if isinstance(model, cls):
            return type(model).call is cls.call
    return False


def check_keras_model(model):
    """Raises a `ValueError` unless `model` is a Keras 3 model.

    Args:
        model: The object that a caller passed as `model`.

    Raises:
        ValueError: If it is something else, with the way to convert it.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            "Invalid value received for argument `model`. Expected a Keras 3 "
            f"`keras.Model`. Received: model={model!r} of type "
            f"{type(model).__module__}.{type(model).__qualname__}."
            + _how_to_convert(model)
        )


def _how_to_convert(model):
    modules = [base.__module__ for base in type(model).__mro__]
    legacy = ("tf_keras", "tensorflow.python.keras")
    if any(module.startswith(legacy) for module in modules):
        return (
            " It is a tf_keras (Keras 2) model: build the same architecture "
            "with Keras 3 layers and copy the weights by "
            "`keras_model.set_weights(tf_keras_model.get_weights())`."
        )
    if any(module.startswith("torch.") for module in modules):
        return " It is a PyTorch module: rebuild it with Keras 3 layers."
    return ""
