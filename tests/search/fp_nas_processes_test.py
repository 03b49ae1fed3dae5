"""FP-NAS in processes of its own: killed, and under JAX."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest


def run(module, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", f"tests.search.{module}", *map(str, arguments)],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


def results_of(process):
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_a_search_that_is_killed_ends_as_another(tmp_path):
    # In the last factorized epoch, and in the second joint one.
    for epoch in (1, 3):
        process = run("check_fp_nas", tmp_path, epoch)
        assert process.returncode == -signal.SIGKILL, process.stderr
    results = results_of(run("check_fp_nas", tmp_path, -1))
    assert results["began"] == 3
    assert results["unbroken"]["is_joint"]
    assert results["resumed"] == results["unbroken"]


def test_training_under_jax():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("not installed: pip install 'keras_nas[jax]'")
    results = results_of(run("check_fp_nas_jax", KERAS_BACKEND="jax"))
    assert results["backend"] == "jax"
    assert results["decided"] == [2, 0, 1]
    assert results["is_joint"] and results["moved"] > 0
    history = results["history"]
    assert history["samples"] == [4.0] * 3
    assert len(history["val_accuracy"]) == 1
    assert np.isfinite(np.concatenate(list(history.values()))).all()
