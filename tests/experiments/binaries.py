"""Running the experiments' binaries as a user does."""

import json
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
    return _python("-m", f"experiments.{module}", *flags)


def run_each(module, folder, cases):
    """Does what `run` does for each list of flags, with one import for all.

    Args:
        module: String, the name of the binary's module.
        folder: Path of a folder for a file of the flags.
        cases: List of lists of flags.

    Returns:
        List of finished processes.
    """
    path = folder / "cases.json"
    path.write_text(json.dumps(cases))
    result = _python("-m", "tests.experiments.run_each", module, str(path))
    assert result.returncode == 0, result.stderr[-3000:]
    return [
        subprocess.CompletedProcess(flags, *ended)
        for flags, ended in zip(cases, json.loads(result.stdout), strict=True)
    ]


def _python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )


def assert_refused(module, folder, cases):
    """Bad flags fail before anything is trained, with a message.

    Args:
        module: String, the name of the binary's module.
        folder: Path of a folder for the runs.
        cases: List of `(flags, message)`.
    """
    runs = [
        ["--preset=smoke", f"--output_dir={folder / str(index)}", *flags]
        for index, (flags, _) in enumerate(cases)
    ]
    results = run_each(module, folder, runs)
    for result, (flags, message) in zip(results, cases, strict=True):
        assert result.returncode != 0, flags
        assert message in result.stderr, flags
        assert "Traceback" not in result.stderr, flags
    assert not list(folder.glob("*/stages/*"))
    assert not list(folder.glob("*/checkpoints"))


def assert_complete(output_dir):
    """A finished run has left every file that is promised."""
    for name in FILES:
        assert (output_dir / name).exists(), name
    assert any((output_dir / "logs").iterdir())
