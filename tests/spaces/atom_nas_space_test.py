"""AtomNASSpace: from numbers of channels to layers."""

import itertools

import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas.spaces import AtomNASSpace
from tests.common import assert_plain
from tests.common import inputs_for
from tests.common import run

FIRST = (1, 2, 1, 1, [3])
BODY = (2, 3, 2, 2, [3, 5])  # One block that needs a channel, one that may go.
KEYS = [f"block{b}_kernel{k}" for b in (2, 3) for k in (3, 5)]


def tiny(*rows):
    rows = rows or (FIRST, BODY)
    return AtomNASSpace("tiny", rows, stem=2, head=8, resolution=8)


def with_counts(*counts):
    return Architecture("tiny", dict(zip(KEYS, counts, strict=True)))


def everything():
    """Returns all ways to decide, those that end the network too."""
    return [
        with_counts(*counts)
        for counts in itertools.product(range(5), range(5), range(7), range(7))
    ]


def kernels_of(model):
    """Returns the shapes of all kernels, by the names of their layers."""
    return {
        layer.name: tuple(layer.kernel.shape)
        for layer in model.layers
        if getattr(layer, "kernel", None) is not None
    }


def test_decisions_are_from_no_channel_to_all():
    assert list(tiny().decisions.items()) == [
        ("block2_kernel3", (0, 1, 2, 3, 4)),
        ("block2_kernel5", (0, 1, 2, 3, 4)),
        ("block3_kernel3", (0, 1, 2, 3, 4, 5, 6)),
        ("block3_kernel5", (0, 1, 2, 3, 4, 5, 6)),
    ]


def test_size_is_the_number_of_different_networks():
    space, networks = tiny(), set()
    for architecture in everything():
        first, second = list(architecture.decisions.values())[:2]
        if first == second == 0:
            with pytest.raises(ValueError, match="block2 has no residual"):
                space.check(architecture)
        else:
            networks.add(str(space.blocks(architecture)))
    assert space.size() == len(networks) == (5 * 5 - 1) * 7 * 7


def test_size_is_that_of_a_block_with_one_kernel_size():
    space = AtomNASSpace("one", [(3, 8, 2, 2, [5])], stem=8)
    assert list(space.decisions) == ["block1_kernel5", "block2_kernel5"]
    assert space.size() == 24 * 25


def test_picks_go_through():
    space = AtomNASSpace("one", [(2, 3, 3, 2, [3])], stem=1)
    smallest = space.smallest()
    assert list(smallest.decisions.values()) == [1, 0, 0]
    assert list(space.biggest().decisions.values()) == [2, 6, 6]
    picks = [space.sample(seed) for seed in range(100)]
    picks += [space.mutate(smallest, seed, 1.0) for seed in range(100)]
    for architecture in picks:
        space.check(architecture)
        assert set(map(type, architecture.decisions.values())) == {int}
    assert {a.decisions["block1_kernel3"] for a in picks} == {1, 2}
    assert {a.decisions["block2_kernel3"] for a in picks} == set(range(7))


def test_a_block_that_would_end_the_network_gets_its_smallest_kernel():
    expected = [1, 0, 0, 0]
    assert list(tiny().smallest().decisions.values()) == expected
    space = tiny()
    first = with_counts(0, 1, 2, 0)
    seen = set()
    for seed in range(100):
        decisions = space.mutate(first, seed, 0.5).decisions
        seen.add(tuple(decisions[key] for key in KEYS[:2]))
    assert (1, 0) in seen and (0, 0) not in seen


def test_layers_are_those_that_a_hand_writes_down():
    space = tiny()
    architecture = with_counts(3, 1, 0, 5)
    model = space.build(architecture, classes=5)
    assert kernels_of(model) == {
        "block0_conv": (3, 3, 3, 2),
        "block1_depthwise3": (3, 3, 2, 1),
        "block1_project": (1, 1, 2, 2),
        "block2_expand3": (1, 1, 2, 3),
        "block2_expand5": (1, 1, 2, 1),
        "block2_depthwise3": (3, 3, 3, 1),
        "block2_depthwise5": (5, 5, 1, 1),
        "block2_project": (1, 1, 4, 3),
        "block3_expand": (1, 1, 3, 5),
        "block3_depthwise5": (5, 5, 5, 1),
        "block3_project": (1, 1, 5, 3),
        "block4_conv": (1, 1, 3, 8),
        "logits": (8, 5),
    }
    macs = 16 * (27 * 2 + 9 * 2 + 2 * 2)  # 8 pixels, halved by the stem,
    macs += 16 * 2 * 4 + 4 * (9 * 3 + 25 * 1 + 4 * 3)  # and by the second.
    macs += 4 * (3 * 5 + 25 * 5 + 5 * 3) + 4 * 3 * 8 + 8 * 5
    assert space.cost(architecture, classes=5).macs == macs
    adds = [x.name for x in model.layers if x.name.endswith("_add")]
    assert adds == ["block1_add", "block3_add"]
    acts = {
        layer.activation.__name__
        for layer in model.layers
        if layer.name.endswith("_act")
    }
    assert acts == {"relu"}
    assert not model.get_layer("block0_conv").use_bias
    assert not model.get_layer("block4_conv").use_bias
    assert model.get_layer("block2_depthwise5").strides == (2, 2)
    assert model.get_layer("block0_conv").strides == (2, 2)


