"""Running the experiments' binaries as a user does."""

import os
import subprocess
import sys

FILES = (
    "architecture.json",
    "flagfile",
    "model.keras",
    "model.tflite",
    "report.md",
    "results.json",
    "saved_model/saved_model.pb",
)


def run(module, *flags):
    """Runs `python -m experiments.<module>`; returns the finished process."""
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{module}", *flags],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )


def assert_complete(output_dir):
    """A finished run has left every file that is promised."""
    for name in FILES:
        assert (output_dir / name).exists(), name
    assert any((output_dir / "logs").iterdir())
