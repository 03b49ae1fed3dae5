"""FP-NAS that kills its own process, or resumes; run by its test.

    python -m tests.search.check_fp_nas FOLDER EPOCH

dies in the given epoch, counted from 0. With an epoch that never comes it
prints, as JSON, what the resumed search and an undisturbed one came to.
"""

import json
import os
import signal
import sys

import keras

from keras_nas.training import Checkpoint
from tests.fp_nas import elastic_data
from tests.fp_nas import elastic_model
from tests.fp_nas import elastic_search

EPOCHS = 4  # Of the warm-up; factorized; and two joint ones.


class _Death(keras.callbacks.Callback):
    """Kills the process in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.last, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.last, 1):
            os.kill(os.getpid(), signal.SIGKILL)


def _fit(*callbacks):
    """Returns what decides and weighs after the last epoch, exactly."""
    search = elastic_search(
        elastic_model(dropout=0.2), warmup_epochs=1, joint_epoch=2
    )
    x, y = elastic_data()
    history = search.fit(
        x,
        y,
        batch_size=4,
        shuffle=False,
        epochs=EPOCHS,
        validation_data=(x, y),
        verbose=0,
        callbacks=list(callbacks),
    )
    variables = [*search.variables, *search.optimizer.variables]
    return {
        "architecture": search.architecture().decisions,
        "is_joint": search.distribution.is_joint,
        "variables": [v.numpy().tobytes().hex() for v in variables],
        "val_loss": history.history["val_loss"][-1],
    }


def main(folder, epoch):
    checkpoint = Checkpoint(folder)
    began = checkpoint.epoch
    resumed = _fit(_Death(int(epoch)), checkpoint)
    json.dump(
        {"began": began, "resumed": resumed, "unbroken": _fit()}, sys.stdout
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
