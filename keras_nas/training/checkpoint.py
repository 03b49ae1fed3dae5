"""Checkpoints of a search, from which it goes on as if never interrupted."""

import contextlib
import itertools

import keras
import numpy as np
from keras import ops

from keras_nas.training import checkpoint_file


class Checkpoint(keras.callbacks.Callback):
    """Saves a training after each epoch, and resumes it when `fit` begins.

    Pass it to `fit` of any model or search as the last callback, since it
    saves what the others have logged and changed. If the process is killed,
    at whatever moment, run the same program again: training goes on after the
    last epoch that was finished. Unlike `keras.callbacks.BackupAndRestore`,
    it also resumes models whose structure changes while they train, its files
    tell whether they are whole, and they stay when `fit` has ended.

    A file holds the variables of the model, the states of its random
    generators, and the variables of its optimizer, or of all that
    `model.optimizers()` returns, if it has this method; the logs of all
    epochs; and what `model.structure()` returns, if it has this method: data
    that JSON can hold, which `model.restore_structure(data)` is given before
    variables are assigned. It holds neither the state of other callbacks nor
    a position in the data: let the data begin at `epoch`, and do not shuffle
    them by a generator that begins anew. Schedules that follow the number of
    epochs, as the budget of a search, go on as saved: resume with the same
    `epochs`.

    Args:
        directory: Path of a folder for the files of this training alone. It
            is made if need be.
        keep: Integer, how many of the newest files stay.

    Attributes:
        epoch: Integer, the number of epochs that are saved: at which epoch
            `fit` will begin. 0 if there is nothing yet.
        history: Dict of lists, the logs of all epochs, resumed ones included.

    Raises:
        ValueError: If `keep` is not a positive integer. When `fit` begins: if
            the folder cannot be written to, all its files are damaged (a
            damaged one is skipped with a warning if there is another), or
            the model is not the one that was saved.

    Example:

    >>> import keras, numpy as np, tempfile
    >>> from keras_nas.training import Checkpoint
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.ones((8, 2), "float32")
    >>> folder = tempfile.mkdtemp()
    >>> for epochs in (2, 5):  # The second `fit` takes three epochs.
    ...     checkpoint = Checkpoint(folder)
    ...     print("begins at epoch", checkpoint.epoch)
    ...     _ = model.fit(
    ...         x, x[:, :1], epochs=epochs, verbose=0, callbacks=[checkpoint]
    ...     )
    begins at epoch 0
    begins at epoch 2
    >>> len(checkpoint.history["loss"])
    5
    """

    def __init__(self, directory, keep=2):
        super().__init__()
        if type(keep) is not int or keep < 1:
            raise ValueError(
                "Invalid value received for argument `keep`. Expected a "
                f"positive integer. Received: keep={keep!r}"
            )
        self.directory = directory
        self.keep = keep
        self._progress = None  # Until `fit` begins, the folder tells it.

    @property
    def epoch(self):
        return self._read_progress()["epoch"]

    @property
    def history(self):
        history = {}
        for logs in self._read_progress()["logs"]:
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
        return history

    def _read_progress(self):
        if self._progress is not None:
            return self._progress
        newest = checkpoint_file.read_newest(self.directory)
        return _progress(newest[1] if newest else {})

    def on_train_begin(self, logs=None):
        try:
            checkpoint_file.check_writable(self.directory)
        except OSError as error:
            raise ValueError(
                "Invalid value received for argument `directory`. Expected a "
                "folder that can be written to. Received: "
                f"directory={str(self.directory)!r}, which raised {error!r}"
            ) from error
        newest = checkpoint_file.read_newest(self.directory)
        self._progress = _progress(newest[1] if newest else {})
        if newest is not None:
            _restore(self.model, *newest)
            self.model._initial_epoch = self.epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.model._initial_epoch = None  # Not for another `fit` as well.

    def on_epoch_end(self, epoch, logs=None):
        numbers = {k: np.asarray(v).tolist() for k, v in (logs or {}).items()}
        logs = [*self._progress["logs"], numbers]
        progress = {"epoch": epoch + 1, "logs": logs}
        groups = _variables(self.model)
        checkpoint_file.write(
            self.directory,
            epoch + 1,
            {
                **progress,
                "structure": _call(self.model, "structure"),
                "variables": _describe(groups),
            },
            {
                f"{group}_{index}": ops.convert_to_numpy(variable)
                for group, variables in groups.items()
                for index, variable in enumerate(variables)
            },
            self.keep,
        )
        self._progress = progress

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None


def _progress(metadata):
    return {
        "epoch": metadata.get("epoch", 0),
        "logs": metadata.get("logs", []),
    }


def _call(model, name):
    """Returns what a method returns that a model may have, or `None`."""
    method = getattr(model, name, None)
    return method() if callable(method) else None


def _variables(model):
    """Returns the variables of a model and its optimizers, by their group."""
    groups = {"model": model.variables}
    optimizers = _call(model, "optimizers") or [model.optimizer]
    for index, optimizer in enumerate(optimizers):
        groups[f"optimizer{index}"] = optimizer.variables
    return groups


def _restore(model, path, metadata, arrays):
    """Gives a model the structure and the values of a file."""
    structure = metadata["structure"]
    if structure is not None:
        if not hasattr(model, "restore_structure"):
            raise ValueError(
                f"The checkpoint '{path}' is of another model. Expected one "
                "with a method `restore_structure`, since the file holds a "
                f"structure. Received: model={model!r}"
            )
        model.restore_structure(structure)
    strategy = getattr(model, "distribute_strategy", None)
    with strategy.scope() if strategy else contextlib.nullcontext():
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
    groups = _variables(model)
    _check_same(path, groups, metadata["variables"])
    for group, variables in groups.items():
        for index, variable in enumerate(variables):
            value = arrays[f"{group}_{index}"]
            if value.dtype.kind == "V":  # NumPy forgets which, as bfloat16.
                value = value.view(ops.convert_to_numpy(variable).dtype)
            variable.assign(value)


def _describe(groups):
    """Returns name, shape and type of every variable, as JSON has them."""
    return {
        group: [[v.path, list(v.shape), v.dtype] for v in variables]
        for group, variables in groups.items()
    }


def _check_same(path, groups, saved):
    """Raises a `ValueError` that names the first variable that differs."""
    present = _describe(groups)
    # Names are not compared: Keras numbers them as they come.
    for group in [*present, *(g for g in saved if g not in present)]:
        pairs = itertools.zip_longest(
            present.get(group, []), saved.get(group, [])
        )
        for index, (mine, other) in enumerate(pairs):
            if (mine and mine[1:]) != (other and other[1:]):
                raise ValueError(
                    f"The checkpoint '{path}' is of another model. Expected "
                    f"variable {index} of '{group}' as in this model: "
                    f"{_name(mine)}. Received: {_name(other)}. Use the same "
                    "model and optimizers, or another folder."
                )


def _name(description):
    if description is None:
        return "no such variable"
    name, shape, dtype = description
    return f"'{name}' of shape {tuple(shape)} and type {dtype}"
