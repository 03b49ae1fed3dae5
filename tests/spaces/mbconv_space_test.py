"""MBConvSpace: from decisions to layers."""

import itertools

import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas.spaces import MBConvSpace
from keras_nas.spaces import build_from_blocks
from tests.common import assert_plain
from tests.common import inputs_for
from tests.common import run

STEM = dict(op="conv", kernel=3, c=[8, 16], s=2, act="hswish")
FIRST = dict(op="mbconv", e=1, n=1, s=1, joins=True, types=["ir_k3", "ir_k5"])
BODY = dict(op="mbconv", mid=[8, 16], c=(8, 16, 8), n=2, s=2)
HEAD = dict(op="conv", kernel=1, c=[24, 32], s=1, act="relu")
POOL = dict(op="ir_pool", mid=40, c=[24, 32], act="hswish")
TYPES = ["skip", "ir_k3_se_hs"]


def tiny(*rows, types=TYPES, resolutions=(8, 12)):
    rows = rows or (STEM, FIRST, BODY, HEAD)
    return MBConvSpace("tiny", rows, types, resolutions)


def changed(space, **changes):
    decisions = {**space.smallest().decisions, **changes}
    return Architecture(space.name, decisions)


def kernels_of(model):
    """Returns the shapes of all kernels, by the names of their layers."""
    return {
        layer.name: tuple(layer.kernel.shape)
        for layer in model.layers
        if getattr(layer, "kernel", None) is not None
    }


def test_decisions_of_a_table_front_to_back():
    types = ("skip", "ir_k3_se_hs")
    assert list(tiny().decisions.items()) == [
        ("resolution", (8, 12)),
        ("stem_channels", (8, 16)),
        ("stem_block1_type", ("ir_k3", "ir_k5")),
        ("stage1_channels", (8, 16)),
        ("stage1_block1_type", types),
        ("stage1_block1_expanded", (8, 16)),
        ("stage1_block2_type", types),
        ("stage1_block2_expanded", (8, 16)),
        ("head_channels", (24, 32)),
    ]


def test_every_decision_can_be_made():
    space = tiny()
    picks = [
        Architecture("tiny", dict(zip(space.decisions, values, strict=True)))
        for values in itertools.product(*space.decisions.values())
    ]
    assert space.size() == len(picks) == 2**9
    # Of the 2 x 2 ways to decide on a block, those that skip it are the same.
    networks = {str(space.blocks(architecture)) for architecture in picks}
    assert len(networks) == 2 * 2 * 2 * 3 * 3 * 2


def test_layers_are_those_that_a_hand_writes_down():
    space = tiny()
    architecture = changed(
        space,
        resolution=12,
        stem_channels=16,
        stem_block1_type="ir_k5",
        stage1_block1_type="ir_k3_se_hs",
        stage1_block1_expanded=16,
    )
    model = space.build(architecture, classes=5)
    assert kernels_of(model) == {
        "block0_conv": (3, 3, 3, 16),
        "block1_depthwise5": (5, 5, 16, 1),
        "block1_project": (1, 1, 16, 16),
        "block2_expand": (1, 1, 16, 16),
        "block2_depthwise3": (3, 3, 16, 1),
        "block2_se_reduce": (1, 1, 16, 8),
        "block2_se_expand": (1, 1, 8, 16),
        "block2_project": (1, 1, 16, 8),
        "block4_conv": (1, 1, 8, 24),
        "logits": (24, 5),
    }
    macs = 36 * (27 * 16 + 25 * 16 + 16 * 16)  # 12 pixels, halved.
    macs += 36 * 16 * 16 + 9 * 9 * 16 + 2 * 16 * 8 + 9 * 16 * 8
    macs += 9 * 8 * 24 + 24 * 5
    assert space.cost(architecture, classes=5).macs == macs
    assert count_cost(model).macs == macs
    adds = [x.name for x in model.layers if x.name.endswith("_add")]
    assert adds == ["block1_add"]
    layer = model.get_layer("block2_depthwise3")
    assert layer.strides == (2, 2)
    acts = [
        model.get_layer(f"block{name}").activation.__name__
        for name in ("1_depthwise5_act", "2_expand_act", "4_conv_act")
    ]
    assert acts == ["relu", "hard_silu", "relu"]
    gate = model.get_layer("block2_se_expand")
    assert gate.activation.__name__ == "hard_sigmoid"
    reduce = model.get_layer("block2_se_reduce")
    assert reduce.activation.__name__ == "hard_silu"


