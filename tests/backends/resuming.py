"""Part of `check_backend`: a search that is interrupted, and resumed."""

import pathlib
import shutil

import keras

import keras_nas
from keras_nas.training import Checkpoint


class _SameBatches(keras.utils.PyDataset):
    """The same batch twice, whichever order Keras takes them in."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.data


class _Copy(keras.callbacks.Callback):
    """Copies the files that an interruption before the third epoch leaves."""

    def __init__(self, source, target):
        super().__init__()
        self.folders = source, target

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            shutil.copytree(*self.folders)


def check_resuming(build, data, folder):
    """Compares all variables of an unbroken and of a resumed search.

    Args:
        build: Function that returns a new model, the same each time.
        data: Function that returns arrays `(x, y)`.
        folder: Path of a folder for files.
    """
    folder = pathlib.Path(folder) / "checkpoints"
    copy = folder.with_name("interrupted")
    unbroken = _fit(build(), data(), Checkpoint(folder), _Copy(folder, copy))
    checkpoint = Checkpoint(copy)
    if checkpoint.epoch != 2:
        raise AssertionError(f"{checkpoint.epoch} epochs were saved")
    resumed = _fit(build(), data(), checkpoint)
    if len(checkpoint.history["loss"]) != 3:
        raise AssertionError(f"history is {checkpoint.history}")
    for (name, a), (_, b) in zip(unbroken, resumed, strict=True):
        if not (a == b).all():
            raise AssertionError(f"'{name}' differs after resuming")


def _fit(model, data, *callbacks):
    """Returns names and values of all variables after three epochs."""
    keras.utils.set_random_seed(0)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(
                keras.random.normal(variable.shape, 0.0, 0.1, seed=1)
            )
    search = keras_nas.search.DMaskingNAS(
        model, keras_nas.ExpectedFLOPs(target=0.5)
    )
    search.compile("sgd", "mse", mask_optimizer="adam")
    search.fit(
        *data,
        architecture_data=_SameBatches(data),
        batch_size=12,
        shuffle=False,
        epochs=3,
        verbose=0,
        callbacks=list(callbacks),
    )
    slots = [v for o in search.optimizers() for v in o.variables]
    return [
        (variable.path, keras.ops.convert_to_numpy(variable))
        for variable in [*search.variables, *slots]
    ]
