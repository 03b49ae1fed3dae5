"""The two tools that measure AtomNAS, in small."""

import dataclasses

import pytest

from experiments.atomnas_presets import ATOMNAS
from tools import ablate_atomnas
from tools import benchmark_shrinking

SMOKE = ATOMNAS["smoke"]


def test_both_accuracies_are_of_one_network_within_the_target(tmp_path):
    preset = dataclasses.replace(SMOKE, search_epochs=2, validation_freq=2)
    row = ablate_atomnas.measure(preset, seed=0, folder=tmp_path)
    assert row["macs"] <= 0.3 * 105_792
    for key in ("without_recalibration", "with_recalibration"):
        assert 0.0 <= row[key] <= 1.0
    # Nothing is trained again, where the search has come to its end.
    assert ablate_atomnas.measure(preset, 0, tmp_path) == row


def test_costs_of_shrinking_are_sums_over_epochs(tmp_path):
    preset = dataclasses.replace(SMOKE, search_epochs=2, validation_freq=2)
    results = benchmark_shrinking.measure(preset, seed=0, folder=tmp_path)
    decided = results["macs"] / 105_792
    ratio = sum(results["trained_cost"]) / 2 / decided
    assert results["macs_ratio"] == pytest.approx(ratio)
    assert results["seconds_ratio"] > 0


def test_table():
    rows = [
        {
            "seed": seed,
            "variant": variant,
            "macs": macs,
            "without_recalibration": 0.5,
            "with_recalibration": accuracy,
        }
        for seed, variant, macs, accuracy in (
            (0, "by cost", 100, 0.75),
            (1, "by cost", 200, 0.25),
            (0, "equal", 300, 1.0),
            (1, "equal", 300, 1.0),
        )
    ]
    assert ablate_atomnas.table(rows).splitlines()[2:] == [
        "| by cost | 150 | 50.0% (50.0, 50.0) | 50.0% (75.0, 25.0) |",
        "| equal | 300 | 50.0% (50.0, 50.0) | 100.0% (100.0, 100.0) |",
    ]
