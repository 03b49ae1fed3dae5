"""The tools that measure FP-NAS, in small."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest

from experiments.fpnas_presets import FPNAS
from keras_nas import spaces
from keras_nas.layers import running_child
from tools import ablate_fpnas
from tools import benchmark_sampled_step as benchmark
from tools import step_memory

SMOKE = FPNAS["smoke"]


def tiny_space():
    """A block behind a stem, whose branches are traced quickly."""
    rows = [
        dict(op="conv", kernel=3, c=8, s=2, act="swish"),
        dict(op="mbconv", e=[1, 2], c=[8, 16], n=1, s=1),
        dict(op="conv", kernel=1, c=[8, 32], s=1, act="relu"),
    ]
    return spaces.FPNASSpace(
        "tiny", rows, kernels=(0, 3), splits=(0, 2), resolution=8
    )


@pytest.fixture
def found_space(monkeypatch):
    """What every name finds."""
    space = tiny_space()
    monkeypatch.setattr(spaces, "find_space", lambda name: space)
    return space


def test_a_search_is_measured(tmp_path, found_space, eagerly):
    preset = dataclasses.replace(
        SMOKE,
        space=found_space.name,
        samples=2,
        search_epochs=1,
        search_warmup_epochs=0,
        joint_epoch=1,
        batch_size=500,
        validation_freq=1,
    )
    row = ablate_fpnas.measure(preset, seed=0, folder=tmp_path)
    steps = 2000 // 500
    assert row["samples"] == 2 * steps
    full = found_space.cost(found_space.biggest(), 10)
    assert row["macs"] <= 0.3 * full.macs
    assert 0.0 <= row["test_accuracy"] <= 1.0
    assert row["seconds"] > 0 and row["entropy"] > 0


def test_fixed_samples_are_as_many_as_the_first_step_draws():
    space = spaces.find_space(SMOKE.space)
    known = ablate_fpnas.variants(SMOKE)
    first = int(0.25 * np.log(float(space.size())))
    assert known["fixed, joint"]["samples"] == max(1, first)
    assert known["adaptive, mixed"] == {}
    for changes in known.values():
        dataclasses.replace(SMOKE, **changes)


def test_table():
    rows = [
        {
            "variant": "a",
            "samples": samples,
            "seconds": 10.0,
            "entropy": 2.0,
            "macs": 1e6,
            "test_accuracy": 0.5,
        }
        for samples in (1000, 2000)
    ]
    last = ablate_fpnas.table(rows).splitlines()[-1]
    assert last == "| a | 1,500 | 10 | 2.0 | 1.000 M | 50.0% (50.0, 50.0) |"


def test_the_same_network_is_measured_each_way():
    space = spaces.find_space("smoke_fp_nas")
    architecture = benchmark.network_of(space, "0")
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    outputs = []
    for method in ("masked", "sampled", "all"):
        keras.utils.set_random_seed(0)
        model, child = benchmark.build(space, method, architecture)
        with running_child(child):
            outputs.append(model(images))
    expected, *others = outputs
    for other in others:
        np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-5)


def test_one_command_measures_and_writes(
    tmp_path, capsys, monkeypatch, found_space
):
    """Without processes, with which benchmark_resolution_options_test.py is."""

    @functools.cache
    def cells_of(text):
        benchmark.main(["--cells", text])
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    def run(tool, sizes, cells, variables):
        return cells_of(json.dumps({**sizes, "cells": cells}))

    monkeypatch.setattr(step_memory, "_run", run)
    path = tmp_path / "rows.json"
    arguments = f"--space {found_space.name} --batch_size 16 --steps 1 "
    arguments += f"--methods single sampled --json {path}"
    benchmark.main(arguments.split())
    out = capsys.readouterr().out
    assert "| biggest | sampled |" in out
    rows = json.loads(path.read_text())["rows"]
    assert [row["method"] for row in rows] == ["single", "sampled"] * 2
    assert rows[0]["seconds_ratio"] == 1.0 and rows[1]["seconds_ratio"] > 0
