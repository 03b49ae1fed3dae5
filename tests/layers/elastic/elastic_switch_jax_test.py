"""A switch under JAX, in a process of its own."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest


def test_switch_under_jax():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("not installed: pip install 'keras_nas[jax]'")
    process = subprocess.run(
        [sys.executable, "-m", "tests.layers.elastic.check_switch_jax"],
        cwd=pathlib.Path(__file__).parents[3],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout.splitlines()[-1])
    assert results["backend"] == "jax"
    assert results["difference"] < 1e-5
