"""The supernet of a space of atomic blocks, and the names of its masks."""

import functools

import keras

from keras_nas.layers import AtomicBlockScale
from keras_nas.spaces.channel_lists import read_channels


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
    sizes = {mask: space.decisions[key][-1] for mask, key in keys.items()}
    channels = read_channels(architecture, sizes, space.name)
    return {keys[mask]: len(kept) for mask, kept in channels.items()}
