"""Supernets against the networks that their spaces build directly."""

import functools

import keras
import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import BlockChoice
from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from keras_nas.layers import subsample
from keras_nas.spaces import MBConvSpace
from tests.common import COST_PARTS
from tests.common import assert_plain
from tests.common import choose
from tests.common import choose_at_random
from tests.common import deciders_of
from tests.common import inputs_for
from tests.common import masks_of
from tests.common import randomize
from tests.common import run

STEM = dict(op="conv", kernel=3, c=[8, 16], s=2, act="hswish")
NARROW = dict(op="conv", kernel=3, c=8, s=1, act="relu", bias=False)
JOINS = dict(op="mbconv", e=1, n=2, s=1, joins=True)
FIRST = dict(op="mbconv", e=1, n=1, s=1, joins=True, types=["ir_k3"])
BODY = dict(op="mbconv", mid=[8, 24, 40], c=(8, 16, 8), n=2, s=2)
LATER = dict(op="mbconv", e=1, c=[8, 24], n=2, s=1)
HEAD = dict(op="conv", kernel=1, c=[24, 32], s=1, act="relu")
POOL = dict(op="ir_pool", mid=40, c=[24, 32], act="hswish")
SE = ["skip", "ir_k3", "ir_k5_se_hs"]

# By name: rows, types, resolutions.
SPACES = {
    "several resolutions": ([STEM, FIRST, BODY, HEAD], SE, [8, 12]),
    "head that pools": ([STEM, BODY, POOL], ["ir_k3", "ir_k5"], [12]),
    "stem that is joined, with squeeze-excite": (
        [STEM, JOINS, HEAD],
        ["skip", "ir_k3_se"],
        [8, 12],
    ),
    "no expansion later": ([STEM, LATER, BODY, POOL], SE, [12]),
    "no expansion behind a fixed stem": ([NARROW, LATER, HEAD], SE, [8]),
    "one of everything": (
        [
            NARROW,
            dict(op="mbconv", e=2, c=8, n=2, s=1, types=["ir_k3_hs"]),
            dict(HEAD, c=24),
        ],
        None,
        [6, 8],
    ),
    "all types": ([STEM, dict(BODY, n=1), HEAD], None, [8]),
}


def space_of(name):
    rows, types, resolutions = SPACES[name]
    return MBConvSpace("tiny", rows, types, resolutions)


@functools.cache
def supernet_of(name, wraps):
    """A supernet with random weights, and the space."""
    keras.utils.clear_session()
    space = space_of(name)
    return space, randomize(space.supernet(4, wraps=wraps, seed=0))


@functools.cache
def networks_of(name, wraps):
    """Some architectures, each with its slice, and built with its weights."""
    space, supernet = supernet_of(name, wraps)
    networks = []
    for architecture in [space.smallest(), *map(space.sample, range(2))]:
        sliced = slice_model(supernet, architecture)
        built = space.build(architecture, 4)
        built.set_weights(sliced.get_weights())
        networks.append((architecture, sliced, built))
    return networks


# Those that are wrapped block by block too.
IN_BLOCKS = "several resolutions", "stem that is joined, with squeeze-excite"

every_supernet = pytest.mark.parametrize(
    "name, wraps",
    [
        *((name, "network") for name in SPACES),
        *((name, "blocks") for name in IN_BLOCKS),
    ],
)


def decide(supernet, architecture):
    return choose(supernet, **architecture.decisions)


def parts_of(cost):
    return {part: getattr(cost, part) for part in COST_PARTS}


@every_supernet
def test_decisions_are_those_of_the_space(name, wraps):
    space, supernet = supernet_of(name, wraps)
    masks = {m.name: tuple(m.options) for m in deciders_of(supernet)}
    assert masks == space.decisions
    size = space.resolutions[-1]
    assert supernet.input_shape == (None, size, size, 3)
    assert supernet.output_shape == (None, 4)


