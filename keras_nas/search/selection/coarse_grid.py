"""The coarse grid of BigNAS: skeletons of networks of all sizes."""

import itertools
import numbers

from keras_nas.spaces.architecture import Architecture


def coarse_grid(space, depths=(0, 1 / 3, 2 / 3, 1), widths=(0, 1)):
    """Returns networks whose stages are all sized alike, a few hundred.

    Use it for the first, coarse phase of `CoarseToFine`, which does so by
    itself; with other multipliers, pass it the grid as `skeletons`.

    The grid is the product of all resolutions, a configuration of depths for
    each multiplier in `depths`, one of channels for each in `widths`, and four
    of kernel sizes. The paper has five, four, two and four of them, and does
    not say which. Here a multiplier is global in that each stage goes the same
    share of the way from its smallest option, 0, to its largest, 1, to the
    nearest option, the smaller of two. Kernels are all smallest, larger in the
    second half of the stages that choose one, larger in the first half, and
    all largest. Those that come out equal are one.

    Args:
        space: A search space that has `dimensions`, such as `BigNASSpace`.
        depths: List of floats from 0 to 1.
        widths: List of floats from 0 to 1.

    Returns:
        List of different `Architecture`s, the smallest of the space first
        where 0 comes first in both lists.

    Raises:
        ValueError: If an argument is something else.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Sections 3.2 and 4.4.

    Example:

    >>> from keras_nas import search, spaces
    >>> grid = search.coarse_grid(spaces.big_nas())
    >>> len(grid), grid[0] == spaces.big_nas().smallest()
    (160, True)
    """
    if not hasattr(space, "dimensions"):
        raise ValueError(
            "Invalid value received for argument `space`. Expected a search "
            "space whose `dimensions()` tell resolutions, depths, widths and "
            "kernels. Give other spaces a list of architectures as "
            f"`skeletons`. Received: {type(space).__name__}"
        )
    _check_shares("depths", depths)
    _check_shares("widths", widths)
    names = space.dimensions()
    configurations = [
        [
            {key: size for key in names["resolution"]}
            for size in _resolutions(space, names)
        ],
        [_at_share(space, names["depth"], share) for share in depths],
        [_at_share(space, names["width"], share) for share in widths],
        list(_kernels(space, names["kernel"])),
    ]
    smallest = space.smallest().decisions
    grid = []
    for parts in itertools.product(*configurations):
        decisions = dict(smallest)
        for part in parts:
            decisions |= part
        grid.append(tuple(decisions.values()))
    return [
        Architecture(space.name, dict(zip(smallest, values, strict=True)))
        for values in dict.fromkeys(grid)
    ]


def _resolutions(space, names):
    """Returns all resolutions; `None`, for no decision, if there is one."""
    if not names["resolution"]:
        return (None,)
    (key,) = names["resolution"]
    return space.decisions[key]


def _at_share(space, keys, share):
    """Returns the options nearest to a share of the way to the largest."""
    decisions = {}
    for key in keys:
        options = space.decisions[key]
        low, high = options[0], options[-1]
        # Rounded, so that what is halfway between options is so exactly.
        aim = round(low + share * (high - low), 9)
        decisions[key] = min(options, key=lambda option: abs(option - aim))
    return decisions


def _kernels(space, keys):
    half = len(keys) // 2
    for first, second in itertools.product((0, 1), repeat=2):
        yield {
            **_at_share(space, keys[:half], first),
            **_at_share(space, keys[half:], second),
        }


def _check_shares(argument, shares):
    is_list = isinstance(shares, (list, tuple)) and len(shares) > 0
    if not is_list or not all(
        isinstance(share, numbers.Real) and 0 <= share <= 1 for share in shares
    ):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            f"list of floats from 0 to 1. Received: {argument}={shares!r}"
        )
