"""The supernet of a space of atomic blocks, and the names of its masks."""

import functools

import keras

from keras_nas.layers import AtomicBlockScale
from keras_nas.spaces.architecture import Architecture


def build_supernet(
    space,
    classes,
    momentum,
    epsilon,
    threshold,
    average_momentum,
    seed,
):
    """Returns the model that holds all networks of an `AtomNASSpace`.

    Args:
        space: An `AtomNASSpace`.
        classes: Integer, the number of logits.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        threshold: Float, that of every `AtomicBlockScale`.
        average_momentum: Float, the `momentum` of every `AtomicBlockScale`.
        seed: Integer seed of the masks.
    """
    # Slicing imports the graph, and that imports this folder.
    from keras_nas.slicing import insert_masks

    model = space.build(space.biggest(), classes, momentum, epsilon)
    expands = {name for place in space.places for name in place.expands()}
    others = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.name not in expands
    ]
    mask = functools.partial(
        AtomicBlockScale, threshold=threshold, momentum=average_momentum
    )
    return insert_masks(model, mask, seed, skip=others)


def decisions_of_masks(space):
    """Returns which decision of a space each mask of its supernet makes."""
    return {
        f"{expand}_mask": key
        for place in space.places
        for expand, key in zip(place.expands(), place.decisions(), strict=True)
    }


def count_channels(space, architecture):
    """Returns how many channels each decision of a space stands at.

    Args:
        space: An `AtomNASSpace`.
        architecture: An `Architecture` that has a list of channels for each
            mask of the supernet.

    Returns:
        Dictionary from the names of decisions to integers.

    Raises:
        ValueError: If it has other decisions.
    """
    keys = decisions_of_masks(space)
    expected = (
        "Expected a `keras_nas.Architecture` with a list of different "
        f"channels for each mask of the supernet of space '{space.name}'"
    )
    if not isinstance(architecture, Architecture):
        raise ValueError(
            "Invalid value received for argument `architecture`. "
            f"{expected}. Received: {str(architecture)[:200]}"
        )
    decisions = architecture.decisions
    missing, others = set(keys) - set(decisions), set(decisions) - set(keys)
    if missing or others:
        raise ValueError(
            "Invalid value received for argument `architecture`. "
            f"{expected}. Received none for {sorted(missing)}, and others: "
            f"{sorted(others)}"
        )
    counts = {}
    for mask, key in keys.items():
        channels, most = decisions[mask], space.decisions[key][-1]
        if not _are_channels(channels, most):
            raise ValueError(
                f"Invalid decision '{mask}' of an architecture. {expected}, "
                f"each below {most}. Received: {str(channels)[:200]}"
            )
        counts[key] = len(channels)
    return counts


def _are_channels(channels, most):
    return (
        isinstance(channels, (list, tuple))
        and all(type(i) is int and 0 <= i < most for i in channels)
        and len(set(channels)) == len(channels)
    )
