"""The FiGS binary as a user runs it: one smoke run, then its error paths."""

import dataclasses
import functools
import json
import os

import keras
import numpy as np
import pytest

import keras_nas
from experiments.figs import FiGS
from experiments.figs_presets import FIGS
from experiments.run import Run
from keras_nas import spaces
from keras_nas.graph import flow_of
from tests.common import randomize
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
    ({"model": "small_mbconv"}, "`keras_nas.spaces.ChannelSpace` such as"),
    ({"model": "one_shot"}, "that of space 'one_shot', 224. Received: 8"),
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


def test_a_space_of_masks_is_searched(tmp_path):
    preset = dataclasses.replace(
        FIGS["smoke"],
        model="smoke_one_shot",
        cost="params",
        strength=1e-4,
        temperature=0.25,
    )
    context = binaries.context_of(preset, Run(str(tmp_path), "x"))
    method, space = FiGS(), spaces.smoke_one_shot()
    search = method.new_search(context)
    assert {m.name for m in flow_of(search.model).masks} == set(space.masks)
    mask = search.model.get_layer("cell1_block1_sep3_mask")
    assert (mask.initial_temperature, mask.initial_logit) == (0.25, 2.5)
    assert search.regularizer.strength == 1e-4
    # The supernet takes over what was trained.
    full = randomize(keras.models.clone_model(method.full_network(context)))
    full.save(tmp_path / "full.keras")
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    np.testing.assert_allclose(
        np.array(method.masked(context)(images)),
        np.array(full(images)),
        atol=1e-5,
    )
    # An operator of which one mask is closed is gone.
    chosen = space.to_channels(space.sample(seed=0))
    decisions = {**chosen.decisions, "cell1_block1_sep5_1_mask": []}
    architecture = keras_nas.Architecture("", decisions)
    found = method.network(context, architecture)
    narrow = method.narrowed(context, architecture)
    assert not any("sep5" in layer.name for layer in found.layers)
    params = keras_nas.count_cost(found).params
    assert keras_nas.count_cost(narrow).params <= params
    counts = space.from_channels(architecture)
    assert params == space.costs([counts], classes=10)[1][0]


def test_presets_have_the_strengths_of_the_paper():
    sizes = [FIGS[f"one_shot_{kind}"].budget() for kind in "abc"]
    assert [cost.strength for cost in sizes] == [1.2e-6, 5e-7, 3e-7]
    assert {type(cost) for cost in sizes} == {keras_nas.ExpectedParams}
    # Two FLOPs of the paper are one multiply-add.
    flops = [FIGS[f"fbnet_{kind}"].budget() for kind in "bc"]
    assert [cost.strength for cost in flops] == [4e-9, 2.6e-9]
    assert {type(cost) for cost in flops} == {keras_nas.ExpectedFLOPs}
