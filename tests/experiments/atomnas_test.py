"""The AtomNAS binary as a user runs it."""

import functools
import json

import keras
import pytest

import keras_nas
from experiments.atomnas import AtomNAS
from keras_nas import spaces
from tests.common import two_convolutions
from tests.experiments import binaries

run = functools.partial(binaries.run, "atomnas")


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atomnas") / "run"
    result = run("--preset=smoke", f"--output_dir={folder}")
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_smoke_run_leaves_every_file(output_dir):
    binaries.assert_complete(output_dir)
    assert (output_dir / "atoms.png").exists()
    report = (output_dir / "report.md").read_text()
    assert "| block1_project |" in report
    assert "| the same, from scratch |" in report


def test_results_are_those_of_the_network_that_was_trained(output_dir):
    results = json.loads((output_dir / "results.json").read_text())
    model = keras.models.load_model(output_dir / "model.keras")
    cost = keras_nas.count_cost(model)
    assert (results["macs"], results["params"]) == (cost.macs, cost.params)
    assert results["macs"] <= results["target"]
    assert results["width_multiplier"]["macs"] <= results["target"]
    space = spaces.find_space(results["space"])
    full = space.cost(space.biggest(), 10)
    assert results["full_macs"] == full.macs
    assert results["target"] == 0.3 * full.macs
    assert all(link["passed"] for link in results["verify"])
    history = json.loads((output_dir / "stages" / "search.json").read_text())
    trained = history["history"]["trained_cost"]
    ratio = sum(trained) / len(trained) * full.macs / cost.macs
    assert results["cost_ratio"] == pytest.approx(ratio)


def test_architecture_is_one_of_the_space(output_dir):
    results = json.loads((output_dir / "results.json").read_text())
    found = keras_nas.Architecture.load(output_dir / "architecture.json")
    space = spaces.find_space(results["space"])
    cost = space.cost(space.from_channels(found), 10)
    assert (results["macs"], results["params"]) == (cost.macs, cost.params)


def test_the_trained_supernet_comes_back_from_its_file(output_dir):
    masked = keras.models.load_model(output_dir / "masked.keras")
    sliced = keras_nas.slice_model(masked)
    model = keras.models.load_model(output_dir / "model.keras")
    for a, b in zip(sliced.get_weights(), model.get_weights(), strict=True):
        assert (a == b).all()


def test_any_network_and_a_strength(tmp_path):
    folder, network = tmp_path / "run", tmp_path / "network.keras"
    two_convolutions(8, 8, 10).save(network)
    result = run(
        "--preset=smoke",
        f"--output_dir={folder}",
        f"--space={network}",
        "--strength=0.01",
        "--search_epochs=1",
    )
    assert result.returncode == 0, result.stderr[-3000:]
    results = json.loads((folder / "results.json").read_text())
    assert results["target"] == results["macs"]
    assert results["width_multiplier"]["macs"] <= results["macs"]


REFUSED = [
    (["--space=no_such_space"], "no_such_space"),
    (["--ramp=2"], "argument `ramp`"),
]

REFUSED_SETTINGS = [
    ({"space": "smoke_mbconv"}, "flag --space"),
    ({"image_size": 16}, "flag --image_size"),
    ({"target": 1e-06}, "out of reach"),
    ({"threshold": -1}, "argument `threshold`"),
    ({"normalization": "max"}, "argument `normalization`"),
]


def test_bad_flags_fail_before_anything_is_trained(tmp_path):
    binaries.assert_refused("atomnas", tmp_path, REFUSED)


def test_settings_that_do_not_fit_are_refused():
    binaries.assert_settings_refused(AtomNAS(), REFUSED_SETTINGS)
