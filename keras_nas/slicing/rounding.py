"""Widths rounded up to a multiple, by adding back probable channels."""

import numpy as np
from keras import ops

from keras_nas.graph.decisions import read_scales

_TINY = np.finfo("float32").tiny


def check_multiple(channel_multiple):
    """Raises a `ValueError` unless it is `None` or a positive integer."""
    valid = type(channel_multiple) is int and channel_multiple > 0
    if channel_multiple is not None and not valid:
        raise ValueError(
            "Invalid value received for argument `channel_multiple`. Expected "
            "a positive integer such as 8, or `None`. Received: "
            f"channel_multiple={channel_multiple!r}"
        )


def round_scales(flow, scales, channel_multiple):
    """Opens masks until every width is a multiple, or has all its channels.

    A width is the number of channels that stay of those that a layer makes;
    channels that are tied count as one. The most probable ones come back
    first. What is gone altogether, behind a mask that keeps nothing, stays
    gone. Masks that do not decide on each channel are left as they are.

    Args:
        flow: A `ChannelFlow`.
        scales: List of the inference multipliers of every mask.
        channel_multiple: Positive integer; `None` rounds nothing.

    Returns:
        List of the new multipliers.

    Raises:
        ValueError: If `channel_multiple` is something else.
    """
    check_multiple(channel_multiple)
    if channel_multiple in (None, 1):
        return scales
    scales = [np.array(scale) for scale in scales]
    places = _places(flow, scales)
    while True:
        chosen = _missing(flow, scales, channel_multiple, places)
        if not chosen:
            return scales
        for mask, position in chosen:
            full = flow.masks[mask].scale_of(list(range(len(scales[mask]))))
            # A factor of 0 opens nothing, and the width would never be met.
            scales[mask][position] = full[position] or _TINY


def _places(flow, scales):
    """Returns, by group, `(rank, mask, position)` of its masks, but for masks
    that keep nothing."""
    places, rankings = {}, {}
    for node in flow.graph.nodes:
        if node.operation not in flow.masks or flow.is_barrier(node):
            continue
        mask = flow.masks.index(node.operation)
        is_free = node.operation.decides_each_channel
        if not is_free or not scales[mask].any():
            continue
        if mask not in rankings:
            rankings[mask] = ops.convert_to_numpy(node.operation.ranking())
        ids = flow.state(node.input_tensors[0]).ids
        for position, group in enumerate(flow.group[ids].tolist()):
            place = (float(rankings[mask][position]), mask, position)
            places.setdefault(group, set()).add(place)
    return places


def _missing(flow, scales, channel_multiple, places):
    """Returns the `(mask, position)` to open next."""
    reading, chosen = read_scales(flow, scales), {}
    for _, state in flow.sources:
        groups = np.unique(flow.group[state.ids])
        stays = _stays(flow, reading, state)
        kept = len(stays)
        wanted = -(-kept // channel_multiple) * channel_multiple
        closed = []
        for group in groups.tolist():
            if group in stays or not kept:
                continue
            here = [p for p in places.get(group, ()) if not scales[p[1]][p[2]]]
            if here:
                closed.append((*max(here), group))
        closed.sort(key=lambda c: (-c[0], c[2]))
        already = [c for c in closed if c[3] in chosen]
        new = [c for c in closed if c[3] not in chosen]
        for _, mask, position, group in [*already, *new][: wanted - kept]:
            chosen.setdefault(group, (mask, position))
    return set(chosen.values())


def _stays(flow, reading, state):
    kept = reading.kept(state) * np.ones(state.length)
    return set(flow.group[state.ids[kept > 0]].tolist())
