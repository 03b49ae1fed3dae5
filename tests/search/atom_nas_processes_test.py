"""AtomNAS in processes of its own: killed between shrinks."""

import json
import os
import pathlib
import signal
import subprocess
import sys


def run(module, *arguments):
    return subprocess.run(
        [sys.executable, "-m", f"tests.search.{module}", *map(str, arguments)],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=240,
    )


def results_of(process):
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_a_search_that_is_killed_between_shrinks_ends_as_another(tmp_path):
    # Blocks are cut out after epochs 1 and 3.
    for epoch in (2, 4):
        process = run("check_atom_nas", tmp_path, epoch)
        assert process.returncode == -signal.SIGKILL, process.stderr
    results = results_of(run("check_atom_nas", tmp_path, -1))
    assert results["began"] == 4
    kept = results["unbroken"]["architecture"]["factors"]
    assert kept == [6, 7, 8, 9, 10, 11]
    assert results["resumed"] == results["unbroken"]
