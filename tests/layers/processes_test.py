"""Draws in a fresh process, and on two replicas."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_nas import LogisticSigmoidMask
from tests.layers.layer_checks import build_mask
from tests.layers.layer_checks import draw


@pytest.fixture(scope="module")
def results():
    root = pathlib.Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, "-m", "tests.layers.check_processes"],
        cwd=root,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def draws():
    mask = LogisticSigmoidMask(0.0, temperature=1.0, seed=5, name="mask")
    build_mask(mask, 8)
    return [draw(mask) for _ in range(2)]


def test_a_fresh_process_draws_the_same(results, draws):
    np.testing.assert_array_equal(np.float32(results["single"]), draws)


@pytest.mark.parametrize("key", ["replicated", "synchronized"])
def test_replicas_and_places_share_one_draw_per_step(results, draws, key):
    by_step = np.float32(results[key])  # Step, place, replica, channel.
    assert by_step.shape == (2, 2, 2, 8)
    for place in range(2):
        for replica in range(2):
            seen = by_step[:, place, replica]
            np.testing.assert_array_equal(seen, draws)


def test_replicas_stay_in_step_in_fit(results):
    states, logits = results["fitted"]["states"], results["fitted"]["logits"]
    assert len(states) == len(logits) == 2
    assert states[0] == states[1] and states[0][1] == 6
    assert logits[0] == logits[1] and any(logits[0])
