"""Random networks, random masks, random decisions."""

import os

from hypothesis import strategies

from keras_nas.layers import Mask
from tests.common import assert_slices
from tests.common import decide_at_random
from tests.slicing import recipes

EXAMPLES = int(os.environ.get("KERAS_NAS_FUZZ_EXAMPLES", "40"))

WITH_MASKS = [*recipes.OPERATIONS, "mask", "mask", "same_mask_other_place"]
STEPS = strategies.tuples(
    strategies.sampled_from(WITH_MASKS),
    strategies.integers(0, 3),
    strategies.integers(0, 3),
    strategies.integers(0, 255),
)


def check(recipe, seed):
    model = recipes.build(recipe, seed)
    if any(isinstance(layer, Mask) for layer in model._flatten_layers()):
        decide_at_random(model, seed)
        assert_slices(model)