@every_supernet
def test_slices_are_the_networks_that_are_built(name, wraps):
    _, supernet = supernet_of(name, wraps)
    for architecture, sliced, built in networks_of(name, wraps):
        assert_plain(sliced)
        assert sliced.input_shape == built.input_shape
        shapes = [tuple(w.shape) for w in built.weights]
        assert [tuple(w.shape) for w in sliced.weights] == shapes
        inputs = inputs_for(built)
        (a,), (b,) = run(sliced, inputs), run(built, inputs)
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))
        # And the supernet is the slice.
        large = inputs_for(supernet)
        small = subsample(large, built.input_shape[1])
        (a,) = run(decide(supernet, architecture), large)
        (b,) = run(built, small)
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))


@every_supernet
def test_expected_counted_and_built_costs_are_equal(name, wraps):
    space, supernet = supernet_of(name, wraps)
    for architecture, sliced, _ in networks_of(name, wraps):
        cost = space.cost(architecture, 4)
        counted = count_cost(sliced)
        decided = decided_cost(decide(supernet, architecture))
        assert parts_of(counted) == parts_of(decided) == parts_of(cost)
        for expected, count in (
            (ExpectedFLOPs(1.0), cost.macs),
            (ExpectedParams(1.0), cost.params),
        ):
            assert expected.decided(supernet) == count
            assert float(expected(supernet, dtype="float64")) == count


@every_supernet
def test_in_training_a_decided_supernet_is_the_network(name, wraps):
    """With the statistics of the batch, of the channels that stay."""
    _, supernet = supernet_of(name, wraps)
    for architecture, sliced, built in networks_of(name, wraps)[:2]:
        inputs = inputs_for(supernet, batch=4)
        before = supernet.get_weights()
        outputs = decide(supernet, architecture)(inputs, training=True)
        supernet.set_weights(before)
        small = subsample(inputs, built.input_shape[1])
        expected = np.array(built(small, training=True))
        built.set_weights(sliced.get_weights())
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(outputs, expected, atol=2e-5 * scale)


@every_supernet
def test_limits_are_the_costs_of_the_extreme_networks(name, wraps):
    """The options of these spaces are in the order of their costs."""
    space, supernet = supernet_of(name, wraps)
    low, high = space.cost(space.smallest(), 4), space.cost(space.biggest(), 4)
    flops, params = ExpectedFLOPs(1.0), ExpectedParams(1.0)
    assert (flops.smallest(supernet), flops.full(supernet)) == (
        low.macs,
        high.macs,
    )
    assert params.full(supernet) == high.params
    assert params.smallest(supernet) == low.params


def test_a_soft_row_is_the_sum_of_its_networks():
    """Eq. 1: y = sum_i g_i b_i(x), for the types of one block."""
    types = ["skip", "ir_k3", "ir_k5"]
    row = dict(op="mbconv", mid=16, c=8, n=1, s=1)
    space = MBConvSpace("row", [NARROW, row, dict(HEAD, c=24)], types, [6])
    supernet = randomize(space.supernet(4, seed=0))
    (mask,) = deciders_of(supernet)
    mask.logits.assign([0.3, -0.2, 0.5])
    join = next(x for x in supernet.layers if isinstance(x, BlockChoice))
    inputs = inputs_for(supernet)
    candidates = keras.Model(supernet.input, join.input)
    rest = keras.Model(join.output, supernet.output)
    for training in (False, True):
        before = supernet.get_weights()
        outputs = np.array(supernet(inputs, training=training))
        supernet.set_weights(before)
        blocks = [np.array(y) for y in candidates(inputs, training=training)]
        supernet.set_weights(before)
        g = np.eye(3)[2]
        if training:
            g = np.array(mask.weights_of_options())
            assert 0.05 < g.min() < g.max() < 0.95
        total = sum(w * y for w, y in zip(g, blocks, strict=True))
        expected = rest(total.astype("float32"), training=training)
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_a_soft_residual_row_with_a_skip():
    """Its expected cost is that of Eq. 10, written out."""
    types = ["skip", "ir_k3", "ir_k5"]
    row = dict(op="mbconv", mid=[8, 16], n=1, s=1, joins=True)
    stem = dict(STEM, s=1, bias=False)
    space = MBConvSpace("row", [stem, row, dict(HEAD, c=24)], types, [6])
    supernet = space.supernet(4, temperature=1.0, seed=0)
    choose_at_random(supernet)
    g = {}
    for mask in deciders_of(supernet):
        mask.logits.assign(np.linspace(0.0, 0.5, len(mask.options)))
        g[mask.name] = np.array(mask.weights_of_options(), "float64")
    c, mid = g["stem_channels"] @ [8, 16], g["stem_block1_expanded"] @ [8, 16]
    _, k3, k5 = g["stem_block1_type"]
    block = k3 * (2 * c * mid + 9 * mid) + k5 * (2 * c * mid + 25 * mid)
    macs = 36 * (27 * c + block + 24 * c) + 24 * 4
    cost = float(ExpectedFLOPs(1.0)(supernet, dtype="float64"))
    np.testing.assert_allclose(cost, macs, rtol=1e-5)


