"""Many architectures at once, as arrays of the indices of their options."""

import numbers

import numpy as np


def draw_indices(space, n, seed):
    """Returns `n` architectures whose decisions are drawn uniformly.

    Args:
        space: A `SearchSpace`.
        n: Integer >= 0.
        seed: Integer >= 0.

    Returns:
        Integer array of shape (n, decisions of the space).

    Raises:
        ValueError: If an argument is something else.
    """
    for key, value in {"n": n, "seed": seed}.items():
        is_integer = isinstance(value, numbers.Integral)
        if not is_integer or isinstance(value, bool) or value < 0:
            raise ValueError(
                f"Invalid value received for argument `{key}`. Expected an "
                f"integer >= 0. Received: {key}={value!r}"
            )
    counts = [len(options) for options in space.decisions.values()]
    rng = np.random.default_rng(seed)
    return rng.integers(counts, size=(n, len(counts)))


def mutate_indices(space, indices, rng, probability):
    """Returns architectures that differ in some decisions.

    As `SearchSpace.mutate`: each decision for itself changes with a
    probability, to one of its other options, all equally likely.

    Args:
        space: A `SearchSpace`.
        indices: Integer array of valid indices; it is kept.
        rng: A `numpy.random.Generator`.
        probability: Float from 0 to 1.

    Returns:
        Integer array of the same shape.
    """
    counts = [len(options) for options in space.decisions.values()]
    steps = rng.integers(1, counts, size=indices.shape)
    is_changed = rng.random(indices.shape) < probability
    return (indices + steps * is_changed) % counts


def read_indices(space, architectures):
    """Returns the indices of the options of architectures.

    Args:
        space: A `SearchSpace`.
        architectures: List or tuple of `Architecture`s of the space, or an
            integer array as `draw_indices` returns it, which is checked.

    Returns:
        Integer array of shape (architectures, decisions of the space).

    Raises:
        ValueError: If they are something else, or not of the space.
    """
    if isinstance(architectures, np.ndarray):
        _check_indices(space, architectures)
        return architectures
    if not isinstance(architectures, (list, tuple)):
        _refuse(space, type(architectures).__name__)
    indices = np.zeros((len(architectures), len(space.decisions)), "int64")
    for row, architecture in zip(indices, architectures, strict=True):
        space.check(architecture)
        row[:] = [
            options.index(architecture.decisions[key])
            for key, options in space.decisions.items()
        ]
    return indices


def decisions_of_indices(space, indices):
    """Returns what the rows of an array of indices decide.

    Args:
        space: A `SearchSpace`.
        indices: As `draw_indices` returns it.

    Returns:
        List of dictionaries, one for each row.

    Raises:
        ValueError: If there are no such options.
    """
    if not isinstance(indices, np.ndarray):
        _refuse(space, type(indices).__name__, "indices", "")
    _check_indices(space, indices, "indices", "")
    return [
        {
            key: options[index]
            for (key, options), index in zip(
                space.decisions.items(), row, strict=True
            )
        }
        for row in indices.tolist()
    ]


_OR_ARCHITECTURES = "a list of `Architecture`s, or "


def _check_indices(
    space, indices, argument="architectures", other=_OR_ARCHITECTURES
):
    counts = np.array([len(options) for options in space.decisions.values()])
    is_integer = np.issubdtype(indices.dtype, np.integer)
    if not is_integer or indices.ndim != 2 or indices.shape[1] != len(counts):
        received = f"an array of {indices.dtype}, shape {indices.shape}"
        _refuse(space, received, argument, other)
    is_wrong = (indices < 0) | (indices >= counts)
    if is_wrong.any():
        row, column = np.argwhere(is_wrong)[0]
        key = list(space.decisions)[column]
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected the "
            f"indices of options. Received: {indices[row, column]} in row "
            f"{row} for decision '{key}' of {counts[column]} options"
        )


def _refuse(space, received, argument="architectures", other=_OR_ARCHITECTURES):
    raise ValueError(
        f"Invalid value received for argument `{argument}`. Expected {other}an "
        f"array of integers of shape (any, {len(space.decisions)}), a column "
        f"for each decision of space '{space.name}'. Received: {received}"
    )
