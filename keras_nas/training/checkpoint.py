"""Checkpoints of a search, from which it goes on as if never interrupted."""

import warnings

import keras
import numpy as np

from keras_nas.training import checkpoint_file
from keras_nas.training.strategy import is_chief
from keras_nas.training.termination import Terminated
from keras_nas.training.termination import TerminationSignal
from keras_nas.training.training_state import TrainingState


class Checkpoint(keras.callbacks.Callback):
    """Saves a training as it goes, and resumes it when `fit` begins.

    Pass it to `fit` of any model or search as the last callback, since it
    saves what the others have logged and changed. If the process is killed,
    at whatever moment, run the same program again: training goes on after
    what was saved last. On SIGTERM, which clusters send some seconds before
    they kill, it saves after the step that runs and ends the process with
    status 75. Unlike `keras.callbacks.BackupAndRestore`, it also resumes in
    the middle of an epoch, and models whose structure changes while they
    train, its files tell whether they are whole, and they stay when `fit` has
    ended.

    A file holds the variables of the model, the states of its random
    generators, and the variables of its optimizer, or of all that
    `model.optimizers()` returns, if it has this method; in the middle of an
    epoch, those of its metrics; the logs of all epochs; and what
    `model.structure()` returns, if it has this method: data that JSON can
    hold, which `model.restore_structure(data)` is given before variables are
    assigned. It does not hold the state of other callbacks. Of the data, it
    knows how many batches of an epoch are done, and skips so many: let them
    begin at `epoch`, and do not shuffle them by a generator that begins anew.
    Schedules that follow the number of epochs, as the budget of a search, go
    on as saved: resume with the same `epochs`.

    If a file cannot be written, as on a full disk, training goes on with a
    warning, and the files before stay. Of the workers of a
    `MultiWorkerMirroredStrategy`, the first one writes, all of them read, from
    the same folder, and when one of them gets SIGTERM all end.

    Args:
        directory: Path of a folder for the files of this training alone. It
            is made if need be.
        keep: Integer, how many of the newest files stay.
        save_freq: `"epoch"`, or an integer: then it saves also after so many
            batches, within epochs.

    Attributes:
        epoch: Integer, the number of epochs that are saved: at which epoch
            `fit` will begin. 0 if there is nothing yet.
        step: Integer, the number of batches of this epoch that are saved.
        history: Dict of lists, the logs of all epochs, resumed ones included.

    Raises:
        ValueError: If `keep` or `save_freq` is not a positive integer. When
            `fit` begins: if the folder cannot be written to, all its files
            are damaged (a damaged one is skipped with a warning if there is
            another), or the model is not the one that was saved.
        keras_nas.training.Terminated: In `fit`, after SIGTERM; a SystemExit.

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

    def __init__(self, directory, keep=2, save_freq="epoch"):
        super().__init__()
        _check_count("keep", keep)
        if save_freq != "epoch":
            _check_count("save_freq", save_freq, "'epoch' or ")
        self.directory = directory
        self.keep = keep
        self.save_freq = save_freq
        self._signal = TerminationSignal()
        self._strategy = None
        self._progress = None  # Until `fit` begins, the folder tells it.
        self._state = None  # To resume from, in the middle of an epoch.

    @property
    def epoch(self):
        return self._read_progress()["epoch"]

    @property
    def step(self):
        return self._read_progress()["step"]

    @property
    def history(self):
        history = {}
        for logs in self._read_progress()["logs"]:
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
        return history

    def newest(self):
        """Returns the path of the last file, `None` if there is none."""
        paths = checkpoint_file.find(self.directory)
        return paths[0] if paths else None

    def _read_progress(self):
        if self._progress is not None:
            return self._progress
        newest = checkpoint_file.read_newest(self.directory)
        return _progress(newest[1] if newest else {})

    def on_train_begin(self, logs=None):
        self._strategy = getattr(self.model, "distribute_strategy", None)
        if self._writes():
            self._check_writable()
        newest = checkpoint_file.read_newest(self.directory)
        self._progress = _progress(newest[1] if newest else {})
        if newest is not None:
            state = TrainingState(*newest)
            state.restore(self.model)
            self._state = state if self.step else None
            self.model._initial_epoch = self.epoch
        self._signal.watch()

    def on_epoch_begin(self, epoch, logs=None):
        self.model._initial_epoch = None  # Not for another `fit` as well.
        if self._state is not None:
            # Only now: other callbacks may have made another function.
            self._state.skip_steps(self.model, self.step)
            self._state = None

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if step <= self.step:
            return  # It was skipped.
        terminated = self._signal.is_noted(self._strategy)
        due = self.save_freq != "epoch" and step - self.step >= self.save_freq
        if terminated or due:
            progress = {**self._progress, "step": step}
            self._save(progress, {"step_logs": _numbers(logs)}, metrics=True)
        if terminated:
            self._end()

    def on_epoch_end(self, epoch, logs=None):
        logs = [*self._progress["logs"], _numbers(logs)]
        self._save({"epoch": epoch + 1, "step": 0, "logs": logs})
        if self._signal.is_noted(self._strategy):
            self._end()

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None
        self._signal.ignore()

    def _writes(self):
        return self._strategy is None or is_chief(self._strategy)

    def _save(self, progress, more=None, metrics=False):
        # Of all workers, since some variables are sums over them.
        metadata, arrays = TrainingState.of(self.model, metrics)
        metadata = {**progress, **(more or {}), **metadata}
        number = progress["epoch"], progress["step"]
        self._progress = progress
        if not self._writes():
            return
        try:
            checkpoint_file.write(
                self.directory, number, metadata, arrays, self.keep
            )
        except OSError as error:
            warnings.warn(
                f"The checkpoint of epoch {number[0]}, step {number[1]} could "
                f"not be written to '{self.directory}': {error!r}. Training "
                f"goes on; the last one is '{self.newest()}'.",
                stacklevel=2,
            )

    def _end(self):
        self._signal.ignore()
        print(
            f"Ended by SIGTERM; the last checkpoint is '{self.newest()}'. Run "
            "the same again to go on from there.",
            flush=True,
        )
        raise Terminated()

    def _check_writable(self):
        try:
            checkpoint_file.check_writable(self.directory)
        except OSError as error:
            raise ValueError(
                "Invalid value received for argument `directory`. Expected a "
                "folder that can be written to. Received: "
                f"directory={str(self.directory)!r}, which raised {error!r}"
            ) from error


def _progress(metadata):
    return {
        "epoch": metadata.get("epoch", 0),
        "step": metadata.get("step", 0),
        "logs": metadata.get("logs", []),
    }


def _numbers(logs):
    return {k: np.asarray(v).tolist() for k, v in (logs or {}).items()}


def _check_count(argument, value, also=""):
    if type(value) is not int or value < 1:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            f"{also}a positive integer. Received: {argument}={value!r}"
        )
