"""The DMaskingNAS binary as a user runs it."""

import functools
import itertools
import json
import shutil

import keras
import numpy as np
import pytest

import keras_nas
from experiments.dmasking import DMaskingNAS
from keras_nas import spaces
from keras_nas.layers import subsample
from tests.experiments import binaries

run = functools.partial(binaries.run, "dmasking")


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dmasking") / "run"
    result = run("--preset=smoke", f"--output_dir={folder}")
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_smoke_run_leaves_every_file(output_dir):
    binaries.assert_complete(output_dir)
    report = (output_dir / "report.md").read_text()
    assert "| stage1_channels" in report


def test_results_are_those_of_the_architecture(output_dir):
    results = json.loads((output_dir / "results.json").read_text())
    architecture = keras_nas.Architecture.load(output_dir / "architecture.json")
    space = spaces.find_space(results["space"])
    cost = space.cost(architecture, 10)
    assert (results["macs"], results["params"]) == (cost.macs, cost.params)
    assert results["macs"] <= results["target"]
    assert results["width_multiplier"]["macs"] <= results["target"]
    assert results["full_macs"] == space.cost(space.biggest(), 10).macs
    size = architecture.decisions["resolution"]
    assert results["input_size"] == size
    model = keras.models.load_model(output_dir / "model.keras")
    assert model.input_shape == (None, size, size, 3)
    assert all(link["passed"] for link in results["verify"])


def test_the_supernet_comes_back_from_its_file(output_dir):
    supernet = keras.models.load_model(output_dir / "masked.keras")
    architecture = keras_nas.Architecture.load(output_dir / "architecture.json")
    sliced = keras_nas.slice_model(supernet, architecture)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    small = subsample(images, architecture.decisions["resolution"])
    np.testing.assert_allclose(supernet(images), sliced(small), atol=1e-5)


def save_table(path):
    """Saves a table of the layers that `tools.measure_latency` measures."""
    space, rates = spaces.find_space("smoke_mbconv"), itertools.cycle((1, 3, 2))
    models = space.supernet(10), space.build(space.biggest(), 10)
    rows = [r for m in models for r in keras_nas.count_cost(m).layers if r.macs]
    layers = {
        row.name: {"macs": row.macs, "microseconds": row.macs * rate / 1000}
        for row, rate in zip(rows, rates, strict=False)
    }
    keras_nas.LatencyTable(layers).save(path)


def test_a_budget_of_latency(tmp_path, output_dir):
    """A share of what the table says, from the table to the report."""
    path = tmp_path / "table.json"
    save_table(path)
    folder = tmp_path / "run"
    # The full network is trained alike whatever the budget is.
    (folder / "stages").mkdir(parents=True)
    for file in ("full.keras", "stages/full.json"):
        shutil.copy(output_dir / file, folder / file)
    result = run(
        "--preset=smoke",
        "--cost=latency",
        f"--latency_table={path}",
        "--target=0.6",
        "--search_epochs=1",
        "--weights_epochs=0",
        f"--output_dir={folder}",
    )
    assert result.returncode == 0, result.stderr[-3000:]
    binaries.assert_complete(folder)
    results = json.loads((folder / "results.json").read_text())
    table = keras_nas.LatencyTable.load(path)
    cost = keras_nas.ExpectedLatency(table=table, target=0.6)
    supernet = keras.models.load_model(folder / "masked.keras")
    full = cost.full(supernet)
    assert results["target"] == pytest.approx(0.6 * full)
    assert cost.decided(supernet) <= results["target"]
    report = (folder / "report.md").read_text()
    assert f" of {full:,.1f} microseconds" in report
    # The narrowed network has the names of the largest, in the table too.
    narrow = keras.models.load_model(folder / "width_multiplier.keras")
    rows = [r for r in keras_nas.count_cost(narrow).layers if r.macs]
    latency = sum(table.rate(r.name) * r.macs for r in rows)
    assert latency <= results["target"]


REFUSED = [
    (["--space=no_such_space"], "no_such_space"),
    (["--temperature=0"], "argument `temperature`"),
]

REFUSED_SETTINGS = [
    ({"space": "smoke_atom_nas"}, "smoke_atom_nas, of type AtomNASSpace"),
    ({"image_size": 16}, "flag --image_size"),
    ({"target": 1e-06, "cost": "params"}, "out of reach"),
    ({"cost": "joules"}, "flag --cost"),
    ({"cost": "latency"}, "flag --latency_table"),
    ({"weights_epochs": -1}, "argument `warmup_epochs`"),
]


def test_bad_flags_fail_before_anything_is_trained(tmp_path):
    binaries.assert_refused("dmasking", tmp_path, REFUSED)


def test_settings_that_do_not_fit_are_refused():
    binaries.assert_settings_refused(DMaskingNAS(), REFUSED_SETTINGS)
