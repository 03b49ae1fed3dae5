"""BigNASSpace: from sizes to layers."""

import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import spaces
from keras_nas.spaces import BigNASSpace
from tests.common import assert_plain
from tests.common import inputs_for
from tests.common import run

ROWS = ((1, [4, 8], [1, 2], 1, [3]), (2, [8, 12], [1, 2], 2, [3, 5]))
TINY = BigNASSpace("tiny", ROWS, [4], 2, [16], [10, 12])


def with_values(*values):
    return Architecture("tiny", dict(zip(TINY.decisions, values, strict=True)))


def kernels_of(model):
    """Returns the shapes of all kernels, by the names of their layers."""
    return {
        layer.name: tuple(layer.kernel.shape)
        for layer in model.layers
        if getattr(layer, "kernel", None) is not None
    }


def test_decisions_are_in_the_order_of_the_network():
    assert list(TINY.decisions.items()) == [
        ("resolution", (10, 12)),
        ("stage1_channels", (4, 8)),
        ("stage1_depth", (1, 2)),
        ("stage2_channels", (8, 12)),
        ("stage2_depth", (1, 2)),
        ("stage2_kernel", (3, 5)),
    ]
    assert TINY.size() == 64


def test_size_is_the_number_of_different_networks():
    indices = np.argwhere(np.ones((2, 2, 2, 2, 2, 2)))
    networks = {
        (a.decisions["resolution"], str(TINY.blocks(a)))
        for a in TINY.from_indices(indices)
    }
    assert len(networks) == TINY.size()


def test_layers_are_those_that_a_hand_writes_down():
    model = TINY.build(with_values(10, 8, 2, 12, 2, 5), classes=3)
    assert kernels_of(model) == {
        "block0_conv": (3, 3, 3, 4),
        "block1_depthwise3": (3, 3, 4, 1),
        "block1_se_reduce": (1, 1, 4, 1),
        "block1_se_expand": (1, 1, 1, 4),
        "block1_project": (1, 1, 4, 8),
        "block1_shortcut": (1, 1, 4, 8),
        "block2_depthwise3": (3, 3, 8, 1),
        "block2_se_reduce": (1, 1, 8, 2),
        "block2_se_expand": (1, 1, 2, 8),
        "block2_project": (1, 1, 8, 8),
        "block3_expand": (1, 1, 8, 16),
        "block3_depthwise5": (5, 5, 16, 1),
        "block3_se_reduce": (1, 1, 16, 2),
        "block3_se_expand": (1, 1, 2, 16),
        "block3_project": (1, 1, 16, 12),
        "block3_shortcut": (1, 1, 8, 12),
        "block4_expand": (1, 1, 12, 24),
        "block4_depthwise5": (5, 5, 24, 1),
        "block4_se_reduce": (1, 1, 24, 3),
        "block4_se_expand": (1, 1, 3, 24),
        "block4_project": (1, 1, 24, 12),
        "block5_conv": (1, 1, 12, 16),
        "logits": (16, 3),
    }
    sizes = [
        model.get_layer(name).output.shape[1]
        for name in ("block0_conv", "block2_add", "block4_add")
    ]
    assert sizes == [5, 5, 3]
    acts = {
        layer.activation.__name__
        for layer in model.layers
        if layer.name.endswith(("_act", "_se_reduce"))
    }
    assert acts == {"silu"}
    assert not model.get_layer("block0_conv").use_bias
    assert not model.get_layer("block5_conv").use_bias


def test_every_block_has_a_shortcut():
    """The pool is an average by the stride, the convolution plain."""
    model = TINY.build(with_values(12, 4, 1, 8, 1, 3))
    adds = [x.name for x in model.layers if x.name.endswith("_add")]
    assert adds == ["block1_add", "block2_add"]
    names = [x.name for x in model.layers if "shortcut" in x.name]
    every = ["block1_shortcut", "block2_shortcut_pool", "block2_shortcut"]
    assert names == every
    assert model.get_layer("block2_shortcut_pool").pool_size == (2, 2)
    assert not model.get_layer("block2_shortcut").use_bias
    # Also where the channels of the network, but not of the space, stay.
    model = TINY.build(with_values(12, 8, 1, 8, 1, 3))
    names = [x.name for x in model.layers if "shortcut" in x.name]
    assert names == every


def test_where_the_space_keeps_the_channels_shortcuts_have_no_kernel():
    rows = [(1, [4], [1, 2], 1, [3]), (2, [4], [1], 2, [3])]
    space = BigNASSpace("same", rows, [4], 2, [16], [10, 12])
    for architecture in (space.smallest(), space.biggest()):
        model = space.build(architecture)
        names = [x.name for x in model.layers if "shortcut" in x.name]
        assert [name.split("_", 1)[1] for name in names] == ["shortcut_pool"]


