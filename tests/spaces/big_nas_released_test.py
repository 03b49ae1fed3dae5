"""BigNAS' space and networks, to the numbers that the paper prints."""

import functools

import pytest

from keras_nas import count_cost
from keras_nas import spaces
from tests.common import COST_PARTS

KINDS = ["S", "M", "660M", "L"]
# The sizes in the boxes of Fig. 9: resolution of the input, channels.
FIGURE_9 = {
    "S": "192x32 96x16 96x24 48x40 24x80 12x112 12x192 6x320 6x1280",
    "M": "224x32 112x16 112x24 56x40 28x80 14x112 14x192 7x320 7x1280",
    "660M": "256x32 128x16 128x24 64x48 32x88 16x128 16x216 8x352 8x1408",
    "L": "288x32 144x16 144x24 72x40 36x80 18x112 18x216 9x352 9x1408",
}
# The boxes that are drawn in each stage.
DEPTHS = {
    "S": [1, 2, 2, 2, 2, 3, 1],
    "M": [1, 2, 2, 2, 4, 4, 1],
    "660M": [1, 2, 2, 2, 4, 4, 1],
    "L": [2, 2, 3, 3, 5, 5, 2],
}


def released(kind):
    return spaces.released_architecture(f"BigNASModel-{kind}")


@functools.cache
def built(kind):
    model = spaces.big_nas().build(released(kind))
    return model, count_cost(model)


def test_s_is_the_published_network():
    model, cost = built("S")
    name = "BigNASModel-S(figure9)"
    computed = spaces.published_record(name)["computed"]
    assert {part: getattr(cost, part) for part in COST_PARTS} == {
        "macs": computed["macs"],
        "pool": computed["pool_elems"],
        "kernels": computed["weights"],
        "biases": computed["biases"],
        "norm": computed["bn_gamma_beta"],
    }
    received = model.get_config()
    expected = spaces.published_network(name).get_config()
    assert received.pop("name") == "big_nas"
    expected.pop("name")
    assert received == expected


@pytest.mark.parametrize(
    "kind, macs, params, printed",
    [
        ("S", 241_949_056, 4_486_084, (242, 4.5)),
        ("M", 417_556_960, 5_491_180, (418, 5.5)),
        ("660M", 658_535_680, 6_691_740, (659, 6.7)),
    ],
)
def test_networks_cost_what_the_paper_prints(kind, macs, params, printed):
    cost = built(kind)[1]
    assert (cost.macs, cost.params) == (macs, params)
    assert cost.flops_by("bignas") == macs
    assert cost.params_by("bignas") == params
    assert (round(macs / 1e6), round(params / 1e6, 1)) == printed


def test_l_costs_less_than_the_paper_prints():
    """1040M and 9.5M are printed, for more than the figure draws."""
    cost = built("L")[1]
    assert (cost.macs, cost.params) == (1_036_681_712, 9_396_464)
    assert round(cost.macs / 1e7) == 104 and round(cost.macs / 1e6) != 1040
    assert round(cost.params / 1e6, 1) == 9.4


@pytest.mark.parametrize("kind", KINDS)
def test_stages_are_those_of_the_figure(kind):
    space, architecture = spaces.big_nas(), released(kind)
    space.check(architecture)
    model, decisions = built(kind)[0], architecture.decisions
    blocks = space.blocks(architecture)
    assert len(blocks) == 2 + sum(DEPTHS[kind])
    sizes, at = [], 0
    for depth in [1, *DEPTHS[kind], 1]:
        first = next(
            layer
            for layer in model.layers
            if layer.name.startswith(f"block{at}_")
        )
        sizes.append(f"{first.input.shape[1]}x{blocks[at]['cout']}")
        at += depth
    assert " ".join(sizes) == FIGURE_9[kind]
    depths = [decisions[f"stage{i}_depth"] for i in range(1, 8)]
    assert depths == DEPTHS[kind]
    kernels = [decisions[f"stage{i}_kernel"] for i in range(3, 8)]
    assert kernels == [5, 3, 5, 5, 5 if kind == "L" else 3]


def test_table_1():
    space = spaces.big_nas()
    assert {key: (x[0], x[-1]) for key, x in space.decisions.items()} == {
        "resolution": (192, 320),
        "stem_channels": (32, 40),
        "stage1_channels": (16, 24),
        "stage1_depth": (1, 2),
        "stage2_channels": (24, 32),
        "stage2_depth": (2, 3),
        "stage3_channels": (40, 48),
        "stage3_depth": (2, 3),
        "stage3_kernel": (3, 5),
        "stage4_channels": (80, 88),
        "stage4_depth": (2, 4),
        "stage4_kernel": (3, 5),
        "stage5_channels": (112, 128),
        "stage5_depth": (2, 6),
        "stage5_kernel": (3, 5),
        "stage6_channels": (192, 216),
        "stage6_depth": (2, 6),
        "stage6_kernel": (3, 5),
        "stage7_channels": (320, 352),
        "stage7_depth": (1, 2),
        "stage7_kernel": (3, 5),
        "head_channels": (1280, 1408),
    }
    stages = space.stages
    assert [stage.expansion for stage in stages] == [1] + 6 * [6]
    assert [stage.stride for stage in stages] == [1, 2, 2, 2, 1, 2, 1]
    assert space.stem_stride == 2


def test_numbers_of_networks():
    """Channels x depths x kernels of each stage, stem, head, resolutions."""
    stages = 4 * 4 * 8 * 12 * 30 * 40 * 8
    assert spaces.big_nas().size() == 5 * 2 * 2 * stages == 294_912_000
    # Were channels and kernels decided layer by layer, as README says.
    layers = 5 * 2 * 2
    for stage in spaces.big_nas().stages:
        each = len(stage.channels) * len(stage.kernels)
        layers *= sum(each**depth for depth in stage.depths)
    assert f"{layers:.1e}" == "1.3e+19"


def test_sizes_are_those_that_the_paper_trains():
    """Appendix B: from 200 to 2000 million multiply-adds."""
    space = spaces.big_nas()
    macs = [space.cost(a).macs for a in (space.smallest(), space.biggest())]
    assert [round(number / 1e6) for number in macs] == [218, 1892]
