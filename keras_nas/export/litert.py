"""Export to LiteRT (`.tflite`) with builtin operations only."""

import pathlib
import re

from keras_nas.export._checks import check_flat_outputs
from keras_nas.export._checks import check_model
from keras_nas.export._checks import check_tensorflow_backend
from keras_nas.export._signature import complete_signature
from keras_nas.export._staging import staged_write
from keras_nas.export.float32 import check_float32
from keras_nas.export.litert_ops import find_custom_ops


def export_litert(model, path, *, input_signature=None, overwrite=False):
    """Writes a model as a float32 `.tflite` file of builtin operations.

    The file runs in the plain LiteRT runtime: an operation that would need
    the TensorFlow Select (Flex) runtime or a custom kernel is an error here,
    not on the device. The file appears under `path` only when it is complete
    and was read back. Prove that it computes what the model does with
    `verify_export`.

    Args:
        model: Built Keras model with any number of inputs, in float32.
        path: File to write, ending in `.tflite`. Missing parent folders are
            made.
        input_signature: `None` for the shapes of the model with batch 1, or
            `keras.InputSpec` objects with the batch, one per input. Needed
            when the model leaves the size of its images open.
        overwrite: Boolean. Whether a file that is already there may be
            replaced.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        FileExistsError: If `path` exists and may not be replaced.
        OSError: If the folder of `path` cannot be written.
        RuntimeError: If Keras does not run on TensorFlow.
        ValueError: If an argument is not what is described here, or the model
            has an operation that is not builtin in LiteRT; its name is in the
            message.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> from keras_nas.export import export_litert
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> folder = tempfile.mkdtemp()
    >>> path = export_litert(model, os.path.join(folder, "model.tflite"))
    >>> path.name
    'model.tflite'
    """
    check_tensorflow_backend("export_litert")
    check_model(model)
    check_float32(model)
    check_flat_outputs(model)
    if pathlib.Path(path).suffix != ".tflite":
        raise ValueError(
            "Invalid value received for argument `path`. Expected a file name "
            f"that ends in '.tflite'. Received: path={str(path)!r}."
        )
    signature = complete_signature(model, input_signature, static=True)
    with staged_write(path, overwrite) as staging:
        _convert(model, staging, signature)
        custom = find_custom_ops(staging)
        if custom:
            raise ValueError(_not_builtin(model, custom))
    return pathlib.Path(path)


def _convert(model, path, signature):
    import tensorflow as tf

    try:
        model.export(
            str(path),
            format="litert",
            input_signature=signature,
            verbose=False,
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
        )
    except Exception as error:
        if type(error).__name__ != "ConverterError":
            raise
        message = str(error)
        ops, places = _read_converter_error(message)
        if ops:
            # The converter's message is a listing of the whole graph, often
            # of many thousand lines, so it is not chained.
            raise ValueError(_not_builtin(model, ops, places)) from None
        raise ValueError(
            "Invalid value received for argument `model`. Expected a model "
            f"that LiteRT can express. Received: model={model.name!r}, on "
            f"which the converter fails: {message[:1000]}"
        ) from error


def _read_converter_error(message):
    """Finds the names of operations in a message of the converter."""
    ops = set(re.findall(r"'tf\.(\w+)' op is neither a custom op", message))
    for names in re.findall(r"(?:Select|Custom) ops: (.+)", message):
        ops.update(name.strip() for name in names.split(","))
    places = re.findall(
        r'error: .*?"([^"@]+)@[^"]*"\].*?op is neither a custom op', message
    )
    return sorted(ops), list(dict.fromkeys(places))


def _not_builtin(model, ops, places=()):
    where = ""
    if places:
        shown = ", ".join(places[:5])
        more = f" and {len(places) - 5} more" if len(places) > 5 else ""
        where = f" It stems from {shown}{more}."
    return (
        "Invalid value received for argument `model`. Expected a model of "
        "operations that are builtin in LiteRT. Received: "
        f"model={model.name!r} with {', '.join(ops)}, which would need the "
        f"TensorFlow Select (Flex) runtime or a custom kernel.{where} "
        "Replace the layer that uses it by one made of standard operations."
    )
