"""Spaces of FP-NAS: their decisions, groups and networks."""

import itertools

import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import spaces

STEM = dict(op="conv", kernel=3, c=8, s=2, act="swish")
HEAD = dict(op="conv", kernel=1, c=[16, 24], s=1, act="swish")
ROWS = [
    STEM,
    dict(op="mbconv", e=1, c=[8, 12], n=1, s=1),
    dict(op="mbconv", e=[0.5, 2], c=12, n=2, s=1),
    HEAD,
]


def tiny(rows=ROWS, **kwargs):
    kwargs = {"kernels": (0, 3), "acts": ("relu",), "resolution": 8, **kwargs}
    return spaces.FPNASSpace("tiny", rows, **kwargs)


def test_decisions_are_front_to_back():
    assert tiny().decisions == {
        "row1_kernel": (0, 3),
        "row1_splits": (0, 1),
        "row1_channels": (8, 12),
        "row2_kernel": (0, 3),
        "row2_splits": (0, 1),
        "row2_expansion": ("0.5", "2"),
        "head_channels": (16, 24),
    }
    assert tiny().resolution == 8


def test_groups_hold_each_decision_once():
    groups = tiny().groups
    assert list(groups) == ["row1", "row2", "head"]
    assert groups["row1"] == ("row1_kernel", "row1_splits", "row1_channels")
    assert sum(groups.values(), ()) == tuple(tiny().decisions)
    only = tiny([STEM, ROWS[2], {**HEAD, "c": 8}], kernels=[3], splits=[0])
    assert only.groups == {"row1": ("row1_expansion",)}


def test_every_network_of_a_tiny_space():
    space = tiny()
    every = [
        Architecture("tiny", dict(zip(space.decisions, options, strict=True)))
        for options in itertools.product(*space.decisions.values())
    ]
    assert len(every) == space.size() == 128
    macs, params = space.costs(every, classes=3)
    kinds = set()
    for i in range(0, 128, 3):
        model = space.build(every[i], classes=3)
        cost = count_cost(model)
        assert (macs[i], params[i]) == (cost.macs, cost.params)
        assert model.input_shape == (None, 8, 8, 3)
        kinds.add(tuple(type(layer).__name__ for layer in model.layers))
    assert len(kinds) > 10


def architecture(**decisions):
    decided = {
        "row1_kernel": 3,
        "row1_splits": 0,
        "row1_channels": 8,
        "row2_kernel": 3,
        "row2_splits": 0,
        "row2_expansion": "2",
        "head_channels": 16,
    }
    return Architecture("tiny", {**decided, **decisions})


def names(model, end):
    return [x.name for x in model.layers if x.name.endswith(end)]


def test_layers_of_a_network():
    model = tiny().build(architecture(row2_splits=1), classes=3)
    # Row 1 expands nothing; its input has its channels, those of row 2 not.
    assert names(model, "_expand") == [
        "block2_expand",
        "block2_se_expand",
        "block3_expand",
        "block3_se_expand",
    ]
    assert names(model, "_add") == ["block1_add", "block3_add"]
    filters = [model.get_layer(f"block{i}_expand").filters for i in (2, 3)]
    assert filters == [16, 24]
    gate = model.get_layer("block3_se_expand").activation
    assert gate.__name__ == "hard_sigmoid"


def test_a_kernel_of_0_leaves_nothing_where_shapes_stay():
    space = tiny()
    model = space.build(architecture(row1_kernel=0, row2_kernel=0), classes=3)
    convolutions = names(model, "_conv")
    # The stem, the change from 8 to 12 channels, and the head.
    assert convolutions == ["block0_conv", "block2_conv", "block4_conv"]
    assert model.get_layer("block2_conv_act").activation.__name__ == "relu"
    assert names(model, "_add") == []


def test_rows_of_one_block_are_a_finer_space():
    fine = tiny([STEM, ROWS[1], *2 * [{**ROWS[2], "n": 1}], HEAD])
    assert fine.size() == tiny().size() * 2 * 2 * 2
    shared = architecture().decisions
    keys = ("kernel", "splits", "expansion")
    copied = {f"row3_{key}": shared[f"row2_{key}"] for key in keys}
    same = Architecture("tiny", {**shared, **copied})
    assert fine.blocks(same) == tiny().blocks(architecture())


def test_samples_and_mutations_are_of_the_space():
    space = spaces.small_fp_nas()
    for seed in range(5):
        sampled = space.sample(seed)
        space.check(sampled)
        space.check(space.mutate(sampled, seed, 0.5))
    indices = space.sample_indices(20, seed=3)
    assert np.array_equal(
        space.to_indices(space.from_indices(indices)), indices
    )


def test_architectures_are_read_back(tmp_path):
    space = spaces.small_fp_nas()
    sampled = space.sample(0)
    sampled.save(tmp_path / "architecture.json")
    assert Architecture.load(tmp_path / "architecture.json") == sampled


@pytest.mark.parametrize(
    "argument, value",
    [
        ("kernels", [3, 0]),
        ("kernels", []),
        ("kernels", [3.0]),
        ("splits", (1, -1)),
        ("splits", 2),
        ("acts", ["gelu"]),
        ("acts", ["relu", "relu"]),
        ("acts", []),
        ("resolution", 0),
        ("resolution", [128]),
    ],
)
def test_arguments_that_are_none(argument, value):
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        tiny(**{argument: value})


def test_an_expansion_is_a_string():
    with pytest.raises(ValueError, match="'row2_expansion'.*'0.5'.*2"):
        tiny().build(architecture(row2_expansion=2))
