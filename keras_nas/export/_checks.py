"""Checks that every export makes before it starts to work."""

import keras

from keras_nas.graph.checks import check_keras_model


def check_model(model):
    """Raises a `ValueError` unless `model` is a built Keras 3 model.

    Args:
        model: The object that a caller passed as `model`.

    Raises:
        ValueError: If it is something else, or has no weights yet.
    """
    check_keras_model(model)
    if not model.built:
        raise ValueError(
            "Invalid value received for argument `model`. Expected a model "
            f"that is built. Received: model={model!r}, which has no weights "
            "yet. Call it once on a batch, or `model.build(input_shape)`."
        )


def check_tensorflow_backend(name):
    """Raises a `RuntimeError` unless Keras runs on TensorFlow.

    Args:
        name: Name of the function that needs TensorFlow.

    Raises:
        RuntimeError: If Keras runs on another backend.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"`{name}` needs the TensorFlow backend. Received: "
            f"KERAS_BACKEND={backend}. Save the model as a `.keras` file, "
            "start Python with KERAS_BACKEND=tensorflow, load and export it "
            "there."
        )


def check_flat_outputs(model):
    """Raises a `ValueError` if outputs are nested; a signature cannot be.

    Args:
        model: A Keras model.

    Raises:
        ValueError: If an output is itself a list or a dictionary.
    """
    if isinstance(model, keras.Sequential) or not hasattr(model, "outputs"):
        return
    output = model.output
    values = list(output.values()) if isinstance(output, dict) else output
    if keras.tree.is_nested(values) and any(map(keras.tree.is_nested, values)):
        raise ValueError(
            "Invalid value received for argument `model`. Expected outputs "
            "that are one tensor, a list of tensors or a dictionary of "
            f"tensors. Received: model.output={output}. Rebuild it as "
            "`keras.Model(model.input, keras.tree.flatten(model.output))`."
        )
