"""The two tools that measure BigNAS, in small."""

import dataclasses

import numpy as np
import pytest

from experiments.bignas_presets import BIGNAS
from keras_nas import spaces
from tools import ablate_bignas
from tools import benchmark_sandwich


def test_accuracies_of_three_networks_of_one_training(tmp_path):
    preset = dataclasses.replace(
        BIGNAS["smoke"], search_epochs=1, validation_freq=1
    )
    row = ablate_bignas.measure(preset, seed=0, folder=tmp_path)
    history = row["history"]
    assert row["val_biggest"] == pytest.approx(history["val_accuracy"][-1])
    assert row["val_smallest"] == pytest.approx(
        history["val_smallest_accuracy"][-1]
    )
    for name in ("smallest", "middle", "biggest"):
        assert 0.0 <= row[f"test_{name}"] <= 1.0


def test_variants_change_what_a_preset_has():
    for changes in ablate_bignas.VARIANTS.values():
        changed = dataclasses.replace(BIGNAS["small"], **changes)
        assert (changed == BIGNAS["small"]) is (not changes)


def test_the_middle_network_is_one_of_the_space():
    space = spaces.small_big_nas()
    networks = ablate_bignas.networks(space)
    assert networks["middle"].decisions["resolution"] == 12
    macs, _ = space.costs(list(networks.values()))
    assert list(macs) == sorted(macs)


def test_table_of_ablations():
    rows = [
        {
            "variant": variant,
            "test_smallest": small,
            "test_middle": 0.5,
            "test_biggest": 1.0,
        }
        for variant, small in (("base", 0.75), ("other", 0.5), ("base", 0.25))
    ]
    assert ablate_bignas.table(rows).splitlines()[2:] == [
        "| base | 50.0% (75.0, 25.0) | 50.0% (50.0, 50.0) | "
        "100.0% (100.0, 100.0) |",
        "| other | 50.0% (50.0) | 50.0% (50.0) | 100.0% (100.0) |",
    ]


def test_separate_networks_cost_what_children_of_a_step_do():
    space = spaces.small_big_nas()
    biggest, one, other, smallest = benchmark_sandwich.children(space)
    assert (biggest, smallest) == (space.biggest(), space.smallest())
    assert one.decisions["resolution"] == other.decisions["resolution"] == 12
    rows = space.sample_indices(5000, seed=1)
    rows[:, list(space.decisions).index("resolution")] = 1
    macs, _ = space.costs(rows, 10)
    assert space.cost(one, 10).macs == pytest.approx(np.mean(macs), rel=0.02)


def test_steps_are_timed_in_turn():
    rows = [(1, [4, 8], [1], 2, [3])]
    space = spaces.BigNASSpace("tiny", rows, [4], 2, [8], [4, 6])
    results = benchmark_sandwich.measure(space, batch_size=8, steps=2, warmup=1)
    assert set(results["milliseconds"]) == {"sliced", "masked", "separate"}
    assert all(low > 0 for low, _, _ in results["ratios"].values())
    assert len(results["macs"]) == 4
    assert results["macs"][0] > results["macs"][3]
    assert "| sliced / separate | |" in benchmark_sandwich.table(results)
