"""Counts as the papers print them, with the digits that they print."""

import pytest

from keras_nas import Cost
from keras_nas import spaces
from keras_nas.costs import CONVENTIONS
from keras_nas.costs import Convention
from keras_nas.costs import LayerCost

OF_FAMILY = {
    "fbnetv2": "fbnet",
    "fbnet_v1": "fbnet",
    "atomnas": "atomnas",
    "attentivenas": "attentivenas",
    "bignas": "bignas",
}
PRINTED = [
    (name, kind)
    for name in spaces.published_names()
    for kind in ("flops", "params")
    if "counts" in spaces.published_record(name)["published"]
    and spaces.published_record(name)["published"].get(f"{kind}_m") is not None
]


def cost_of(**parts):
    layer = dict(macs=0, pool=0, kernels=0, biases=0, norm=0)
    return LayerCost("a", "Conv2D", (None, 4, 4, 2), **{**layer, **parts})


def published(name):
    """Returns a network's exact counts, which another test proves."""
    counts = spaces.published_record(name)["computed"]
    return Cost(
        (
            cost_of(
                macs=counts["macs"],
                pool=counts["pool_elems"],
                kernels=counts["weights"],
                biases=counts["biases"],
                norm=counts["bn_gamma_beta"],
            ),
        )
    )


def in_millions(count, like):
    """Rounds a count to millions with as many decimals as `like` has."""
    _, _, decimals = str(like).partition(".")
    return round(count / 1e6, len(decimals))


@pytest.mark.parametrize("name, kind", PRINTED)
def test_the_printed_number(name, kind):
    record = spaces.published_record(name)
    printed = record["published"][f"{kind}_m"]
    cost, convention = published(name), OF_FAMILY[record["family"]]
    count = getattr(cost, f"{kind}_by")(convention)
    assert in_millions(count, printed) == printed


def test_enough_numbers_are_printed():
    assert len(PRINTED) == 6 * 2 + 4 + 2 + 4 * 2 + 1


@pytest.mark.parametrize(
    "name, kind, other",
    [
        ("FBNetV2_F1", "flops", "bignas"),
        ("FBNetV2_F1", "params", "atomnas"),
        ("AtomNAS-A+", "flops", "attentivenas"),
        ("AtomNAS-C+", "flops", "bignas"),
        ("AttentiveNAS-A0", "flops", "fbnet"),
        ("BigNASModel-S(figure9)", "flops", "atomnas"),
    ],
)
def test_another_convention_gives_another_number(name, kind, other):
    printed = spaces.published_record(name)["published"][f"{kind}_m"]
    count = getattr(published(name), f"{kind}_by")(other)
    assert in_millions(count, printed) != printed


@pytest.mark.parametrize(
    "convention, flops, params",
    [
        ("fbnet", 11_000, 100),
        ("atomnas", 11_000, 120),
        ("attentivenas", 10_000, 123),
        ("bignas", 10_000, 123),
        (Convention("kernels", ("macs",), ("kernels",), "me"), 10_000, 100),
    ],
)
def test_parts_that_count(convention, flops, params):
    layers = (
        cost_of(macs=4_000, kernels=60, biases=20),
        cost_of(macs=6_000, kernels=40),
        cost_of(pool=1_000),
        cost_of(norm=3),
    )
    cost = Cost(layers)
    assert cost.flops_by(convention) == flops
    assert cost.params_by(convention) == params
    title, *rows, total, legend = cost.table(convention).splitlines()
    assert title.split() == ["layer", "type", "output", "FLOPs", "params"]
    assert total.split() == ["total", f"{flops:,}", f"{params}"]
    assert [row.split()[-2] for row in rows[:2]] == ["4,000", "6,000"]
    assert rows[2].split()[-2:] == [f"{flops - 10_000:,}", "0"]
    assert rows[3].split()[-2:] == ["0", "3" if params == 123 else "0"]
    assert ("pools" in legend) == (flops == 11_000)
    assert ("norm" in legend) == (params == 123)


def test_the_default_table_says_no_convention():
    cost = Cost((cost_of(macs=4_000, pool=10, kernels=60, norm=3),))
    assert str(cost) == cost.table()
    assert str(cost).splitlines()[-1].split() == ["total", "4,000", "63"]


@pytest.mark.parametrize("name", ["FBNet", "", None, 3, ["fbnet"]])
def test_unknown_names_are_refused(name):
    cost = Cost(())
    for ask in (cost.flops_by, cost.params_by):
        with pytest.raises(ValueError, match="'fbnet', 'atomnas'") as error:
            ask(name)
        assert f"Received: convention={name!r}" in str(error.value)
    if name is not None:
        with pytest.raises(ValueError, match="'bignas'"):
            cost.table(name)


def test_every_convention_has_its_name_and_a_source():
    assert list(CONVENTIONS) == ["fbnet", "atomnas", "attentivenas", "bignas"]
    for name, convention in CONVENTIONS.items():
        assert convention.name == name and convention.source


def test_parts_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="`params`.*'kernels'.*weights"):
        Convention("mine", ("macs",), ("weights",), "me")
