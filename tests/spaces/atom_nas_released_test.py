"""AtomNAS' spaces and networks, to the numbers that its authors print."""

import functools
import math

import pytest

from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from tests.common import COST_PARTS
from tests.common import masks_of

KINDS = ["A", "B", "C"]
PUBLISHED = [("A", False), ("A", True), ("C", False), ("C", True)]
# Table 1: millions of FLOPs and of parameters.
PRINTED = {
    ("A", False): (258, 3.9),
    ("B", False): (326, 4.4),
    ("C", False): (360, 4.7),
    ("A", True): (260, 4.7),
    ("B", True): (329, 5.5),
    ("C", True): (363, 5.9),
}


def released(kind):
    return spaces.released_architecture(f"AtomNAS-{kind}")


@functools.cache
def built(kind, plus):
    return spaces.atom_nas(kind).build(released(kind), plus=plus)


def parts_of(cost):
    return {part: getattr(cost, part) for part in COST_PARTS}


def expected_parts(name):
    computed = spaces.published_record(name)["computed"]
    return {
        "macs": computed["macs"],
        "pool": computed["pool_elems"],
        "kernels": computed["weights"],
        "biases": computed["biases"],
        "norm": computed["bn_gamma_beta"],
    }


@pytest.mark.parametrize("kind, plus", PUBLISHED)
def test_networks_are_the_published_ones(kind, plus):
    model, name = built(kind, plus), f"AtomNAS-{kind}{'+' * plus}"
    assert parts_of(count_cost(model)) == expected_parts(name)
    received = model.get_config()
    expected = spaces.published_network(name).get_config()
    assert received.pop("name") == f"atom_nas_{kind.lower()}"
    expected.pop("name")
    assert received == expected


@pytest.mark.parametrize("kind, plus", PRINTED)
def test_networks_cost_what_the_paper_prints(kind, plus):
    cost = count_cost(built(kind, plus))
    flops, params = PRINTED[kind, plus]
    assert round(cost.flops_by("atomnas") / 1e6) == flops
    assert round(cost.params_by("atomnas") / 1e6, 1) == params


def test_decisions_are_the_released_ones():
    space = spaces.atom_nas("C")
    decisions = released("C").decisions
    assert list(decisions) == list(space.decisions)
    assert len(decisions) == 21 * 3
    assert decisions["block5_kernel7"] == 0  # Two kernel sizes only.
    last = [decisions[f"block22_kernel{kernel}"] for kernel in (3, 5, 7)]
    assert last == [823, 738, 749]
    for kind in KINDS:
        spaces.atom_nas(kind).check(released(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_paper(kind):
    space = spaces.atom_nas(kind)
    assert (space.stem, space.head) == (16 if kind == "A" else 32, 1280)
    assert (space.resolution, space.stem_stride) == (224, 2)
    assert [place.cout for place in space.places] == [
        16,
        *(24, 24, 24, 24),
        *(40, 40, 40, 40),
        *(80, 80, 80, 80),
        *(96, 96, 96, 96),
        *(192, 192, 192, 192),
        320,
    ]
    strides = [i for i, p in enumerate(space.places) if p.stride == 2]
    assert strides == [1, 5, 9, 17]
    searched = [place for place in space.places if place.searchable]
    assert len(searched) == 21 and not space.places[0].searchable
    assert {place.kernels for place in searched} == {(3, 5, 7)}
    assert all(place.mid == 6 * place.cin for place in searched)
    residuals = sum(place.residual for place in searched)
    assert residuals == 15 and space.places[0].residual == (kind == "A")


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_around_1e162_networks(kind):
    """Section 2.2. Stages open with the channels of the stage before."""
    size = 1
    pairs = ((16, 24), (24, 40), (40, 80), (80, 96), (96, 192))
    for before, after in pairs:
        size *= (6 * before + 1) ** 3 - 1
        size *= (6 * after + 1) ** (3 * 3)
    size *= (6 * 192 + 1) ** 3 - 1
    assert spaces.atom_nas(kind).size() == size
    assert 162 < math.log10(size) < 163


def test_supernet_is_the_one_that_the_paper_shrinks():
    """Section 3.3: 1521M FLOPs at the start of AtomNAS-C's search."""
    space = spaces.atom_nas("C")
    supernet = space.supernet()
    cost = count_cost(supernet)
    assert parts_of(cost) == expected_parts("AtomNAS-supernet-BC")
    assert cost.macs == 1_520_973_056
    assert cost.flops_by("atomnas") == 1_521_035_776
    masks = masks_of(supernet)
    assert len(masks) == 21 * 3
    assert sum(len(mask.probabilities()) for mask in masks) == 31_392
    for mask in masks:
        assert mask.normalization.name == mask.name.replace(
            "expand", "depthwise"
        ).replace("mask", "bn")
    channels = space.to_channels(released("C"))
    expected = expected_parts("AtomNAS-C")
    assert parts_of(decided_cost(supernet, channels)) == expected
    sliced = slice_model(supernet, channels)
    assert parts_of(count_cost(sliced)) == expected
    assert sliced.get_layer("block2_depthwise5").output.shape[-1] == 23


def test_supernet_of_the_smaller_stem():
    space = spaces.atom_nas("A")
    cost = space.cost(space.biggest())
    assert parts_of(cost) == expected_parts("AtomNAS-supernet-A")
    assert cost.macs == 1_510_536_448


@pytest.mark.parametrize("kind", ["D", "a", "A+", None, 3, []])
def test_other_kinds_are_refused(kind):
    with pytest.raises(ValueError, match="argument `kind`.*'A', 'B', 'C'"):
        spaces.atom_nas(kind)
