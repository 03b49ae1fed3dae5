"""Running the experiments' binaries as a user does."""

import dataclasses
import functools
import json
import os
import re
import subprocess
import sys
import types

import pytest
import tensorflow as tf

from experiments import pipeline

FILES = (
    "architecture.json",
    "flagfile",
    "model.keras",
    "model.tflite",
    "report.md",
    "results.json",
    "saved_model/saved_model.pb",
)


def run_alone(module, *flags):
    """Runs `python -m experiments.<module>`; returns the finished process."""
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{module}", *flags],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )


def run(module, *flags):
    """Does what `run_alone` does, but imports TensorFlow once for all runs.

    Each is a process of its own all the same, as `run_each` says.
    """
    server = _server()
    server.stdin.write(f"{json.dumps([module, flags])}\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    assert answer, "tests.experiments.run_each has ended"
    return subprocess.CompletedProcess(flags, *json.loads(answer))


@functools.cache
def _server():
    """Starts what runs binaries; it ends when this process does."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.experiments.run_each"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(),
    )


def _environment():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def assert_refused(module, folder, cases):
    """Bad flags fail before anything is trained, with a message.

    Args:
        module: String, the name of the binary's module.
        folder: Path of a folder for the runs.
        cases: List of `(flags, message)`.
    """
    for index, (flags, message) in enumerate(cases):
        output_dir = f"--output_dir={folder / str(index)}"
        result = run(module, "--preset=smoke", output_dir, *flags)
        assert result.returncode != 0, flags
        assert message in result.stderr, flags
        assert "Traceback" not in result.stderr, flags
    assert not list(folder.glob("*/stages/*"))
    assert not list(folder.glob("*/checkpoints"))


def assert_settings_refused(method, cases):
    """Settings that fit no search fail when it is made, with a message.

    That is what a binary does before it trains, and writes the messages of;
    `assert_refused` checks with some flags that it does.

    Args:
        method: A `Method`.
        cases: List of `(dictionary of a preset's fields, message)`.
    """
    nowhere = types.SimpleNamespace(path="no_such_folder/{}".format)
    for change, message in cases:
        preset = dataclasses.replace(method.presets["smoke"], **change)
        context = context_of(preset, nowhere)
        with pytest.raises(ValueError, match=re.escape(message)):
            method.new_search(context)


def context_of(preset, folder):
    """Returns the context of a run without its data, of ten classes.

    Args:
        preset: A preset.
        folder: The `Run`, or what has its `path`.
    """
    size = preset.image_size
    return pipeline.Context(
        run=folder,
        preset=preset,
        seed=0,
        data=types.SimpleNamespace(num_classes=10, input_shape=(size, size, 3)),
        strategy=tf.distribute.get_strategy(),
        load=None,
    )


def assert_complete(output_dir):
    """A finished run has left every file that is promised."""
    for name in FILES:
        assert (output_dir / name).exists(), name
    assert any((output_dir / "logs").iterdir())
