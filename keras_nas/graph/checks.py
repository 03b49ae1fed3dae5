"""Checks that every entry point makes on the model it is given."""

import keras


def check_keras_model(model):
    """Raises a `ValueError` unless `model` is a Keras 3 model."""
    if isinstance(model, keras.Model):
        return
    module = type(model).__module__
    received = f"Received: model={model!r} of type {module}."
    if any(part in module for part in ("tf_keras", "tensorflow.python.keras")):
        raise ValueError(
            "Invalid value received for argument `model`. Expected a Keras 3 "
            "`keras.Model`, not a tf_keras (Keras 2) one. Save it with "
            "`model.save('model.keras')` or `.h5` and load it with "
            "`keras.models.load_model`, or rebuild it with Keras 3 layers and "
            f"copy its weights by `set_weights`. {received}"
        )
    raise ValueError(
        "Invalid value received for argument `model`. Expected a "
        f"`keras.Model`. {received}"
    )
