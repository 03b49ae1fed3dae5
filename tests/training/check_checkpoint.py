"""Searches whose process is killed, and that resume, for `checkpoint_test.py`.

    python -m tests.training.check_checkpoint FOLDER

It starts processes that kill themselves, and prints, as JSON, by which signals
they ended, which epochs began, and what the resumed search and one without any
interruption came to. Each is forked from this one before it computes anything.
"""

import json
import os
import signal
import sys
import warnings

import keras
import numpy as np

import keras_nas
from keras_nas.training import Checkpoint


class _KillInEpoch(keras.callbacks.Callback):
    epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            _kill()


def _kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def _search():
    keras.utils.set_random_seed(0)
    mask = keras_nas.FiGSMask(temperature=0.5, seed=3, name="mask")
    search = keras_nas.search.FiGS(
        keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8),
                mask,
                keras.layers.Dropout(0.2, seed=1),
                keras.layers.Dense(1),
            ]
        )
    )
    search.compile("adam", "mse")
    return search


def _fit(*callbacks):
    """Returns all weights after four epochs, exactly."""
    search = _search()
    x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
    search.fit(
        x,
        x[:, :1],
        batch_size=4,
        shuffle=False,
        epochs=4,
        verbose=0,
        callbacks=list(callbacks),
    )
    variables = [*search.variables, *search.optimizer.variables]
    return [v.numpy().tobytes().hex() for v in variables]


def _killed(folder, kill):
    """Returns the signal by which a new process ends, and its first epoch."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        checkpoint = Checkpoint(folder)
        warnings.simplefilter("default")
        os.write(writer, str(checkpoint.epoch).encode())
        if kill == "epoch":
            _fit(_KillInEpoch(), checkpoint)
        else:
            replace = os.replace
            # The first file is written; at the second there is half a file.
            moments = iter([replace, _kill])
            os.replace = lambda *args: next(moments)(*args)
            _fit(checkpoint)
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(process, 0)
    return -os.waitstatus_to_exitcode(status), int(os.read(reader, 9))


def main(folder):
    warnings.simplefilter("error")  # No file is damaged.
    ends = [_killed(folder, kill) for kill in ("epoch", "write")]
    checkpoint = Checkpoint(folder)
    began = [*(epoch for _, epoch in ends), checkpoint.epoch]
    warnings.simplefilter("default")
    results = {
        "killed_by": [number for number, _ in ends],
        "began": began,
        "resumed": _fit(checkpoint),
        "unbroken": _fit(),
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
