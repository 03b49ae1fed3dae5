"""Random networks, random masks, random decisions.

`KERAS_NAS_FUZZ_EXAMPLES=2000` in the environment tries as many networks, a
quarter as many with inserted masks, and an eighth with atomic blocks. They
are the same in every run; with `KERAS_NAS_FUZZ_SEED=7` those of another seed.
"""

import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import seed as hypothesis_seed
from hypothesis import settings
from hypothesis import strategies

from keras_nas import AtomicBlockScale
from keras_nas import insert_masks
from keras_nas.slicing.shrinking import shrink_model
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import decide_at_random
from tests.common import inputs_for
from tests.common import masks_of
from tests.common import run
from tests.slicing import recipes
from tests.slicing.atoms import scales_of

EXAMPLES = int(os.environ.get("KERAS_NAS_FUZZ_EXAMPLES", "85"))
SEED = os.environ.get("KERAS_NAS_FUZZ_SEED")

MASKS = [name for name in recipes.OPERATIONS if "mask" in name]
WITHOUT_MASKS = [
    name
    for name in recipes.OPERATIONS
    if "mask" not in name and "nested" not in name
]


def steps(names):
    return strategies.tuples(
        strategies.sampled_from(names),
        strategies.integers(0, 3),
        strategies.integers(0, 3),
        strategies.integers(0, 255),
    )


# Every third step is a mask.
any_step = strategies.one_of(
    steps(list(recipes.OPERATIONS)),
    steps(list(recipes.OPERATIONS)),
    steps(MASKS),
)


def search(examples, *strategies_of_arguments):
    """Decorates a test with a search through that many examples."""

    def decorator(test):
        test = given(*strategies_of_arguments)(test)
        if SEED is not None:
            test = hypothesis_seed(int(SEED))(test)
        return settings(
            derandomize=SEED is None,
            database=None,
            deadline=None,
            max_examples=examples,
            suppress_health_check=[HealthCheck.too_slow],
        )(test)

    return decorator


def check(recipe, seed):
    """Builds, decides and slices, and checks all that must hold."""
    model = recipes.build(recipe, seed)
    if masks_of(model):
        assert_slices(decide_at_random(model, seed))


# What makes a tensor of each rank out of an image.
OF_RANK = {
    2: [("global_pool", 0, 0, 0)],
    3: [("reshape", 0, 0, 2)],
    4: [],
    5: [("move", 0, 0, 14)],
}


@pytest.mark.parametrize("option", [37, 229])
@pytest.mark.parametrize("name", recipes.OPERATIONS)
def test_each_operation_between_masks(name, option):
    ranks = recipes.OPERATIONS[name][0]
    rank = ranks[0] if ranks else 4
    masked = [("mask", 0, 0, 0)]
    check(
        [*masked, *OF_RANK[rank], *masked, (name, 0, 0, option), *masked],
        option,
    )


@search(
    EXAMPLES,
    strategies.lists(any_step, min_size=4, max_size=14),
    strategies.integers(0, 1000),
)
def test_random_networks(recipe, seed):
    check(recipe, seed)


@search(
    EXAMPLES // 4,
    strategies.lists(steps(WITHOUT_MASKS), min_size=4, max_size=14),
    strategies.integers(0, 1000),
)
def test_random_networks_with_inserted_masks(recipe, seed):
    first = ("conv", 0, 0, 0)
    model = recipes.build([first, *recipe, first], seed)
    try:
        masked = insert_masks(model, seed=0)
    except ValueError as error:
        assert "no place for a mask" in str(error)
        return
    try:
        run(model, inputs_for(model))
    except tf.errors.InvalidArgumentError:
        return  # A reshape took the batch apart, which Keras does not refuse.
    assert_same_function(model, masked)
    assert_slices(decide_at_random(masked, seed))


def with_factors(model, seed):
    """Returns a model with factors of AtomNAS, half of them 0, or `None`."""
    try:
        model = insert_masks(model, AtomicBlockScale, seed=0)
    except ValueError as error:
        assert "no place for a mask" in str(error)
        return None
    rng = np.random.default_rng(seed)
    atoms = [m for m in masks_of(model) if isinstance(m, AtomicBlockScale)]
    for mask in atoms:
        size = mask.factor.shape
        factors = rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size)
        mask.factor.assign(factors * (rng.random(size) < 0.5))
    return model


@search(
    EXAMPLES // 8,
    strategies.lists(steps(WITHOUT_MASKS), min_size=4, max_size=14),
    strategies.integers(0, 1000),
)
def test_random_networks_with_atomic_blocks(recipe, seed):
    first = ("conv", 0, 0, 0)
    model = recipes.build([first, *recipe, first], seed)
    try:
        run(model, inputs_for(model))
    except tf.errors.InvalidArgumentError:
        return  # A reshape took the batch apart, which Keras does not refuse.
    model = with_factors(decide_at_random(model, seed), seed)
    if model is None:
        return
    assert_slices(model)
    if any(not isinstance(m, AtomicBlockScale) for m in masks_of(model)):
        return  # They do not go on learning.
    small, origins = shrink_model(model, scales_of(model))
    assert_same_function(model, small)
    for origin in origins:
        assert origin.index.shape == tuple(origin.variable.shape)
        if "kernel" in origin.variable.name:
            taken = origin.take(origin.source)
            np.testing.assert_array_equal(taken, origin.variable.numpy())


# What the searches above, or its predecessors, found wrong once.
FOUND = {
    "BatchNormalization along another axis takes its own weights": (
        [("norm", 0, 0, 12), ("same_mask_other_place", 0, 0, 0)],
        0,
    ),
    "a mask of another axis has no constants of the channels": (
        [("mask", 0, 0, 155)],
        14,
    ),
    "a nested model given one tensor twice has two inputs": (
        [("nested_pair", 1, 1, 0)],
        8,
    ),
    "fixed channels beside free ones stay at their own places": (
        [("nested_pair", 0, 0, 0)],
        71,
    ),
    "a dead operand of a concatenation is not taken from the original": (
        [
            ("mask", 0, 0, 0),
            ("nested_pair", 0, 1, 0),
            ("shared_mask", 0, 0, 0),
            ("function", 2, 0, 0),
            ("mask", 0, 0, 0),
        ],
        78,
    ),
    "operations that are no layers get names of their own": (
        [("nested", 0, 0, 0), ("nested", 0, 0, 0)],
        33,
    ),
    "a grouped convolution reads its own axis": (
        [
            ("depthwise", 0, 0, 168),
            ("mask", 0, 0, 226),
            ("grouped", 0, 0, 10),
        ],
        5279,
    ),
    "layers that are gone still leave their constants": (
        [("squeeze_excite", 0, 0, 4)],
        118,
    ),
    "slopes of a PReLU for each row are not slopes for each channel": (
        [("mask", 0, 0, 0), ("slopes", 0, 0, 35), ("mask", 0, 0, 0)],
        35,
    ),
    "an RMSNormalization behind a mask of rows has its own channels": (
        [("mask", 0, 0, 46), ("length_norm", 0, 0, 219)],
        683,
    ),
}


@pytest.mark.parametrize("recipe, seed", FOUND.values(), ids=FOUND)
def test_found_once(recipe, seed):
    check(recipe, seed)
