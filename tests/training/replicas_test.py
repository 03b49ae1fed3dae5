"""Statistics and checkpoints on two replicas, in a fresh process."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas") / "checkpoints"
    process = subprocess.run(
        [sys.executable, "-m", "tests.training.check_replicas", str(folder)],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_all_replicas_get_the_statistics(results):
    assert len(results["recalibrated"]) == 4
    for result in results["recalibrated"]:
        assert result["count"] == 12
        assert result["momentum"] == 0.9
        for found, expected in (("mean", 5.5), ("variance", 143 / 12)):
            assert len(result[found]) == 2
            np.testing.assert_allclose(result[found], expected, rtol=1e-6)


def test_all_replicas_resume(results):
    unbroken, resumed = results["unbroken"], results["resumed"]
    assert results["began"] == 2
    assert unbroken == resumed
    for replicas in unbroken:
        assert len(replicas) == 2
        assert replicas[0] == replicas[1]
