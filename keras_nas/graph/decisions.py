"""What the masks of a model have decided, and the readings of it."""

import numpy as np
from keras import ops

from keras_nas.graph.reading import Reading
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
    names = named_deciders(flow)
    decisions = architecture.decisions
    if set(names) != set(decisions):
        raise ValueError(
            f"The architecture does not fit model '{flow.graph.name}'. "
            f"Masks without a decision: {sorted(set(names) - set(decisions))}. "
            f"Decisions without a mask: {sorted(set(decisions) - set(names))}."
        )
    return [
        mask.scale_of(*(decisions[leader.name] for leader in mask.leaders()))
        for mask in flow.masks
    ]


def read_architecture(flow, scales=None):
    """Returns what the masks of a flow have decided.

    Args:
        flow: A `ChannelFlow`.
        scales: List of the multipliers of every mask, for masks that decide
            on each channel; by default, what the masks have decided.

    Returns:
        An `Architecture`.

    Raises:
        ValueError: If two masks have the same name.
    """
    masks = named_deciders(flow)
    if scales is None:
        decisions = [mask.decision() for mask in masks.values()]
    else:
        decisions = [np.flatnonzero(scale).tolist() for scale in scales]
    decisions = dict(zip(masks, decisions, strict=True))
    return Architecture(flow.graph.name, decisions)


def deciders(flow):
    """Returns the masks that decide; others take over what they decide."""
    return [mask for mask in flow.masks if mask.leaders()[0] is mask]


def named_deciders(flow):
    """Returns a dictionary from the names of the `deciders` to them.

    Raises:
        ValueError: If two of them have the same name.
    """
    masks = deciders(flow)
    names = [mask.name for mask in masks]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            "An architecture names every mask, so masks need names of their "
            f"own, in nested models too. Model '{flow.graph.name}' has "
            f"several masks named: {repeated}"
        )
    return dict(zip(names, masks, strict=True))


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def check_has_masks(flow):
    """Raises a `ValueError` if a flow has no masks."""
    if not flow.masks:
        raise ValueError(
            f"Model '{flow.graph.name}' has no mask layers, so there is "
            "nothing to decide. Put masks into it with "
            "`keras_nas.insert_masks(model)`, for AtomNAS with "
            "`insert_masks(model, keras_nas.AtomicBlockScale)`, or add such "
            "layers to it, as `keras_nas.FiGSMask()`."
        )


def read_probabilities(flow, dtype="float32"):
    """Returns the differentiable reading: every mask's probabilities."""
    probabilities = [
        ops.cast(mask.probabilities(), dtype) for mask in flow.masks
    ]
    return Reading(flow, probabilities, ops, dtype)


def read_scales(flow, scales):
    """Returns the reading in which a mask keeps the channels of its scale."""
    return Reading(flow, [(s != 0).astype("float32") for s in scales])


def mask_sizes(flow):
    """Returns the number of switches of every mask of a flow."""
    return [mask.probabilities().shape[0] for mask in flow.masks]
