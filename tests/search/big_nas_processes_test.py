"""BigNAS in a process of its own: under JAX."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest


def results_of(module, *arguments, **environment):
    process = subprocess.run(
        [sys.executable, "-m", f"tests.search.{module}", *map(str, arguments)],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_masked_training_under_jax():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("not installed: pip install 'keras_nas[jax]'")
    results = results_of("check_big_nas_jax", KERAS_BACKEND="jax")
    assert results["backend"] == "jax"
    assert results["steps"] == [6] * len(results["steps"])
    assert np.isfinite(results["loss"]).all()
    assert results["moved"] > 0
    assert results["difference"] < 1e-5
