"""What single channels cost: the c_i of AtomNAS, Eq. 6."""

import numpy as np

from keras_nas.graph import flow_of


def channel_costs(model, regularizer):
    """Returns what each channel of a model's masks costs, if it is open.

    It is what the cost falls by per channel where half of those are closed
    that all layers treat alike, with everything else open. For a convolution,
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
    for mask, runs in _alike(flow).items():
        for start, stop in runs:
            number = max(1, (stop - start) // 2)
            scales = [scale.copy() for scale in largest]
            scales[mask][start : start + number] = 0.0
            saved = full - regularizer.decided(model, scales)
            costs[mask][start:stop] = saved / number
    return costs


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
