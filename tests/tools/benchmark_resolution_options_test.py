"""The networks of the benchmark of resolutions, and what it writes."""

import json
import sys

import keras
import numpy as np
import pytest

import keras_nas
from tests.common import masks_of
from tools import benchmark_resolution_options as benchmark
from tools import option_benchmarks
from tools import step_memory

_PNG = b"\x89PNG"


def build(method, resolutions):
    """Returns a small supernet with weights that the method does not change."""
    keras.utils.set_random_seed(0)
    model = benchmark.build_supernet(method, resolutions, 2, 4)
    (mask,) = {mask.leader() for mask in masks_of(model)}
    mask.temperature.assign(1.0)
    mask.logits.assign(np.linspace(0.0, 0.5, len(resolutions)))
    return model


def train(model):
    """Returns the outputs of a training step."""
    x = np.random.default_rng(0).normal(size=(3, 9, 9, 3))
    return np.array(model(x.astype("float32"), training=True))


@pytest.mark.parametrize(
    "number, expected",
    [(1, [32]), (2, [18, 32]), (4, [18, 23, 27, 32]), (15, [*range(18, 33)])],
)
def test_spread_resolutions(number, expected):
    assert benchmark.spread_resolutions(number, 18, 32) == expected


def test_the_naive_sum_is_the_same_function():
    whole, naive = (build(m, [4, 7, 9]) for m in ("whole", "naive"))
    for _ in range(2):
        np.testing.assert_allclose(train(whole), train(naive), rtol=1e-4)
    for a, b in zip(whole.variables, naive.variables, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4)


def test_with_one_resolution_all_are_the_same_network():
    outputs = []
    for method in ("whole", "blocks", "naive"):
        model = benchmark.build_supernet(method, [9], 2, 4)
        for variable in model.trainable_variables:
            if variable.name == "kernel":
                rng = np.random.default_rng(np.prod(variable.shape))
                variable.assign(rng.normal(size=variable.shape))
        outputs.append(train(model))
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], rtol=1e-4, atol=1e-5)


def test_blocks_are_decided_together():
    model = build("blocks", [5, 9])
    searches = model.layers[1:]
    assert [s.resolutions for s in searches] == [
        [5, 9],
        [[5, 5], [9, 9]],
        [[3, 3], [5, 5]],
    ]
    assert len({s.leader() for s in searches}) == 1
    sliced = keras_nas.slice_model(model)
    assert sliced.input_shape == (None, 9, 9, 3)


def test_a_step_updates_all_weights():
    model = build("whole", [5, 9])
    before = [np.array(v) for v in model.trainable_variables]
    row = step_memory.measure_here(model, batch_size=4, steps=2)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert np.abs(np.array(variable) - value).max() > 0, variable.path
    assert row["params"] == model.count_params()
    assert row["peak"] >= 0 and row["before"] > 10**7
    assert 0 < row["seconds_min"] <= row["seconds"]


def test_one_command_measures_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        benchmark, "_STYLES", {"naive": benchmark._STYLES["naive"]}
    )
    path, picture = tmp_path / "made" / "rows.json", tmp_path / "rows.png"
    sizes = "--resolutions 1 2 --smallest 8 --largest 16 --blocks 1 "
    sizes += "--channels 4 --batch_size 64 --steps 1"
    benchmark.main([*sizes.split(), "--json", str(path), "--png", str(picture)])
    out = capsys.readouterr().out
    assert "8 to 16 pixels, batch 64, 1 steps" in out
    results = json.loads(path.read_text())
    assert [row["resolutions"] for row in results["rows"]] == [1, 2]
    assert all(row["peak"] >= 0 for row in results["rows"])
    assert results["rows"][0]["seconds_ratio"] == 1.0
    assert results["arguments"]["largest"] == 16
    assert results["versions"]["tensorflow"]
    assert picture.read_bytes().startswith(_PNG)


def test_table_and_figure_with_the_plan_for_a_tpu(
    tmp_path, capsys, monkeypatch
):
    def run(tool, sizes, cells, variables):
        if variables["KERAS_BACKEND"] == "jax":
            return [{"tpu_peak": 10**6 * k} for _, k in cells]
        values = {"params": 100, "seconds": 0.5, "seconds_min": 0.4}
        values |= {"before": 0, "peak": 0}
        if "MALLOC_MMAP_THRESHOLD_" in variables:
            values |= {"seconds": 0.9}  # Not those that count.
            return [{**values, "peak": 2 * 10**6 * k} for _, k in cells]
        return [values for _ in cells]

    monkeypatch.setattr(step_memory, "_run", run)
    monkeypatch.setattr(option_benchmarks, "is_installed", lambda name: True)
    picture = tmp_path / "rows.png"
    benchmark.main(["--tpu", "--png", str(picture), "--resolutions", "1", "4"])
    out = capsys.readouterr().out
    assert "TPU's plan" in out
    row = next(line for line in out.splitlines() if line.startswith("blocks"))
    assert row.split() == "blocks 1 100 2.0 1.00 500.0 1.00 1.0 1.00".split()
    assert out.count(" 4.00") == 6
    assert picture.read_bytes().startswith(_PNG)


@pytest.mark.parametrize("missing", ["jax", "libtpu"])
def test_what_the_plan_for_a_tpu_needs_is_told(missing, monkeypatch):
    monkeypatch.setattr(
        option_benchmarks, "is_installed", lambda name: name != missing
    )
    with pytest.raises(SystemExit, match=f"pip install {missing}"):
        benchmark.main(["--tpu"])


def test_a_process_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(SystemExit, match="failed"):
        benchmark.main(["--resolutions", "1"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--resolutions", "0"], "--resolutions must be from 1 to 15"),
        (["--resolutions", "16"], "--resolutions must be from 1 to 15"),
        (["--largest", "17"], "--resolutions must be from 1 to 0"),
        (["--smallest", "0"], "--smallest must be at least 1"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--png", "rows.jpg"], "ends in .png"),
    ],
)
def test_wrong_flags_are_told(arguments, message, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(arguments)
    assert message in capsys.readouterr().err