def expected_kernels(d):
    """The rule of the tiny table, written down once more."""
    stem, width = d["stem_channels"], d["stage1_channels"]
    kernel = int(d["stem_block1_type"][-1])
    kernels = [("block0_conv", (3, 3, 3, stem))]
    kernels.append((f"block1_depthwise{kernel}", (kernel, kernel, stem, 1)))
    kernels.append(("block1_project", (1, 1, stem, stem)))
    for number, cin in ((1, stem), (2, width)):
        name, mid = f"block{number + 1}", d[f"stage1_block{number}_expanded"]
        if d[f"stage1_block{number}_type"] == "ir_k3_se_hs":
            kernels += [
                (f"{name}_expand", (1, 1, cin, mid)),
                (f"{name}_depthwise3", (3, 3, mid, 1)),
                (f"{name}_se_reduce", (1, 1, mid, 8)),
                (f"{name}_se_expand", (1, 1, 8, mid)),
                (f"{name}_project", (1, 1, mid, width)),
            ]
        elif number == 1:
            kernels.append((f"{name}_conv", (1, 1, cin, width)))
    head = d["head_channels"]
    kernels.append(("block4_conv", (1, 1, width, head)))
    return dict([*kernels, ("logits", (head, 5))])


@pytest.mark.parametrize("seed", range(8))
def test_layers_of_random_architectures(seed):
    space = tiny()
    architecture = space.sample(seed)
    decisions = architecture.decisions
    model = space.build(architecture, classes=5)
    size = decisions["resolution"]
    assert model.input_shape == (None, size, size, 3)
    assert kernels_of(model) == expected_kernels(decisions)


def test_a_skip_is_a_convolution_where_a_stage_opens():
    """Also where the shape stays, since the supernet has it there."""
    space = tiny(STEM, {**BODY, "s": 1}, HEAD)
    model = space.build(space.smallest())
    layer = model.get_layer("block1_conv")
    assert kernels_of(model)["block1_conv"] == (1, 1, 8, 8)
    assert not layer.use_bias
    assert model.get_layer("block1_conv_act").activation.__name__ == "relu"
    assert not [x for x in model.layers if x.name.startswith("block2")]
    assert len(space.blocks(space.smallest())) == 4


def test_a_stage_opens_without_a_residual():
    """Also where the shape stays, so that its channels stay free."""
    space = tiny(STEM, {**BODY, "s": 1, "types": ["ir_k3"]}, HEAD)
    blocks = space.blocks(space.smallest())
    assert [block["cin"] for block in blocks] == [3, 8, 8, 8]
    assert [block.get("residual") for block in blocks[1:3]] == [None, "add"]


def test_expanded_channels_of_a_skip_mean_nothing():
    space = tiny()
    wide = changed(space, stage1_block1_expanded=16, stage1_block2_expanded=16)
    assert wide != space.smallest()
    assert space.blocks(wide) == space.blocks(space.smallest())


def test_as_many_expanded_channels_as_before_are_a_convolution():
    """Only `e=1` leaves the first 1x1 convolution out."""
    space = tiny(STEM, {**BODY, "mid": 8, "types": ["ir_k3"]}, HEAD)
    assert "block1_expand" in kernels_of(space.build(space.smallest()))


def test_head_that_pools():
    space = tiny(STEM, BODY, POOL)
    blocks = space.blocks(space.biggest())
    expected = dict(type="ir_pool", cin=16, mid=40, cout=32, act="hswish")
    assert blocks[-1] == expected


def test_stem_without_bias():
    space = tiny({**STEM, "bias": False}, BODY, {**HEAD, "bias": False})
    blocks = space.blocks(space.smallest())
    assert [blocks[0]["bias"], blocks[-1]["bias"]] == [False, False]


def test_networks_are_plain_and_run():
    space = tiny(STEM, FIRST, BODY, POOL, types=None)
    model = space.build(space.biggest(), 5, momentum=0.9, epsilon=1e-5)
    assert_plain(model)
    assert model.name == "tiny"
    norm = model.get_layer("block0_conv_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    (outputs,) = run(model, inputs_for(model))
    assert outputs.shape == (2, 5) and np.isfinite(outputs).all()
    same = build_from_blocks(space.blocks(space.biggest()), (12, 12, 3), 5)
    assert count_cost(same) == count_cost(model)


def test_smallest_and_biggest_bound_the_others():
    space = tiny(types=None)
    low, high = space.cost(space.smallest()), space.cost(space.biggest())
    for seed in range(8):
        cost = space.cost(space.sample(seed))
        assert low.macs <= cost.macs <= high.macs
        assert low.params <= cost.params <= high.params


def test_what_is_not_of_the_space_is_refused():
    space = tiny()
    wrong = changed(space, stage1_channels=12)
    for use in (space.blocks, space.build, space.cost):
        with pytest.raises(ValueError, match="'stage1_channels'.*12"):
            use(wrong)
    with pytest.raises(ValueError, match="argument `classes`"):
        space.build(space.smallest(), classes=0)


@pytest.mark.parametrize(
    "resolutions", [224, [], [0], [8, 8], [12, 8], (128, 224, 32), [8.0], None]
)
def test_other_resolutions_are_refused(resolutions):
    with pytest.raises(ValueError, match="argument `resolutions`"):
        tiny(resolutions=resolutions)
