"""The comparison: one run of a family, its table, and what methods cost."""

import csv
import dataclasses
import functools
import json
import types

import keras
import pytest

import keras_nas
from experiments import compare
from experiments import comparison
from experiments.atomnas import AtomNAS
from experiments.bignas_budget import BigNASForBudget
from experiments.compare_presets import PRESETS
from experiments.fpnas import FPNASExperiment
from experiments.pipeline import Context
from keras_nas import data
from keras_nas import spaces
from tests.experiments import binaries

SETTINGS = (
    "--preset=smoke",
    "--methods=random search",
    "--latency_runs=2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "run"
    result = binaries.run("compare", *SETTINGS, f"--output_dir={folder}")
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_results_are_those_of_the_networks(folder):
    results = json.loads((folder / "results.json").read_text())
    found, narrowed = results["cells"]
    assert (found["name"], narrowed["name"]) == ("Random search", "narrowed")
    full = keras_nas.count_cost(
        spaces.find_network("residual", (8, 8, 3), 10)
    ).macs
    for cell, slug in (
        (found, "residual_network_random_search_0.5_0"),
        (narrowed, "residual_network_narrowed_0.5_0"),
    ):
        path = folder / "cells" / slug / "retrained.keras"
        cost = keras_nas.count_cost(keras.models.load_model(path))
        assert (cell["macs"], cell["params"]) == (cost.macs, cost.params)
        assert cost.macs <= 0.5 * full
        assert cell["latency_ms"] > 0
    assert narrowed["search_macs"] == narrowed["search_seconds"] == 0

    # Two networks were trained on 500 images for an epoch each.
    path = folder / "cells" / "residual_network_random_search_0.5_0"
    lines = (path / "evaluations_0.jsonl").read_text().splitlines()[1:]
    drawn = [json.loads(line) for line in lines]
    best = max(drawn, key=lambda d: d["accuracy"])
    assert len(drawn) == 2 and best["macs"] == found["macs"]
    images = data.load(image_size=8, batch_size=250).steps("search") * 250
    assert found["search_macs"] == images * sum(d["macs"] for d in drawn)

    with open(folder / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["macs"] for row in rows] == [
        str(cell["macs"]) for cell in results["cells"]
    ]
    assert "| residual network | Random search |" in (
        folder / "report.md"
    ).read_text().replace("  ", " ").replace("  ", " ")
    assert (folder / "comparison.png").stat().st_size > 1000


def test_a_finished_cell_is_not_computed_again(folder):
    cells = sorted((folder / "cells").glob("*/results.json"))
    before = [path.stat().st_mtime_ns for path in cells]
    (folder / "results.json").unlink()
    again = binaries.run("compare", *SETTINGS, f"--output_dir={folder}")
    other = binaries.run(
        "compare", *SETTINGS, f"--output_dir={folder}", "--batch_size=125"
    )
    assert again.returncode == 0 and "search ..." not in again.stdout
    assert other.returncode != 0 and "--batch_size=125" in other.stderr
    assert [path.stat().st_mtime_ns for path in cells] == before
    assert (folder / "results.json").exists()


def test_what_may_be_added_to_a_folder(monkeypatch):
    text = "--preset=small\n--seeds=2\n--methods=FiGS\n--targets=0.5\n"
    monkeypatch.setattr(compare.common_flags, "flagfile", lambda preset: text)
    assert compare.flagfile(None) == "--preset=small\n"


def test_table_has_differences_seed_by_seed():
    def result(name, seed, accuracy, seconds=0.0, target=2e6):
        return dict.fromkeys(compare.COLUMNS, 0) | {
            "family": "net",
            "target": target,
            "name": name,
            "seed": seed,
            "macs": 1_500_000,
            "params": 2_000 + seed,
            "test_accuracy": accuracy,
            "search_seconds": seconds,
            "search_macs": 3e12,
            "latency_ms": 0.25,
        }

    rows = compare.summarize(
        [
            result("A", 0, 0.80, 10.0),
            result("narrowed", 0, 0.78),
            result("A", 1, 0.90, 30.0),
            result("narrowed", 1, 0.91),
        ]
    )
    _, _, line, narrowed = compare.table(rows).splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "net",
        "A",
        "1.500 M",
        "2.0 k",
        "85.0% (80.0 to 90.0)",
        "+2.0, -1.0",
        "20",
        "3.00",
        "0.250 ms",
    ]
    assert "84.5% (78.0 to 91.0)" in narrowed and " - " in narrowed


