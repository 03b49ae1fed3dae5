"""Random networks as plain data, so that a counterexample can be kept.

A recipe is a list of steps `(operation, source, other, option)`: the name of
an operation of `OPERATIONS` and three integers, taken modulo what there is to
choose from: which of the tensors so far is the input, which of those with the
same shape is the second input, and which variant of the operation is meant.
`build(recipe)` makes the network.
"""

import keras

from tests.common import randomize
from tests.slicing import recipes_composites  # noqa: F401
from tests.slicing import recipes_joints  # noqa: F401
from tests.slicing import recipes_kernels  # noqa: F401
from tests.slicing import recipes_layers  # noqa: F401
from tests.slicing import recipes_norms  # noqa: F401
from tests.slicing import recipes_operations  # noqa: F401
from tests.slicing.recipes_net import OPERATIONS as OPERATIONS
from tests.slicing.recipes_net import Net


def build(recipe, seed=0):
    """Returns the model of a recipe, with random weights."""
    keras.utils.clear_session(free_memory=False)
    net = Net()
    for step in recipe:
        net.step(*step)
    return randomize(net.model(), seed)
