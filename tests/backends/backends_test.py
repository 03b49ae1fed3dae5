"""The same small search under each Keras backend, in its own process."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.common import FAST_COMPILATION

_ROOT = pathlib.Path(__file__).parents[2]
_BACKENDS = ("tensorflow", "jax", "torch")


@pytest.mark.parametrize("backend", _BACKENDS)
def test_search_and_slice(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"not installed: pip install 'keras_nas[{backend}]'")
    process = subprocess.run(
        [sys.executable, "-m", "tests.backends.check_backend"],
        cwd=_ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "XLA_FLAGS": FAST_COMPILATION,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout.splitlines()[-1])
    assert results["backend"] == backend
    # Importing the package loads no other backend's framework.
    assert results["imported_tensorflow"] == (backend == "tensorflow")