def test_budgets_have_tables_of_their_own():
    preset = dataclasses.replace(PRESETS["small"], targets=(1e6, 0.5))
    entries = preset.entries()
    assert {entry.preset.budget().target for entry in entries} == {1e6, 0.5}
    slugs = [entry.slug() for entry in entries]
    assert len(set(slugs)) == len(slugs)
    cells = [
        dict.fromkeys(compare.COLUMNS, 0)
        | {"family": "net", "name": "A", "target": t, "test_accuracy": a}
        for t, a in ((1e6, 0.75), (0.5, 0.25))
    ]
    text = compare.tables(compare.summarize(cells))
    _, million, half = text.split("## Within ")
    assert million.startswith("1,000,000 multiply-adds") and "75.0%" in million
    assert half.startswith("0.5 of the largest") and "25.0%" in half
    with pytest.raises(ValueError, match="--targets"):
        dataclasses.replace(preset, targets=()).entries()


def test_entries_share_budget_and_training():
    preset = PRESETS["small"]
    entries = preset.entries()
    slugs = [entry.slug() for entry in entries]
    assert len(set(slugs)) == len(slugs)
    for entry in entries:
        assert (entry.preset.budget().target,) == preset.targets
        dataclasses.replace(entry.preset, **preset.training())
    methods = {entry.name for entry in entries}
    assert methods >= {
        "FiGS",
        "DMaskingNAS",
        "FP-NAS",
        "BigNAS",
        "AtomNAS",
        "MorphNet",
        "Random search",
        "One-Shot",
        comparison.BASELINE,
    }
    some = dataclasses.replace(preset, methods="atomnas, FiGS").entries()
    assert [e.name for e in some] == [
        *["FiGS", "narrowed"] * 2,
        *["AtomNAS", "narrowed"],
    ]
    with pytest.raises(ValueError, match="--methods.*Received: darts"):
        dataclasses.replace(preset, methods="DARTS").entries()


@functools.cache
def context_of(method):
    load = functools.partial(data.load, batch_size=250, image_size=8)
    return Context(
        types.SimpleNamespace(path=lambda name: name),
        method.presets["smoke"],
        0,
        load(),
        None,
        load,
    )


def images_of(context, split):
    return 250 * (context.data.cardinalities[split] // 250)


def test_what_the_search_of_atom_nas_costs():
    method = AtomNAS()
    method.full_network = lambda context: keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(25)]
    )
    context = context_of(method)
    stage = {"history": {"trained_cost": [1.0, 0.5]}}
    expected = 150 * images_of(context, "train")
    assert method.search_macs(context, stage) == expected


def test_what_the_search_of_fp_nas_costs():
    """3 samples of a warm-up epoch, then 4 that see two batches each."""
    method = FPNASExperiment()
    context = context_of(method)
    assert context.preset.search_warmup_epochs == 1
    space = spaces.find_space("smoke_fp_nas")
    full = space.cost(space.biggest(), 10).macs
    stage = {"history": {"samples": [3, 4], "sampled_cost": [1.0, 0.25]}}
    expected = full * 250 * (3 + 2 * 4 * 0.25)
    assert method.search_macs(context, stage) == expected


def test_what_the_search_of_big_nas_costs():
    """Against the enumeration of the space's 32 networks."""
    method = BigNASForBudget()
    context = context_of(method)
    space = spaces.find_space("smoke_big_nas")
    every = space.costs(space.sample_indices(3000, seed=1), 10)[0].mean()
    ends = space.costs([space.smallest(), space.biggest()], 10)[0].sum()
    preset = context.preset
    images = images_of(context, "train") * preset.search_epochs
    expected = images * (ends + preset.random_children * every)
    found = method.search_macs(context, {})
    assert found == pytest.approx(expected, rel=0.02)
