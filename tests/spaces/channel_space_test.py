"""ChannelSpace: draws, checks, costs and networks of masks."""

import itertools

import keras
import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import slice_model
from keras_nas import spaces
from keras_nas.spaces import ChannelSpace
from keras_nas.spaces.channel_places import Place
from tests.common import assert_plain

# Two operators side by side, the second of two masks, and a head.
PLACES = (
    Place("a", (), ("a_mask",), True),
    Place("b", (), ("b_1_mask", "b_mask"), True),
    Place("cell", ("a", "b"), ()),
    Place("head", ("cell",), ("head_mask",)),
)
SIZES = {"a_mask": 2, "b_1_mask": 1, "b_mask": 2, "head_mask": 2}


def tiny():
    return ChannelSpace("tiny", SIZES, PLACES)


def with_counts(*counts):
    return Architecture("tiny", dict(zip(SIZES, counts, strict=True)))


def everything():
    return [
        with_counts(*counts)
        for counts in itertools.product(*(range(n + 1) for n in SIZES.values()))
    ]


@pytest.fixture(scope="module")
def space():
    return spaces.smoke_one_shot()


def test_decisions_are_from_no_channel_to_all():
    space = tiny()
    assert space.decisions["a_mask"] == (0, 1, 2)
    assert list(space.decisions) == list(space.masks) == list(SIZES)
    assert space.operators == {
        "a": ("a_mask",),
        "b": ("b_1_mask", "b_mask"),
    }
    assert space.size() == 3 * 2 * 3 * 3


def test_networks_that_end_are_refused():
    space = tiny()
    for architecture in everything():
        a, b_1, b, head = architecture.decisions.values()
        if head and (a or (b_1 and b)):
            space.check(architecture)
        else:
            with pytest.raises(ValueError, match="one that ends at"):
                space.check(architecture)
    with pytest.raises(ValueError, match="ends at cell.* each of 'a_mask'"):
        space.check(with_counts(0, 1, 0, 1))
    with pytest.raises(ValueError, match="ends at head.* 'head_mask'"):
        space.check(with_counts(1, 0, 0, 0))
    with pytest.raises(ValueError, match="'a_mask'.*Received: 3"):
        space.check(with_counts(3, 0, 0, 0))


def test_picks_go_through():
    space = tiny()
    assert list(space.smallest().decisions.values()) == [1, 0, 0, 1]
    assert list(space.biggest().decisions.values()) == [2, 1, 2, 2]
    for seed in range(50):
        space.check(space.sample(seed))
        space.check(space.mutate(space.smallest(), seed, 0.9))


def test_one_multiplier_narrows_what_is_kept():
    space, kept, multipliers = spaces.small_one_shot(), [], []
    for seed in range(60):
        decisions = space.sample(seed).decisions
        assert decisions == space.sample(seed).decisions
        shares = {
            mask: decisions[mask] / n
            for mask, n in space.masks.items()
            if decisions[mask]
        }
        stem = decisions["stem_mask"] / space.masks["stem_mask"]
        for mask, share in shares.items():
            assert abs(share - stem) <= 1 / space.masks[mask] + 1 / 16, mask
        multipliers.append(decisions["head_mask"] / space.masks["head_mask"])
        opened = [
            [decisions[mask] > 0 for mask in masks]
            for masks in space.operators.values()
        ]
        assert all(len(set(operator)) == 1 for operator in opened)
        kept += [operator[0] for operator in opened]
    assert abs(np.mean(kept) - 0.5) < 0.05
    assert 0.23 <= min(multipliers) < 0.35 < 0.9 < max(multipliers) <= 1.0
    assert abs(np.mean(multipliers) - 0.625) < 0.1


def test_draws_that_would_end_open_the_first_operator():
    seen = set()
    for seed in range(60):
        a, b_1, b, head = tiny().sample(seed).decisions.values()
        assert head and (b_1 > 0) == (b > 0)
        seen.add((a > 0, b > 0))
    # A quarter would have neither.
    assert seen == {(True, False), (False, True), (True, True)}


def test_what_a_search_finds_becomes_an_architecture():
    space = tiny()
    found = Architecture(
        "net", {"a_mask": [1], "b_1_mask": [], "b_mask": [0], "head_mask": [1]}
    )
    pruned = space.prune(found)
    assert pruned.decisions == {**found.decisions, "b_mask": []}
    assert space.from_channels(found) == with_counts(1, 0, 0, 1)
    channels = space.to_channels(with_counts(1, 0, 2, 2))
    assert channels.decisions == {
        "a_mask": [0],
        "b_1_mask": [],
        "b_mask": [],
        "head_mask": [0, 1],
    }
    ended = Architecture("net", {**found.decisions, "a_mask": []})
    with pytest.raises(ValueError, match="ends at cell"):
        space.from_channels(ended)
    for wrong in ([2], [0, 0], 1):
        with pytest.raises(ValueError, match="Invalid decision 'a_mask'"):
            space.from_channels(
                Architecture("net", {**found.decisions, "a_mask": wrong})
            )
    with pytest.raises(ValueError, match="Received none for"):
        space.from_channels(Architecture("net", {"a_mask": [0]}))


def test_costs_are_those_of_the_networks(space):
    picks = [space.smallest(), space.sample(0)]
    macs, params = space.costs(picks, classes=10)
    assert macs.dtype == params.dtype == "int64"
    for architecture, *count in zip(picks, macs, params, strict=True):
        network = space.build(architecture, classes=10)
        assert_plain(network)
        cost = count_cost(network)
        assert [cost.macs, cost.params] == count
    rows = np.array([list(picks[1].decisions.values())])
    assert space.costs(rows, classes=10)[0] == macs[1]
    with pytest.raises(ValueError, match="one that ends at"):
        space.costs(0 * rows, classes=10)


def test_weights_are_fresh_and_follow_the_seed(space):
    architecture = space.sample(seed=0)
    networks = []
    for known in (space, spaces.smoke_one_shot()):
        keras.utils.set_random_seed(3)
        networks.append(known.build(architecture, classes=10))
    for a, b in zip(*(n.get_weights() for n in networks), strict=True):
        np.testing.assert_array_equal(a, b)
    whole = slice_model(
        space.supernet(classes=10), space.to_channels(architecture)
    )
    a, b = (n.get_layer("head_conv").kernel for n in (whole, networks[0]))
    assert a.shape == b.shape
    assert not np.array_equal(a, b)


def test_invalid_arguments_are_refused():
    for masks in ({}, {"a": 0}, ["a"]):
        with pytest.raises(ValueError, match="argument `masks`"):
            ChannelSpace("tiny", masks)
    with pytest.raises(ValueError, match="argument `seed`"):
        tiny().sample(-1)
