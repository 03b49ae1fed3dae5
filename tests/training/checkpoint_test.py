"""Resumed trainings against unbroken ones, bit for bit."""

import errno
import functools
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas.training import Checkpoint
from keras_nas.training import FiniteLoss
from keras_nas.training import Terminated

EPOCHS = 4


class Stop(keras.callbacks.Callback):
    """Ends the training in the middle of an epoch, by an error or a signal."""

    def __init__(self, epoch, step=1, number=None):
        super().__init__()
        self.epoch, self.step, self.now = epoch, step, None
        self.number = number

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.step):
            if self.number is None:
                raise InterruptedError
            signal.raise_signal(self.number)


def data(features=6):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, features)).astype("float32")
    return x, rng.normal(size=(24, 2)).astype("float32")


def plain(units=5, optimizer="adam"):
    """A model with weights, random draws and moving averages."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=1),
            layers.Dense(2),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def masked(mask):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(8, activation="relu")
    return keras.Sequential([keras.Input((6,)), hidden, mask, layers.Dense(2)])


def figs():
    mask = keras_nas.FiGSMask(temperature=0.5, seed=3, name="mask")
    search = keras_nas.search.FiGS(
        masked(mask), keras_nas.ExpectedFLOPs(target=0.5)
    )
    search.compile("adam", "mse", mask_optimizer=keras.optimizers.Adam(0.1))
    return search


def dmasking():
    mask = keras_nas.ChannelMask([2, 4, 8], seed=3, name="mask")
    search = keras_nas.search.DMaskingNAS(
        masked(mask), keras_nas.ExpectedFLOPs(target=0.5), warmup_epochs=1
    )
    search.compile("sgd", "mse", mask_optimizer=keras.optimizers.Adam(0.1))
    return search


def fit(model, *callbacks, start=0, epochs=EPOCHS):
    """Trains on batches of which each epoch has others, and no order."""
    x, y = data()
    kwargs = {}
    if isinstance(model, keras_nas.search.DMaskingNAS):
        held_out = tf.data.Dataset.from_tensor_slices((x, y)).batch(12)
        kwargs["architecture_data"] = held_out
    stream = tf.data.Dataset.range(start * 3, EPOCHS * 3).map(
        lambda i: (x + 0.1 * tf.cast(i, "float32"), y)
    )
    return model.fit(
        stream,
        steps_per_epoch=3,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
        **kwargs,
    )


def state(model):
    optimizers = [model.optimizer]
    if isinstance(model, keras_nas.search.DMaskingNAS):
        optimizers = model.optimizers()
    variables = [
        *model.variables,
        *(v for o in optimizers for v in o.variables),
    ]
    return [v.numpy() for v in variables]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def next_draw(search):
    """Returns the logits of the mask, and what it draws next."""
    mask = search.model.get_layer("mask")
    ones = np.ones((1, 8), "float32")
    return [mask.logits.numpy(), mask(ones, training=True).numpy()]


@functools.cache
def unbroken_of(build):
    """Returns the history, what is left of a training, and the next draw."""
    unbroken = build()
    history = fit(unbroken).history
    left = state(unbroken)
    return history, left, [] if build is plain else next_draw(unbroken)


@pytest.mark.parametrize("build", [plain, figs, dmasking])
@pytest.mark.parametrize("stop", [1, 3])
def test_resumed_training_equals_an_unbroken_one(build, stop, tmp_path):
    history, unbroken, draw = unbroken_of(build)
    broken = build()
    with pytest.raises(InterruptedError):
        fit(broken, Checkpoint(tmp_path), Stop(stop))
    resumed = build()
    for variable in resumed.variables:
        if "float" in variable.dtype:  # Nothing of it may matter.
            variable.assign(variable + 1.0)
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.epoch == stop
    assert len(checkpoint.history["loss"]) == stop
    later = fit(resumed, checkpoint, start=stop).history
    assert len(later["loss"]) == EPOCHS - stop
    assert_same(state(resumed), unbroken)
    assert checkpoint.history == history
    assert checkpoint.epoch == Checkpoint(tmp_path).epoch == EPOCHS
    assert Checkpoint(tmp_path).history == history
    if build is not plain:  # The next draws are the same, too.
        assert_same(next_draw(resumed), draw)


@pytest.mark.parametrize("build", [plain, figs, dmasking])
def test_training_resumes_within_an_epoch(build, tmp_path):
    history, unbroken, draw = unbroken_of(build)
    for epoch, step in ((1, 2), (2, 1), (2, 2)):  # One after the other.
        checkpoint = Checkpoint(tmp_path, save_freq=1)
        with pytest.raises(InterruptedError):
            fit(
                build(),
                Stop(epoch, step),
                checkpoint,
                start=checkpoint.epoch,
            )
        checkpoint = Checkpoint(tmp_path)
        assert (checkpoint.epoch, checkpoint.step) == (epoch, step)
    resumed = build()
    fit(resumed, checkpoint, start=2)
    assert_same(state(resumed), unbroken)
    assert checkpoint.history == history
    if build is not plain:
        assert_same(next_draw(resumed), draw)


def test_sigterm_saves_and_ends_with_a_status(tmp_path, capsys):
    _, unbroken, _ = unbroken_of(plain)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        fit(plain(), Stop(1, 1, signal.SIGTERM), Checkpoint(tmp_path))
    assert isinstance(caught.value, Terminated) and caught.value.code == 75
    assert "checkpoint-000001-00000002.npz'. Run the" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == before
    checkpoint, resumed = Checkpoint(tmp_path), plain()
    assert (checkpoint.epoch, checkpoint.step) == (1, 2)
    fit(resumed, checkpoint, start=1)
    assert_same(state(resumed), unbroken)
    assert signal.getsignal(signal.SIGTERM) == before


def test_save_freq_counts_batches(tmp_path, eagerly):
    fit(plain(), Checkpoint(tmp_path, keep=9, save_freq=2), epochs=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000000-00000002.npz",
        "checkpoint-000001-00000002.npz",
        "checkpoint-000001.npz",
        "checkpoint-000002.npz",
    ]
    for freq in (0, 1.5, "batch"):
        with pytest.raises(ValueError, match="`save_freq`. Expected 'epoch'"):
            Checkpoint(tmp_path, save_freq=freq)


def test_full_disk_does_not_end_the_training(tmp_path, monkeypatch, eagerly):
    sync, calls = os.fsync, []

    def fail_later(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:  # Of the first file, and of its folder.
            raise OSError(errno.ENOSPC, "No space left on device")
        return sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_later)
    with pytest.warns(UserWarning, match="No space left.*Training goes on"):
        history = fit(plain(), Checkpoint(tmp_path)).history
    assert len(history["loss"]) == EPOCHS
    names = [path.name for path in tmp_path.iterdir()]
    assert names == ["checkpoint-000001.npz"]
    monkeypatch.undo()
    model, checkpoint = plain(), Checkpoint(tmp_path)
    assert checkpoint.epoch == 1
    assert len(fit(model, checkpoint, start=1).history["loss"]) == EPOCHS - 1


def test_loss_that_is_not_finite_ends_it(tmp_path, eagerly):
    x, y = data()
    stream = tf.data.Dataset.range(99).map(
        lambda i: (x / tf.cast(i != 4, "float32"), y)
    )
    checkpoint, model = Checkpoint(tmp_path), plain()
    with pytest.raises(FloatingPointError) as caught:
        model.fit(
            stream,
            steps_per_epoch=3,
            epochs=EPOCHS,
            verbose=0,
            callbacks=[FiniteLoss(checkpoint), checkpoint],
        )
    message = str(caught.value)
    assert "is nan after step 2 of epoch 2" in message
    assert "checkpoint-000001.npz" in message and "learning rate" in message
    assert Checkpoint(tmp_path).epoch == 1


def test_more_epochs_go_on_where_the_first_ended(tmp_path):
    _, unbroken, _ = unbroken_of(plain)
    model = plain()
    checkpoint = Checkpoint(tmp_path)
    fit(model, checkpoint, epochs=2)
    fit(model, checkpoint, start=2)
    assert_same(state(model), unbroken)


def test_finished_training_is_only_restored(tmp_path, eagerly):
    """What ends a search runs again, on the same state."""
    search, again = figs(), figs()
    fit(search, Checkpoint(tmp_path))
    assert fit(again, Checkpoint(tmp_path)).history == {}
    assert_same(state(again), state(search))
    assert again.decided_cost() == search.decided_cost()


def test_fit_without_it_begins_at_zero_again(tmp_path, eagerly):
    model = plain()
    fit(model, Checkpoint(tmp_path), epochs=2)
    with pytest.raises(InterruptedError):
        fit(model, Checkpoint(tmp_path), Stop(3))
    assert len(fit(model).history["loss"]) == EPOCHS
    fit(model, Checkpoint(tmp_path), epochs=3)  # It takes no epoch.
    assert len(fit(model).history["loss"]) == EPOCHS


class Growing(keras.Model):
    """A model with one more layer after each epoch but the first."""

    def __init__(self):
        super().__init__()
        self.sizes, self.parts = [], []
        self.head = layers.Dense(2, kernel_initializer="ones")
        self.head.build((None, 6))
        self.built = True

    def grow(self, size):
        part = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(size, kernel_initializer="ones"),
                layers.Dense(6, kernel_initializer="ones"),
            ]
        )
        self.sizes = [*self.sizes, size]
        self.parts = [*self.parts, part]
        self.compile("adam", "mse")
        self.optimizer.build(self.trainable_variables)
        self.make_train_function(force=True)

    def call(self, x):
        for part in self.parts:
            x = x + 0.01 * part(x)
        return self.head(x)

    def structure(self):
        return {"sizes": list(self.sizes)}

    def restore_structure(self, data):
        for size in data["sizes"]:
            self.grow(size)


class Grow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch:
            self.model.grow(epoch + 1)


def test_structure_that_changes_is_restored(tmp_path, eagerly):
    def build():
        model = Growing()
        model.compile("adam", "mse")
        return model

    unbroken, broken, resumed = build(), build(), build()
    fit(unbroken, Grow())
    with pytest.raises(InterruptedError):
        fit(broken, Grow(), Checkpoint(tmp_path), Stop(3))
    fit(resumed, Grow(), Checkpoint(tmp_path), start=3)
    assert resumed.sizes == [2, 3, 4]
    assert_same(state(resumed), state(unbroken))
    with pytest.raises(ValueError, match="a method `restore_structure`"):
        fit(plain(), Checkpoint(tmp_path))


def test_types_that_numpy_does_not_know(tmp_path, eagerly):
    def build():
        model = keras.Sequential(
            [keras.Input((6,)), layers.Dense(2, dtype="bfloat16")]
        )
        model.compile("sgd", "mse")
        return model

    model, other = build(), build()
    fit(model, Checkpoint(tmp_path), epochs=1)
    fit(other, Checkpoint(tmp_path), epochs=1)
    assert other.variables[0].dtype == "bfloat16"
    assert_same(state(other), state(model))


@pytest.mark.parametrize(
    "build, named",
    [
        (lambda: plain(units=7), r"variable 0 of 'model'.*kernel.*\(6, 7\)"),
        (
            lambda: plain(optimizer="sgd"),
            r"variable 2 of 'optimizer0'.*no such",
        ),
        (figs, r"'model'"),
    ],
)
def test_another_model_is_refused_and_left_alone(
    build, named, tmp_path, eagerly
):
    fit(plain(), Checkpoint(tmp_path), epochs=1)
    other = build()
    before = [v.numpy() for v in other.trainable_variables]
    with pytest.raises(ValueError, match=f"of another model.*{named}"):
        fit(other, Checkpoint(tmp_path))
    assert_same([v.numpy() for v in other.trainable_variables], before)


def test_killed_processes_resume(tmp_path):
    """One is killed in an epoch, the next one while it writes a file."""
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.training.check_checkpoint",
            str(tmp_path / "folder"),
        ],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout.splitlines()[-1])
    assert results["killed_by"] == [signal.SIGKILL] * 2
    assert results["began"] == [0, 1, 2]
    assert results["resumed"] == results["unbroken"]
