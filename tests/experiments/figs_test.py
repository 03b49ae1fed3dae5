"""The FiGS binary as a user runs it: one smoke run, then its error paths."""

import functools
import json
import os

import keras
import pytest

import keras_nas
from experiments.figs import FiGS
from tests.experiments import binaries

run = functools.partial(binaries.run, "figs")


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figs") / "run"
    result = binaries.run_alone(
        "figs", "--preset=smoke", f"--output_dir={folder}"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_smoke_run_leaves_every_file(output_dir):
    binaries.assert_complete(output_dir)


def test_results_agree_with_the_files(output_dir):
    results = json.loads((output_dir / "results.json").read_text())
    model = keras.models.load_model(output_dir / "model.keras")
    cost = keras_nas.count_cost(model)
    assert (results["macs"], results["params"]) == (cost.macs, cost.params)
    assert results["macs"] <= results["target"]
    assert results["width_multiplier"]["macs"] <= results["target"]
    assert results["tflite_bytes"] == os.path.getsize(
        output_dir / "model.tflite"
    )
    assert len(results["verify"]) == 3
    assert all(link["passed"] for link in results["verify"])
    masked = keras.models.load_model(output_dir / "masked.keras")
    architecture = keras_nas.Architecture.load(output_dir / "architecture.json")
    assert keras_nas.decided_cost(masked, architecture).macs == cost.macs


def test_finished_run_is_left_as_it_is(output_dir):
    before = (output_dir / "model.tflite").stat().st_mtime_ns
    flags = ["--preset=smoke", f"--output_dir={output_dir}"]
    again, other, usage = (
        run(*f) for f in (flags, [*flags, "--target=0.45"], ["--help"])
    )
    assert again.returncode == 0
    assert "Finished before" in again.stdout
    assert other.returncode != 0
    assert "nothing was overwritten" in other.stderr
    assert "--target=0.45" in other.stderr
    assert (output_dir / "model.tflite").stat().st_mtime_ns == before
    assert "FiGS: search the widths" in usage.stdout
    for flag in ("--preset", "--dataset", "--target", "--output_dir"):
        assert flag in usage.stdout


def test_stopped_run_goes_on_from_its_last_stage(output_dir):
    (output_dir / "results.json").unlink()
    (output_dir / "report.md").unlink()
    before = (output_dir / "model.keras").stat().st_mtime_ns
    result = run(
        f"--flagfile={output_dir}/flagfile", f"--output_dir={output_dir}"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "retrain: done before" in result.stdout
    assert (output_dir / "model.keras").stat().st_mtime_ns == before
    assert (output_dir / "report.md").exists()


REFUSED = [
    (["--target=1000000000000"], "argument `target`"),
    (["--dataset=no_such_data"], "no_such_data"),
    (["--model=missing.keras"], "does not exist"),
]

REFUSED_SETTINGS = [
    ({"target": 1e-6}, "out of reach"),
    ({"model": "no_such_net"}, "no_such_net"),
    ({"temperature": 0.0}, "argument `temperature`"),
    (
        {"cost": "latency", "latency_table": "missing.json"},
        "'missing.json', where there is none",
    ),
]


def test_bad_flags_fail_before_anything_is_trained(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    no_folder = ([f"--output_dir={blocked / 'o'}"], "flag --output_dir")
    binaries.assert_refused("figs", tmp_path, [*REFUSED, no_folder])


def test_settings_that_do_not_fit_are_refused():
    binaries.assert_settings_refused(FiGS(), REFUSED_SETTINGS)
