"""Samples in the form that every artifact can take."""

import keras
import numpy as np


class Samples:
    """Arrays in the order of the inputs, with the names they may go by.

    Attributes:
        arrays: List of arrays, one per input, with the same number of rows.
        names: List of sets of names, one per input.
        structure: What the caller passed, for models that do not tell the
            structure of their inputs.
    """

    def __init__(self, samples, model):
        inputs = getattr(model, "inputs", None)
        self.structure = samples
        self.names = _names(samples, model, inputs)
        self.arrays = _arrays(samples, self.names, inputs)
        _check_rows(self.arrays)
        if inputs is not None:
            self.arrays = [
                _fit(array, tensor)
                for array, tensor in zip(self.arrays, inputs, strict=True)
            ]

    def __len__(self):
        return len(self.arrays[0])

    def learn_names(self, model):
        """Adds the input names of a further Keras model of the chain."""
        inputs = getattr(model, "inputs", None) or []
        if len(inputs) == len(self.names):
            for known, new in zip(
                self.names, _names(None, model, inputs), strict=True
            ):
                known.update(new)

    def by_name(self, names, label):
        """Returns the arrays as a dictionary with the keys `names`."""
        if len(names) == len(self.arrays) == 1:
            return {next(iter(names)): self.arrays[0]}
        found = {
            name: array
            for name in names
            for known, array in zip(self.names, self.arrays, strict=True)
            if name in known
        }
        if len(found) == len(names) == len(self.arrays):
            return found
        raise ValueError(
            "Invalid value received for argument `path`. Expected an artifact "
            f"whose inputs have the names {[*map(sorted, self.names)]}. "
            f"Received: {label} with inputs {sorted(names)}. Name the inputs "
            "by `keras.Input(..., name=...)` and export again, or put the "
            "Keras model that was exported into the chain."
        )


def _names(samples, model, inputs):
    if inputs is None:
        paths = keras.tree.flatten_with_path(samples)
        return [_last_key(path) for path, _ in paths]
    names = [{tensor.name} for tensor in inputs]
    if not isinstance(model, keras.Sequential):
        paths = keras.tree.flatten_with_path(model.input)
        for known, (path, _) in zip(names, paths, strict=True):
            known.update(_last_key(path))
    return names


def _last_key(path):
    return {key for key in path[-1:] if isinstance(key, str)}


def _arrays(samples, names, inputs):
    if isinstance(samples, dict) and inputs is not None:
        found = [
            [value for key, value in samples.items() if key in known]
            for known in names
        ]
        if len(samples) != len(names) or any(len(v) != 1 for v in found):
            raise ValueError(
                "Invalid value received for argument `samples`. Expected a "
                f"dictionary with the keys {[*map(sorted, names)]}. Received: "
                f"keys {list(samples)}."
            )
        leaves = [values[0] for values in found]
    elif len(names) == 1 and not isinstance(samples, dict):
        array = np.asarray(samples)
        rank = len(inputs[0].shape) if inputs else array.ndim
        is_wrapped = array.ndim == rank + 1 and len(array) == 1
        leaves = [array[0] if is_wrapped else array]
    elif isinstance(samples, (list, tuple, dict)):
        leaves = keras.tree.flatten(samples)
    else:
        leaves = [samples]
    if len(leaves) != len(names):
        raise ValueError(
            "Invalid value received for argument `samples`. Expected one "
            f"array for each of {len(names)} inputs "
            f"({[*map(sorted, names)]}). Received: {len(leaves)} arrays. Pass "
            "a list in the order of `model.inputs` or a dictionary."
        )
    return [np.asarray(leaf) for leaf in leaves]


def _check_rows(arrays):
    shapes = [array.shape for array in arrays]
    if any(not shape for shape in shapes) or len({s[0] for s in shapes}) > 1:
        raise ValueError(
            "Invalid value received for argument `samples`. Expected arrays "
            "with the same number of rows in the first axis. Received: shapes "
            f"{shapes}."
        )
    if not shapes[0][0]:
        raise ValueError(
            "Invalid value received for argument `samples`. Expected at least "
            f"one row. Received: shapes {shapes}. Pass some real samples."
        )


def _fit(array, tensor):
    shape, dtype = tensor.shape[1:], tensor.dtype
    fits = len(array.shape) == len(tensor.shape) and all(
        known is None or size == known
        for size, known in zip(array.shape[1:], shape, strict=True)
    )
    if not fits:
        raise ValueError(
            "Invalid value received for argument `samples`. Expected shape "
            f"{(None, *shape)} for the input {tensor.name!r}. Received: shape "
            f"{array.shape}. Leave out nothing but the number of rows."
        )
    if dtype == "bfloat16" or np.can_cast(array.dtype, dtype, "same_kind"):
        return array.astype("float32" if dtype == "bfloat16" else dtype)
    raise ValueError(
        f"Invalid value received for argument `samples`. Expected {dtype} for "
        f"the input {tensor.name!r}. Received: dtype={array.dtype}. Convert "
        "the samples by `astype`."
    )
