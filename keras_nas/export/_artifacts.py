"""Anything that computes outputs from samples, behind one function."""

import os
import pathlib
import re

import keras
import numpy as np

from keras_nas.export._checks import check_model
from keras_nas.export._staging import is_saved_model
from keras_nas.export.litert_ops import find_custom_ops

_BATCH_SIZE = 32


class KerasArtifact:
    """A Keras model, or the `.keras` file of one.

    Attributes:
        label: String, the name in tables.
        model: The Keras model.
        is_litert: Boolean, whether LiteRT computes it.
    """

    is_litert = False

    def __init__(self, model, label=None):
        self.label = label or f"{model.name} (Keras)"
        self.model = model

    def run(self, samples):
        """Returns the list of the outputs for all samples."""
        inputs = getattr(self.model, "inputs", None)
        if inputs is None:
            structure, batch = samples.structure, None
        elif isinstance(self.model, keras.Sequential):
            structure, batch = inputs[0], inputs[0].shape[0]
        else:
            structure, batch = self.model.input, inputs[0].shape[0]

        def step(arrays):
            packed = keras.tree.pack_sequence_as(structure, arrays)
            outputs = self.model(packed, training=False)
            return [
                keras.ops.convert_to_numpy(output)
                for output in keras.tree.flatten(outputs)
            ]

        return _run_in_batches(step, samples.arrays, batch)


class SavedModelArtifact:
    """A SavedModel folder.

    Attributes:
        label: String, the name in tables.
        is_litert: Boolean, whether LiteRT computes it.
    """

    is_litert = False

    def __init__(self, path):
        import tensorflow as tf

        self.label = f"{path.name} (SavedModel)"
        # The functions hold the variables only weakly.
        self._loaded = tf.saved_model.load(str(path))
        if "serving_default" not in self._loaded.signatures:
            raise ValueError(
                "Invalid value received for argument `path`. Expected a "
                "SavedModel with the signature 'serving_default'. Received: "
                f"{str(path)!r} with {sorted(self._loaded.signatures)}. Write "
                "it with `export_saved_model`."
            )
        self._function = self._loaded.signatures["serving_default"]
        self._specs = self._function.structured_input_signature[1]

    def run(self, samples):
        """Returns the list of the outputs for all samples."""
        import tensorflow as tf

        named = samples.by_name(self._specs, self.label)
        for name, array in named.items():
            spec = self._specs[name]
            dtype = spec.dtype.as_numpy_dtype
            _check_input(self.label, name, array, spec.shape[1:], dtype)
        batch = next(iter(self._specs.values())).shape[0]

        def step(arrays):
            outputs = self._function(
                **dict(zip(named, map(tf.constant, arrays), strict=True))
            )
            return [outputs[name].numpy() for name in _in_order(outputs)]

        return _run_in_batches(step, list(named.values()), batch or _BATCH_SIZE)


class LiteRTArtifact:
    """A `.tflite` file, run by the LiteRT interpreter on the CPU.

    Attributes:
        label: String, the name in tables.
        is_litert: Boolean, whether LiteRT computes it.
    """

    is_litert = True

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        self.label = f"{path.name} (LiteRT)"
        custom = find_custom_ops(path)
        if custom:
            raise ValueError(
                "Invalid value received for argument `path`. Expected a "
                "`.tflite` file of builtin operations. Received: "
                f"{str(path)!r} with {', '.join(custom)}. Write it with "
                "`export_litert`."
            )
        self._interpreter = Interpreter(model_path=str(path))
        self._runner = self._interpreter.get_signature_runner()

    def run(self, samples):
        """Returns the list of the outputs for all samples."""
        details = self._runner.get_input_details()
        named = samples.by_name(details, self.label)
        for name, array in named.items():
            shape = [
                None if size < 0 else int(size)
                for size in details[name]["shape_signature"][1:]
            ]
            dtype = details[name]["dtype"]
            _check_input(self.label, name, array, shape, dtype)
        # An open batch, which is -1, is run row by row as well.
        batch = max(1, next(iter(details.values()))["shape_signature"][0])

        def step(arrays):
            outputs = self._runner(**dict(zip(named, arrays, strict=True)))
            return [outputs[name] for name in _in_order(outputs)]

        return _run_in_batches(step, list(named.values()), batch)


def load_artifact(artifact):
    """Returns the object that runs `artifact`.

    Args:
        artifact: Keras model, or path of a `.keras` file, of a SavedModel
            folder or of a `.tflite` file.

    Returns:
        A `KerasArtifact`, `SavedModelArtifact` or `LiteRTArtifact`.

    Raises:
        FileNotFoundError: If there is nothing at the path.
        ValueError: If it is none of these.
    """
    if not isinstance(artifact, (str, os.PathLike)):
        check_model(artifact)
        return KerasArtifact(artifact)
    path = pathlib.Path(artifact)
    if not path.exists():
        raise FileNotFoundError(
            "Invalid value received for argument `path`. Expected an exported "
            f"artifact. Received: {str(path)!r}, where there is nothing."
        )
    if path.suffix == ".tflite":
        return LiteRTArtifact(path)
    if path.suffix in (".keras", ".h5"):
        model = keras.saving.load_model(path, compile=False)
        return KerasArtifact(model, path.name)
    if is_saved_model(path):
        return SavedModelArtifact(path)
    raise ValueError(
        "Invalid value received for argument `path`. Expected a Keras model, "
        "a `.keras` file, a SavedModel folder or a `.tflite` file. Received: "
        f"{str(path)!r}."
    )


def _run_in_batches(step, arrays, batch):
    """Runs `step` on slices of the rows and joins the outputs.

    With a fixed `batch` the last slice is filled up with copies of the last
    row, which are dropped again.
    """
    rows = len(arrays[0])
    collected = []
    for start in range(0, rows, batch or _BATCH_SIZE):
        index = np.arange(start, start + (batch or _BATCH_SIZE))
        if batch is None:
            index = index[index < rows]
        index = np.minimum(index, rows - 1)
        collected.append(step([array[index] for array in arrays]))
    return [
        np.concatenate(parts)[:rows] for parts in zip(*collected, strict=True)
    ]


def _in_order(names):
    """Sorts output names as Keras orders them: output_2 before output_10."""
    return sorted(
        names,
        key=lambda name: [
            int(part) if part.isdigit() else part
            for part in re.split(r"(\d+)", name)
        ],
    )


def _check_input(label, name, array, shape, dtype):
    received = array.shape[1:]
    fits = len(shape) == len(received) and all(
        known in (None, size)
        for known, size in zip(shape, received, strict=True)
    )
    if not fits or array.dtype != dtype:
        raise ValueError(
            "Invalid value received for argument `samples`. Expected rows of "
            f"shape {tuple(shape)} and {np.dtype(dtype)} for the input "
            f"{name!r} of {label}. Received: rows of shape {received} and "
            f"{array.dtype}. Pass the samples that it was exported for."
        )
