"""Reading which channels of a supernet's masks stay, as searches find them."""

from keras_nas.spaces.architecture import Architecture


def read_channels(architecture, sizes, space):
    """Returns the channels that an architecture keeps behind each mask.

    Args:
        architecture: An `Architecture` that has a list of channels for each
            mask.
        sizes: Dictionary from the names of masks to their numbers of
            channels.
        space: String, the name of the space, for messages.

    Returns:
        Dictionary from the names of masks, in the order of `sizes`, to lists.

    Raises:
        ValueError: If the architecture has other decisions.
    """
    expected = (
        "Expected a `keras_nas.Architecture` with a list of different "
        f"channels for each mask of the supernet of space '{space}'"
    )
    if not isinstance(architecture, Architecture):
        raise ValueError(
            "Invalid value received for argument `architecture`. "
            f"{expected}. Received: {str(architecture)[:200]}"
        )
    decisions = architecture.decisions
    missing, others = set(sizes) - set(decisions), set(decisions) - set(sizes)
    if missing or others:
        raise ValueError(
            "Invalid value received for argument `architecture`. "
            f"{expected}. Received none for {sorted(missing)}, and others: "
            f"{sorted(others)}"
        )
    for mask, most in sizes.items():
        if not _are_channels(decisions[mask], most):
            raise ValueError(
                f"Invalid decision '{mask}' of an architecture. {expected}, "
                f"each below {most}. Received: {str(decisions[mask])[:200]}"
            )
    return {mask: list(decisions[mask]) for mask in sizes}


def _are_channels(channels, most):
    return (
        isinstance(channels, (list, tuple))
        and all(type(i) is int and 0 <= i < most for i in channels)
        and len(set(channels)) == len(channels)
    )
