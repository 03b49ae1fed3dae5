"""From a reading of a model's channels to its cost, part by part."""

import numpy as np

from keras_nas.graph import COST_PARTS

_PER_CALL = ("macs", "pool")


def node_costs(flow, reading):
    """Returns one `(node, parts)` per call of a layer.

    Multiply-adds and pooled elements count for each call; the parameters of
    a layer that is called several times count once, at its first call.

    Args:
        flow: A `ChannelFlow`.
        reading: A `Reading` of it.

    Returns:
        List of `(node, dict)` with a number, or a scalar tensor where it
        depends on the masks, for each of `COST_PARTS`.
    """
    exact = reading.ops is np
    used = {}
    for node in flow.graph.nodes:
        key, live = id(node.operation), reading.runs(node)
        used[key] = reading.maximum(used.get(key, 0.0), live)
    rows = []
    for node, rule in zip(flow.graph.nodes, flow.rules, strict=True):
        parts = dict.fromkeys(COST_PARTS, 0)
        parts.update(rule.cost(node, flow, reading))
        # The parameters are gone with the first call.
        params_used = used.pop(id(node.operation), 0.0)
        for part in COST_PARTS:
            per_call = part in _PER_CALL
            times = reading.runs(node) if per_call else params_used
            parts[part] = _times(parts[part], times, exact)
        rows.append((node, parts))
    return rows


def _times(value, times, exact):
    if exact:
        return int(value) * int(times)
    return 0 if isinstance(value, int) and not value else value * times
