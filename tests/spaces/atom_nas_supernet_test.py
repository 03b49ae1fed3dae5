"""Supernets of atomic blocks against the networks that are built directly."""

import functools

import keras
import numpy as np
import pytest

import keras_nas
from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from keras_nas.spaces import AtomNASSpace
from tests.common import COST_PARTS
from tests.common import assert_plain
from tests.common import inputs_for
from tests.common import masks_of
from tests.common import randomize
from tests.common import run

# One kernel size in a row as well: its mask has no number.
ROWS = [(1, 6, 1, 1, [3]), (2, 8, 2, 2, [3, 5]), (3, 8, 1, 1, [3])]
SPACES = {
    "small": spaces.small_atom_nas,
    "smoke": spaces.smoke_atom_nas,
    "one kernel size": lambda: AtomNASSpace(
        "one", ROWS, stem=4, head=16, resolution=16
    ),
}


@functools.cache
def supernet_of(name):
    return randomize(SPACES[name]().supernet(5))


def decide(supernet, channels):
    """Makes the masks of a supernet decide on the channels of each."""
    for mask in masks_of(supernet):
        factor = keras.ops.convert_to_numpy(mask.factor)
        kept = channels.decisions[mask.name]
        alive = np.isin(np.arange(len(factor)), kept)
        mask.factor.assign(np.where(alive, np.maximum(factor, 0.5), 0.0))
        mask.moving_average.assign(np.where(alive, 1.0, 0.0))


def costs_of(cost):
    return {part: getattr(cost, part) for part in COST_PARTS}


def test_each_decision_has_a_mask_and_nothing_else_has():
    masks = {mask.name: mask for mask in masks_of(supernet_of("smoke"))}
    assert sorted(masks) == [
        "block1_expand3_mask",
        "block1_expand5_mask",
        "block2_expand3_mask",
        "block2_expand5_mask",
    ]
    norms = {name: mask.normalization.name for name, mask in masks.items()}
    assert norms["block2_expand5_mask"] == "block2_depthwise5_bn"
    names = {mask.name for mask in masks_of(supernet_of("one kernel size"))}
    assert sorted(names) == [
        "block2_expand3_mask",
        "block2_expand5_mask",
        "block3_expand3_mask",
        "block3_expand5_mask",
        "block4_expand_mask",
    ]


def test_masks_have_their_settings():
    space = spaces.smoke_atom_nas()
    for mask in masks_of(space.supernet()):
        assert (mask.threshold, mask.momentum) == (1e-3, 0.9999)
    supernet = space.supernet(
        5, 0.9, 1e-5, threshold=0.01, average_momentum=0.5, seed=7
    )
    for mask in masks_of(supernet):
        assert (mask.threshold, mask.momentum) == (0.01, 0.5)
        assert mask.seed == 7
    assert supernet.output_shape == (None, 5)
    norm = supernet.get_layer("block0_conv_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    with pytest.raises(ValueError, match="argument `momentum`.*1.0"):
        space.supernet(average_momentum=1.0)


@pytest.mark.parametrize("name", SPACES)
def test_a_supernet_costs_as_much_as_the_biggest_network(name):
    space = SPACES[name]()
    biggest = space.cost(space.biggest(), 5)
    assert costs_of(count_cost(supernet_of(name))) == costs_of(biggest)
    atoms = sum(len(m.probabilities()) for m in masks_of(supernet_of(name)))
    assert atoms == sum(space.biggest().decisions.values())


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("pick", ["smallest", "biggest", 0, 1, 2])
def test_sliced_networks_are_those_that_the_space_builds(name, pick):
    space, supernet = SPACES[name](), supernet_of(name)
    is_seed = isinstance(pick, int)
    picked = space.sample(pick) if is_seed else getattr(space, pick)()
    channels = space.to_channels(picked)
    assert space.from_channels(channels) == picked
    expected = costs_of(space.cost(picked, 5))
    assert costs_of(decided_cost(supernet, channels)) == expected
    decide(supernet, channels)
    sliced = slice_model(supernet, channels)
    assert costs_of(count_cost(sliced)) == expected
    assert_plain(sliced)
    images = inputs_for(supernet)
    np.testing.assert_allclose(
        run(sliced, images)[0], run(supernet, images)[0], rtol=1e-4, atol=1e-5
    )
    decided = slice_model(supernet)
    assert costs_of(count_cost(decided)) == expected


def test_a_block_that_is_cut_out_is_a_skip():
    space, supernet = spaces.smoke_atom_nas(), supernet_of("smoke")
    kept = {mask.name: [3, 1] for mask in masks_of(supernet)}
    for kernel in (3, 5):
        kept[f"block2_expand{kernel}_mask"] = []
    found = space.from_channels(Architecture("", kept))
    assert found.decisions == {
        "block1_kernel3": 2,
        "block1_kernel5": 2,
        "block2_kernel3": 0,
        "block2_kernel5": 0,
    }
    assert space.blocks(found)[2]["type"] == "skip"
    sliced = slice_model(supernet, Architecture("", kept))
    assert costs_of(count_cost(sliced)) == costs_of(space.cost(found, 5))


def test_channels_that_do_not_fit_are_refused():
    space = spaces.smoke_atom_nas()
    kept = space.to_channels(space.biggest()).decisions

    def changed(**changes):
        return Architecture("", {**kept, **changes})

    for bad in ([0, 0], [16], [-1], [1.0], [True], 3, "01"):
        with pytest.raises(ValueError, match="'block1_expand3_mask'.*below 16"):
            space.from_channels(changed(block1_expand3_mask=bad))
    with pytest.raises(ValueError, match="others: .'mask'."):
        space.from_channels(changed(mask=[0]))
    with pytest.raises(ValueError, match="none for .'block1_expand3_mask'"):
        space.from_channels(Architecture("", {}))
    with pytest.raises(ValueError, match="argument `architecture`.*None"):
        space.from_channels(None)
    ended = changed(block1_expand3_mask=[], block1_expand5_mask=[])
    with pytest.raises(ValueError, match="block1 has no residual"):
        space.from_channels(ended)


def test_a_search_ends_with_a_network_of_the_space():
    space = spaces.smoke_atom_nas()
    keras.utils.set_random_seed(0)
    search = keras_nas.search.AtomNAS(
        space.supernet(5, average_momentum=0.0),
        keras_nas.ExpectedFLOPs(target=0.6),
        ramp=0.5,
        recalibration_steps=2,
    )
    search.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        mask_optimizer=keras.optimizers.Adam(0.05),
    )
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, 8, 8, 3)).astype("float32")
    search.fit(images, rng.integers(5, size=64), epochs=4, verbose=0)
    found = space.from_channels(search.architecture())
    assert 0 < sum(found.decisions.values()) < 96
    exported = count_cost(search.export_model())
    assert costs_of(exported) == costs_of(space.cost(found, 5))
