"""AtomNAS that kills its own process, or resumes; run by its test.

    python -m tests.search.check_atom_nas FOLDER EPOCH

dies in the given epoch, counted from 0. With an epoch that never comes it
prints, as JSON, what the resumed search and an undisturbed one came to.
"""

import json
import os
import signal
import sys

import keras
import numpy as np
from keras import layers

import keras_nas
from keras_nas.graph import flow_of
from keras_nas.training import Checkpoint

EPOCHS, STEPS = 6, 4
DEATHS = (1, 3)  # The epochs at whose end three more blocks are dead.


class _Moments(keras.callbacks.Callback):
    """Lets blocks die at the end of some epochs, and the process in one."""

    def __init__(self, last_epoch=EPOCHS):
        super().__init__()
        self.last_epoch, self.epoch = last_epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.last_epoch, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.epoch in DEATHS and batch == STEPS - 1:
            (mask,) = flow_of(self.model.model).masks
            alive = np.arange(len(mask.probabilities())) >= 3
            mask.factor.assign(mask.factor * alive)
            mask.moving_average.assign(mask.moving_average * alive)


def _search():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(12, 3, use_bias=False),
            layers.BatchNormalization(),
            keras_nas.AtomicBlockScale(momentum=0.9, name="factors"),
            layers.ReLU(),
            layers.Dropout(0.2, seed=1),
            layers.Conv2D(5, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    search = keras_nas.search.AtomNAS(
        model, keras_nas.ExpectedFLOPs(strength=0.01), ramp=0.5
    )
    search.compile(
        keras.optimizers.RMSprop(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        mask_optimizer="adam",
    )
    return search


def _fit(*callbacks):
    """Returns what decides and weighs after the last epoch, exactly."""
    search = _search()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8 * STEPS, 6, 6, 3)).astype("float32")
    y = rng.integers(0, 3, len(x))
    history = search.fit(
        x,
        y,
        batch_size=8,
        shuffle=False,
        epochs=EPOCHS,
        validation_data=(x, y),
        verbose=0,
        callbacks=list(callbacks),
    )
    variables = [*search.variables, *search.optimizer.variables]
    return {
        "architecture": search.architecture().decisions,
        "variables": [v.numpy().tobytes().hex() for v in variables],
        "val_loss": history.history["val_loss"][-1],
    }


def main(folder, epoch):
    checkpoint = Checkpoint(folder)
    began = checkpoint.epoch
    resumed = _fit(_Moments(int(epoch)), checkpoint)
    json.dump(
        {"began": began, "resumed": resumed, "unbroken": _fit(_Moments())},
        sys.stdout,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
