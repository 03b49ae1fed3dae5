"""AtomNAS is killed between two shrinks, and ends where it would have."""

import json
import os
import pathlib
import signal
import subprocess
import sys


def test_a_killed_search_ends_as_an_undisturbed_one(tmp_path):
    def run(epoch):
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.search.check_atom_nas",
                str(tmp_path),
                str(epoch),
            ],
            cwd=pathlib.Path(__file__).parents[2],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    # Blocks are cut out after epochs 1 and 3.
    for epoch in (2, 4):
        assert run(epoch).returncode == -signal.SIGKILL
    process = run(-1)
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout.splitlines()[-1])
    assert results["began"] == 4
    kept = results["unbroken"]["architecture"]["factors"]
    assert kept == [6, 7, 8, 9, 10, 11]
    assert results["resumed"] == results["unbroken"]
