"""What single channels cost: the c_i of AtomNAS, Eq. 6."""

import numpy as np

from keras_nas.graph import flow_of
from keras_nas.layers import Mask


def channel_costs(model, regularizer):
    """Returns what each channel of a model's masks costs, if it is open.

    It is what the cost falls by per channel where half of those are closed
    that all layers treat alike, with everything else open; of channels that
    stay or go together, half of the groups. For a convolution,
    channel-wise layers and a convolution, it is exactly what the filter of
    the first, the channel-wise filters, and the weights of the second cost.

    Args:
        model: A built Keras model with masks that decide on each channel.
        regularizer: An `ExpectedCost`, which says what is counted.

    Returns:
        List of NumPy float64 vectors, one for each mask.
    """
    flow = flow_of(model)
    _, largest = zip(*(m.scale_limits() for m in flow.masks), strict=True)
    full = regularizer.decided(model, largest)
    costs = [np.zeros(len(scale)) for scale in largest]
    together = _together(flow)
    for mask, runs in _alike(flow).items():
        for start, stop in runs:
            groups = together[mask][start:stop]
            labels = list(dict.fromkeys(groups.tolist()))
            closed = np.isin(groups, labels[: max(1, len(labels) // 2)])
            scales = [scale.copy() for scale in largest]
            scales[mask][start:stop][closed] = 0.0
            saved = full - regularizer.decided(model, scales)
            costs[mask][start:stop] = saved / closed.sum()
    return costs


def _together(flow):
    """Returns, by mask, equal numbers for channels that stay together."""
    found = {}
    for node in flow.graph.nodes:
        if isinstance(node.operation, Mask):
            index = flow.mask_index(node.operation)
            ids = flow.state(node.input_tensors[0]).ids
            found.setdefault(index, flow.group[ids])
    for index, mask in enumerate(flow.masks):
        size = len(mask.probabilities())
        if len(found.get(index, ())) != size:  # It masks another axis.
            found[index] = np.arange(size)
    return found


def _alike(flow):
    """Returns the runs of each mask's channels that are nowhere told apart."""
    cuts = {
        index: {0, len(mask.probabilities())}
        for index, mask in enumerate(flow.masks)
    }
    for state in flow.states.values():
        for segment in state.alive:
            for masks, _ in segment.terms:
                for mask, at, step in masks:
                    cuts[mask] |= {at, at + (segment.length if step else 1)}
    return {
        mask: list(zip(sorted(ends), sorted(ends)[1:], strict=False))
        for mask, ends in cuts.items()
    }
