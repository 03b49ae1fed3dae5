"""The FP-NAS binary as a user runs it."""

import functools
import json

import keras
import numpy as np
import pytest

import keras_nas
from experiments.fpnas import FPNASExperiment
from keras_nas import spaces
from tests.experiments import binaries

run = functools.partial(binaries.run, "fpnas")


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fpnas") / "run"
    # Without a warm-up, whose steps are another function to trace.
    result = run(
        "--preset=smoke",
        "--search_epochs=2",
        "--search_warmup_epochs=0",
        "--joint_epoch=1",
        "--validation_freq=2",
        f"--output_dir={folder}",
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_smoke_run_leaves_every_file(output_dir):
    binaries.assert_complete(output_dir)
    report = (output_dir / "report.md").read_text()
    assert "| row2_kernel" in report
    assert "The search drew " in report


def test_results_are_those_of_the_architecture(output_dir):
    results = json.loads((output_dir / "results.json").read_text())
    architecture = keras_nas.Architecture.load(output_dir / "architecture.json")
    space = spaces.find_space(results["space"])
    cost = space.cost(architecture, 10)
    assert (results["macs"], results["params"]) == (cost.macs, cost.params)
    assert results["macs"] <= results["target"]
    assert results["width_multiplier"]["macs"] <= results["target"]
    assert results["full_macs"] == space.cost(space.biggest(), 10).macs
    assert all(link["passed"] for link in results["verify"])
    # One sample in each of the steps at least, in two epochs.
    assert results["samples"] >= 2 * 8


def test_the_supernet_comes_back_from_its_file(output_dir):
    supernet = keras.models.load_model(output_dir / "masked.keras")
    architecture = keras_nas.Architecture.load(output_dir / "architecture.json")
    sliced = keras_nas.slice_model(supernet, architecture)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    np.testing.assert_allclose(supernet(images), sliced(images), atol=1e-5)


REFUSED = [
    (["--image_size=16"], "flag --image_size"),
    (["--samples=-1"], "argument `samples`"),
]

REFUSED_SETTINGS = [
    ({"space": "smoke_mbconv"}, "smoke_mbconv, of type MBConvSpace"),
    ({"target": 1e-06, "cost": "params"}, "out of reach"),
    ({"distribution": "normal"}, "argument `distribution`"),
    ({"search_warmup_epochs": -1}, "argument `warmup_epochs`"),
    ({"likelihood_temperature": -1}, "argument `likelihood_temperature`"),
]


def test_bad_flags_fail_before_anything_is_trained(tmp_path):
    binaries.assert_refused("fpnas", tmp_path, REFUSED)


def test_settings_that_do_not_fit_are_refused():
    binaries.assert_settings_refused(FPNASExperiment(), REFUSED_SETTINGS)