def test_as_many_channels_as_before_are_expanded_all_the_same():
    """Only `t = 1` leaves the first 1x1 convolution out."""
    kernels = kernels_of(tiny().build(with_counts(2, 0, 3, 0)))
    assert kernels["block2_expand"] == (1, 1, 2, 2)
    assert kernels["block3_expand"] == (1, 1, 3, 3)


def test_a_block_without_channels_is_the_identity():
    space = tiny()
    none = with_counts(1, 1, 0, 0)
    blocks = space.blocks(none)
    assert blocks[3] == {"type": "skip", "cin": 3, "cout": 3, "stride": 1}
    model = space.build(none)
    assert not [x for x in model.layers if x.name.startswith("block3")]
    assert "block4_conv" in kernels_of(model)


def test_plus_has_swish_and_squeeze_excite_in_every_block():
    space = tiny(FIRST, BODY, (2, 3, 1, 1, [3]))
    decisions = {**with_counts(1, 2, 0, 0).decisions, "block4_kernel3": 4}
    architecture = Architecture("tiny", decisions)
    model = space.build(architecture, classes=5, plus=True)
    kernels = {k: v for k, v in kernels_of(model).items() if "_se_" in k}
    assert kernels == {
        "block1_se_reduce": (1, 1, 2, 1),  # Half of 2 channels.
        "block1_se_expand": (1, 1, 1, 2),
        "block2_se_reduce": (1, 1, 3, 1),
        "block2_se_expand": (1, 1, 1, 3),
        "block4_se_reduce": (1, 1, 4, 2),  # Half of 3, rounded.
        "block4_se_expand": (1, 1, 2, 4),
    }
    for layer in model.layers:
        if layer.name.endswith(("_act", "_se_reduce")):
            assert layer.activation.__name__ == "silu"
        if layer.name.endswith("_se_expand"):
            assert layer.activation.__name__ == "sigmoid"
    assert_plain(model)
    (outputs,) = run(model, inputs_for(model))
    assert outputs.shape == (2, 5) and np.isfinite(outputs).all()


def test_squeeze_excite_of_one_channel_has_one_inside():
    space = AtomNASSpace("one", [(2, 8, 1, 2, [3])], stem=1)
    assert space.blocks(space.biggest(), plus=True)[1]["se_hidden"] == 1


def test_networks_are_plain_and_run():
    space = tiny()
    model = space.build(space.sample(0), 5, momentum=0.9, epsilon=1e-5)
    assert_plain(model)
    assert model.name == "tiny"
    norm = model.get_layer("block0_conv_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    norm = space.build(space.sample(0)).get_layer("block0_conv_bn")
    assert (norm.momentum, norm.epsilon) == (0.99, 1e-3)
    (outputs,) = run(model, inputs_for(model))
    assert outputs.shape == (2, 5) and np.isfinite(outputs).all()


def test_smallest_and_biggest_bound_the_others():
    space = tiny()
    low, high = space.cost(space.smallest()), space.cost(space.biggest())
    for seed in range(4):
        cost = count_cost(space.build(space.sample(seed)))
        assert low.macs <= cost.macs <= high.macs
        assert low.params <= cost.params <= high.params


def test_what_is_not_of_the_space_is_refused():
    space = tiny()
    uses = (space.check, space.blocks, space.build, space.to_channels)
    for use in (*uses, lambda a: space.mutate(a, 0)):
        with pytest.raises(ValueError, match="'block3_kernel5'.*7"):
            use(with_counts(1, 1, 1, 7))
        names = "'block2_kernel3', 'block2_kernel5'"
        with pytest.raises(ValueError, match=f"{names}.*at least one channel"):
            use(with_counts(0, 0, 1, 1))
    with pytest.raises(ValueError, match="argument `classes`"):
        space.build(space.smallest(), classes=0)


def test_many_options_are_told_by_their_ends():
    space = AtomNASSpace("wide", [(6, 96, 1, 2, [3])], stem=96)
    wrong = Architecture("wide", {"block1_kernel3": 577})
    with pytest.raises(ValueError, match="an integer from 0 to 576. Received"):
        space.check(wrong)
