"""Prints, as JSON, variables of each of two CPU devices.

    python -m tests.training.check_replicas FOLDER

Run by `replicas_test.py`, since the devices of a process cannot be changed
once TensorFlow has started.
"""

import contextlib
import json
import sys

import keras
import numpy as np

import keras_nas
from keras_nas.training import Checkpoint
from keras_nas.training import find_strategy


class _Stop(keras.callbacks.Callback):
    """Ends a training after two epochs, before the search would end."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise InterruptedError


def _recalibrated(strategy, synchronized, inside):
    """Statistics by replica of the numbers from 0 to 11 in two batches."""
    with strategy.scope():
        norm = keras.layers.BatchNormalization(
            momentum=0.9, synchronized=synchronized
        )
        model = keras.Sequential([keras.Input((1,)), norm])
        model.compile("sgd", "mse")
    x = np.arange(12, dtype="float32")[:, None]
    model.fit(x, x, batch_size=6, verbose=0)
    with strategy.scope() if inside else contextlib.nullcontext():
        count = keras_nas.recalibrate_batch_norm(model, [x[:8], x[8:]], 2)
    values = strategy.experimental_local_results
    return {
        "count": count,
        "momentum": norm.momentum,
        "mean": [v.numpy().item() for v in values(norm.moving_mean.value)],
        "variance": [
            v.numpy().item() for v in values(norm.moving_variance.value)
        ],
    }


def _fitted(strategy, *callbacks):
    """All variables of a new search, by replica, after three epochs."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        mask = keras_nas.FiGSMask(temperature=0.5, seed=3, name="mask")
        layers = [keras.layers.Dense(8), mask, keras.layers.Dense(1)]
        search = keras_nas.search.FiGS(
            keras.Sequential([keras.Input((1,)), *layers])
        )
        search.compile("adam", "mse")
    x = np.arange(12, dtype="float32")[:, None] / 12
    search.fit(
        x,
        x,
        batch_size=6,
        shuffle=False,
        epochs=3,
        verbose=0,
        callbacks=list(callbacks),
    )
    values = strategy.experimental_local_results
    return [
        [value.numpy().tobytes().hex() for value in values(variable.value)]
        for variable in [*search.variables, *search.optimizer.variables]
    ]


def main(folder):
    strategy = find_strategy("mirrored", replicas=2)
    recalibrated = [
        _recalibrated(strategy, synchronized, inside)
        for synchronized in (False, True)
        for inside in (False, True)
    ]
    unbroken = _fitted(strategy)
    with contextlib.suppress(InterruptedError):
        _fitted(strategy, Checkpoint(folder), _Stop())
    results = {
        "recalibrated": recalibrated,
        "unbroken": unbroken,
        "began": Checkpoint(folder).epoch,
        "resumed": _fitted(strategy, Checkpoint(folder)),
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
