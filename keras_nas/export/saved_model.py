"""Export to a TensorFlow SavedModel."""

import pathlib

from keras_nas.export._checks import check_flat_outputs
from keras_nas.export._checks import check_model
from keras_nas.export._checks import check_tensorflow_backend
from keras_nas.export._signature import complete_signature
from keras_nas.export._staging import staged_write


def export_saved_model(model, path, *, input_signature=None, overwrite=False):
    """Writes the forward pass of a model as a TensorFlow SavedModel.

    The folder can be served and loaded where neither keras_nas nor Keras is
    installed. It appears under `path` only when it is complete.

    Args:
        model: Built Keras model with any number of inputs.
        path: Folder to write. Missing parent folders are made.
        input_signature: `None` for the shapes of the model with any batch
            size, or `keras.InputSpec` objects with the batch, one per input.
        overwrite: Boolean. Whether a SavedModel that is already there may be
            replaced.

    Returns:
        `pathlib.Path` of the folder.

    Raises:
        FileExistsError: If `path` exists and may not be replaced.
        OSError: If the folder of `path` cannot be written.
        RuntimeError: If Keras does not run on TensorFlow.
        ValueError: If an argument is not what is described here.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> from keras_nas.export import export_saved_model
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> folder = tempfile.mkdtemp()
    >>> path = export_saved_model(model, os.path.join(folder, "saved_model"))
    >>> sorted(item.name for item in path.glob("*.pb"))
    ['fingerprint.pb', 'saved_model.pb']
    """
    check_tensorflow_backend("export_saved_model")
    check_model(model)
    check_flat_outputs(model)
    if pathlib.Path(path).suffix in (".tflite", ".keras", ".h5"):
        raise ValueError(
            "Invalid value received for argument `path`. Expected the name of "
            f"a folder, such as 'saved_model'. Received: path={str(path)!r}. "
            "Use `export_litert` for `.tflite` and `model.save` for `.keras`."
        )
    signature = complete_signature(model, input_signature)
    with staged_write(path, overwrite, folder=True) as staging:
        model.export(
            str(staging),
            format="tf_saved_model",
            input_signature=signature,
            verbose=False,
        )
    return pathlib.Path(path)