def test_draws_are_one_per_decision():
    """Whatever is decided together is drawn together, block by block too."""
    space, supernet = supernet_of("several resolutions", "blocks")
    names = [mask.name for mask in masks_of(supernet)]
    assert len(set(names)) == len(names)
    for mask in masks_of(supernet):
        assert mask.leader().name in space.decisions


def test_temperature_and_normalization():
    space = space_of("no expansion later")
    supernet = space.supernet(
        4, temperature=2.5, momentum=0.9, epsilon=1e-5, seed=3
    )
    assert {float(m.temperature) for m in deciders_of(supernet)} == {2.5}
    norms = [
        layer
        for layer in supernet._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.9, 1e-5)}


@pytest.mark.parametrize("wraps", ["network", "blocks"])
def test_saved_and_loaded(tmp_path, wraps):
    space, supernet = supernet_of("several resolutions", wraps)
    decide(supernet, space.sample(1))
    path = str(tmp_path / "supernet.keras")
    supernet.save(path)
    loaded = keras.models.load_model(path)
    masks = {m.name: m.decision() for m in deciders_of(loaded)}
    assert masks == space.sample(1).decisions
    inputs = inputs_for(supernet)
    (a,), (b,) = run(supernet, inputs), run(loaded, inputs)
    np.testing.assert_allclose(a, b, atol=1e-5)
    cost = space.cost(space.sample(1), 4)
    assert parts_of(count_cost(slice_model(loaded))) == parts_of(cost)


def test_a_supernet_of_full_size():
    space = spaces.fbnet_v2_f()
    supernet = space.supernet(10, seed=0)
    architecture = space.sample(0)
    cost = space.cost(architecture, 10)
    decide(supernet, architecture)
    assert ExpectedFLOPs(1.0).decided(supernet) == cost.macs
    assert ExpectedParams(1.0).decided(supernet) == cost.params
    expected = ExpectedFLOPs(1.0)(supernet, dtype="float64")
    assert float(expected) == cost.macs


def test_errors():
    space = space_of("no expansion later")
    with pytest.raises(ValueError, match="argument `wraps`.*'stages'"):
        space.supernet(wraps="stages")
    _, supernet = supernet_of("no expansion later", "network")
    decisions = space.smallest().decisions
    with pytest.raises(ValueError, match="without a decision: .'head_cha"):
        left = {k: v for k, v in decisions.items() if k != "head_channels"}
        slice_model(supernet, Architecture("tiny", left))
    with pytest.raises(ValueError, match="'head_channels'.*Received: 25"):
        wrong = {**decisions, "head_channels": 25}
        slice_model(supernet, Architecture("tiny", wrong))
