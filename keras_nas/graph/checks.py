"""The check that every entry point makes on the model it is given."""

import keras


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