def test_the_kernels_of_each_network_are_slices_of_the_biggest():
    """Those of a stage are found by their place in it."""

    def kernels(architecture):
        decisions, found, index = architecture.decisions, {}, 1
        shapes = kernels_of(TINY.build(architecture))
        for stage in (1, 2):
            for place in range(decisions[f"stage{stage}_depth"]):
                for name, shape in shapes.items():
                    block, _, part = name.partition("_")
                    if block == f"block{index}":
                        key = stage, place, part.rstrip("357")
                        found[key] = np.array(shape)
                index += 1
        return found

    whole = kernels(TINY.biggest())
    for architecture in TINY.from_indices(np.argwhere(np.ones([2] * 6))):
        mine = kernels(architecture)
        depths = {
            stage: architecture.decisions[f"stage{stage}_depth"]
            for stage in (1, 2)
        }
        expected = {key for key in whole if key[1] < depths[key[0]]}
        assert set(mine) == expected
        for key, shape in mine.items():
            assert (shape <= whole[key]).all()


def test_a_block_without_its_branch_is_the_shortcut():
    """With a gamma of zero, a block whose shape stays is the identity."""
    model = TINY.build(with_values(10, 8, 2, 8, 1, 3))
    norm = model.get_layer("block2_project_bn")
    norm.gamma.assign(np.zeros(8))
    inner = type(model)(
        model.input,
        [model.get_layer(f"block{i}_add").output for i in (1, 2)],
    )
    before, after = run(inner, inputs_for(inner))
    assert np.abs(before).max() > 0 and np.array_equal(before, after)


def test_networks_are_plain_and_run():
    architecture = TINY.sample(0)
    model = TINY.build(architecture, 5, momentum=0.9, epsilon=1e-5)
    assert_plain(model)
    assert model.name == "tiny"
    norm = model.get_layer("block0_conv_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    norm = TINY.build(architecture).get_layer("block0_conv_bn")
    assert (norm.momentum, norm.epsilon) == (0.99, 1e-3)
    size = architecture.decisions["resolution"]
    assert model.input_shape == (None, size, size, 3)
    (outputs,) = run(model, inputs_for(model))
    assert outputs.shape == (2, 5) and np.isfinite(outputs).all()


def test_picks_go_through():
    smallest = TINY.smallest()
    assert smallest == with_values(10, 4, 1, 8, 1, 3)
    assert TINY.biggest() == with_values(12, 8, 2, 12, 2, 5)
    picks = TINY.from_indices(TINY.sample_indices(50, seed=0))
    picks += [TINY.mutate(smallest, seed, 0.5) for seed in range(50)]
    for architecture in picks:
        TINY.check(architecture)
    assert len({str(TINY.blocks(a)) for a in picks}) > 20
    indices = TINY.to_indices(picks)
    assert TINY.from_indices(indices) == picks


def test_small_networks_run_at_each_resolution():
    space = spaces.small_big_nas()
    for size in space.resolutions:
        decisions = {**space.sample(size).decisions, "resolution": size}
        model = space.build(Architecture(space.name, decisions), 10)
        (outputs,) = run(model, inputs_for(model))
        assert outputs.shape == (2, 10) and np.isfinite(outputs).all()


def test_dimensions_are_those_of_all_decisions():
    assert TINY.dimensions() == {
        "resolution": ["resolution"],
        "depth": ["stage1_depth", "stage2_depth"],
        "width": ["stage1_channels", "stage2_channels"],
        "kernel": ["stage2_kernel"],
    }
    space = spaces.big_nas()
    named = [key for keys in space.dimensions().values() for key in keys]
    assert sorted(named) == sorted(space.decisions)


def test_what_is_not_of_the_space_is_refused():
    wrong = with_values(10, 4, 1, 8, 1, 7)
    for use in (TINY.check, TINY.blocks, TINY.build):
        with pytest.raises(ValueError, match="'stage2_kernel'.*7"):
            use(wrong)
    with pytest.raises(ValueError, match="'stage2_kernel'.*7"):
        TINY.to_indices([TINY.smallest(), wrong])
    with pytest.raises(ValueError, match="argument `classes`"):
        TINY.build(TINY.smallest(), classes=0)


@pytest.mark.parametrize("key", ["stem", "head", "resolutions"])
@pytest.mark.parametrize("value", [32, [], [16, 8], [8, 8], [0], None, "8"])
def test_other_lists_are_refused(key, value):
    with pytest.raises(ValueError, match=f"argument `{key}`.*increasing"):
        BigNASSpace("wrong", ROWS, **{key: value})


@pytest.mark.parametrize("value", [0, 1.0, True, [2], None])
def test_other_strides_are_refused(value):
    with pytest.raises(ValueError, match="argument `stem_stride`"):
        BigNASSpace("wrong", ROWS, stem_stride=value)
