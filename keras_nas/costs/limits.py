"""The cheapest and the most expensive network that masks can decide on."""

import numpy as np

from keras_nas.costs.counting import node_costs
from keras_nas.graph.decisions import read_scales
from keras_nas.layers import Mask


def scale_limits(flow, measure):
    """Returns the decisions of the smallest and of the largest network.

    Every mask on channels or resolutions is as closed, or as open, as it can
    be; of the candidates of a `BlockChoice` it is the one whose own layers
    cost least, or most, then. Choices inside of candidates come first.

    Args:
        flow: A `ChannelFlow`.
        measure: Function from a node and its dictionary of `COST_PARTS` to
            the cost.

    Returns:
        Two lists with the switches of every mask.
    """
    pairs = [mask.scale_limits() for mask in flow.masks]
    smallest = [low for low, _ in pairs]
    largest = [high for _, high in pairs]
    _choose(flow, measure, smallest, np.argmin)
    _choose(flow, measure, largest, np.argmax)
    return smallest, largest


def _choose(flow, measure, scales, best):
    """Replaces "all" by the best option in the scales of exclusive masks."""
    for masks in _from_inside(flow):
        masks = [i for i in masks if np.sum(scales[i]) > 1]
        costs = {i: np.zeros(len(scales[i])) for i in masks}
        for node, parts in node_costs(flow, read_scales(flow, scales)):
            for mask, option in flow.conditions[node.index]:
                if mask in costs:
                    costs[mask][option] += measure(node, parts)
        for index, values in costs.items():
            scales[index] = np.eye(len(values), dtype="float32")[best(values)]


def _from_inside(flow):
    """Yields the indices of exclusive masks, those of inner choices first."""
    depths = {i: 0 for i, mask in enumerate(flow.masks) if mask.is_exclusive}
    for node in flow.graph.nodes:
        if isinstance(node.operation, Mask):
            index = flow.mask_index(node.operation)
            if index in depths:
                depth = len(flow.conditions[node.index])
                depths[index] = max(depths[index], depth)
    for depth in sorted(set(depths.values()), reverse=True):
        yield [i for i, d in depths.items() if d == depth]
