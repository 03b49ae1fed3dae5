"""Which atomic blocks a target leaves (AtomNAS)."""

import warnings

import numpy as np
from keras import ops

from keras_nas.graph import flow_of
from keras_nas.search.budget import first_within


def keep_within(search, scales):
    """Returns switches without the blocks of the smallest factors.

    Args:
        search: A search with `model`, `regularizer` and a target.
        scales: List with the switches of every mask.

    Returns:
        List of the switches of the most blocks that are within the target.
    """
    ranks = _ranks(_factors(search.model))

    def from_rank(rank):
        return [
            scale * (own >= rank)
            for scale, own in zip(scales, ranks, strict=True)
        ]

    def cost(rank):
        return search.regularizer.decided(search.model, from_rank(rank))

    every = range(sum(map(len, ranks)) + 1)
    return from_rank(first_within(every, cost, search.controller.target))


def check_forced(model, before, after):
    """Warns if the target takes blocks that are as important as others.

    Args:
        model: A model with importance factors.
        before: List with the switches of every mask, of what was alive.
        after: List of those that stay.
    """
    cut, kept = [], []
    for factor, was, stays in zip(_factors(model), before, after, strict=True):
        cut.append(factor[(was != 0) & (stays == 0)])
        kept.append(factor[stays != 0])
    cut, kept = np.concatenate(cut), np.concatenate(kept)
    if cut.size and cut.max() > 0.5 * kept.mean():
        warnings.warn(
            f"To meet the target, {cut.size} blocks were cut out that were "
            f"alive, with factors of up to {cut.max():.2g}, where those "
            f"that stay have {kept.mean():.2g} on average: the penalty had "
            "not driven them to 0 yet. Use a larger `ramp`, more epochs, "
            "or a larger learning rate of the factors: "
            "`compile(mask_optimizer=...)`.",
            stacklevel=2,
        )


def close(model, scales):
    """Sets the factors of the blocks that are to be cut out to 0.

    With statistics computed after that, the constants that blocks leave are
    the same in training as at inference.

    Args:
        model: A model with importance factors.
        scales: List with the switches of every mask.
    """
    for mask, scale in zip(flow_of(model).masks, scales, strict=True):
        for variable in (mask.factor, mask.moving_average):
            value = ops.convert_to_numpy(variable)
            variable.assign(value * (scale != 0))


def _factors(model):
    return [
        np.abs(ops.convert_to_numpy(mask.factor))
        for mask in flow_of(model).masks
    ]


def _ranks(factors):
    """Returns the rank of each block by its factor, from 0.

    Equal ones, as optimizers make them in their first steps, take turns
    among the masks, so that no mask loses all of its blocks to others.
    """
    sizes = [len(factor) for factor in factors]
    places = np.concatenate([np.arange(size) / size for size in sizes])
    order = np.lexsort((places, np.concatenate(factors)))
    ranks = np.empty(len(order), int)
    ranks[order] = np.arange(len(order))
    return np.split(ranks, np.cumsum(sizes)[:-1])
