"""What the masks of a model have decided, and what an Architecture says."""

import numpy as np
from keras import ops

from keras_nas.spaces.architecture import Architecture


def mask_scales(flow, architecture=None):
    """Returns the inference multipliers of every mask of a flow.

    Args:
        flow: A `ChannelFlow`.
        architecture: An `Architecture` of the model, or `None` for the masks'
            own decisions.

    Returns:
        List of NumPy vectors, in the order of `flow.masks`.

    Raises:
        ValueError: If the architecture is of another type, lacks a mask, or
            names one that the model does not have.
    """
    if architecture is None:
        return [np.asarray(_numpy(m.inference_scale())) for m in flow.masks]
    if not isinstance(architecture, Architecture):
        raise ValueError(
            "Invalid value received for argument `architecture`. Expected a "
            "`keras_nas.Architecture`. Received: "
            f"{type(architecture).__name__}. Read a file with "
            "`keras_nas.Architecture.load(path)`."
        )
    names = {mask.name for mask in flow.masks}
    decisions = architecture.decisions
    if names != set(decisions):
        raise ValueError(
            f"The architecture does not fit model '{flow.graph.name}'. "
            f"Masks without a decision: {sorted(names - set(decisions))}. "
            f"Decisions without a mask: {sorted(set(decisions) - names)}."
        )
    return [mask.scale_of(decisions[mask.name]) for mask in flow.masks]


def read_architecture(flow):
    """Returns what the masks of a flow have decided, as an `Architecture`."""
    decisions = {mask.name: mask.decision() for mask in flow.masks}
    return Architecture(flow.graph.name, decisions)


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)
