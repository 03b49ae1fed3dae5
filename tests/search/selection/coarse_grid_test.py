"""The coarse grid, against grids that a hand writes down."""

import pytest

from keras_nas import spaces
from keras_nas.search import coarse_grid
from keras_nas.spaces import BigNASSpace


def test_the_papers_grid_has_its_numbers_of_configurations():
    space = spaces.big_nas()
    grid = coarse_grid(space)
    names = space.dimensions()
    counts = {
        dimension: len({tuple(a.decisions[k] for k in keys) for a in grid})
        for dimension, keys in names.items()
    }
    assert counts == {"resolution": 5, "depth": 4, "width": 2, "kernel": 4}
    assert len(grid) == len({a.to_json() for a in grid}) == 5 * 4 * 2 * 4
    assert grid[0] == space.smallest() and grid[-1] == space.biggest()
    for architecture in grid:
        space.check(architecture)


def test_configurations_of_the_papers_space():
    grid = coarse_grid(spaces.big_nas())

    def found(end):
        return dict.fromkeys(
            tuple(v for k, v in a.decisions.items() if k.endswith(end))
            for a in grid
        )

    assert list(found("_depth")) == [
        (1, 2, 2, 2, 2, 2, 1),
        (1, 2, 2, 3, 3, 3, 1),
        (2, 3, 3, 3, 5, 5, 2),
        (2, 3, 3, 4, 6, 6, 2),
    ]
    # Stages 3 to 7 choose a kernel size.
    assert list(found("_kernel")) == [
        (3, 3, 3, 3, 3),
        (3, 3, 5, 5, 5),
        (5, 5, 3, 3, 3),
        (5, 5, 5, 5, 5),
    ]
    assert list(found("_channels")) == [
        (32, 16, 24, 40, 80, 112, 192, 320, 1280),
        (40, 24, 32, 48, 88, 128, 216, 352, 1408),
    ]


def test_what_comes_out_equal_is_one():
    # Depths of 1 and 2, one kernel size to choose, one resolution.
    rows = [(1, [8], [1, 2], 1, [3, 5])]
    grid = coarse_grid(BigNASSpace("tiny", rows, [8], 1, [16], [8]))
    decided = [tuple(a.decisions.values()) for a in grid]
    assert decided == [(1, 3), (1, 5), (2, 3), (2, 5)]


def test_other_multipliers_make_other_grids():
    rows = [(1, [8, 10, 16], [1, 2, 5], 1, [3])]
    space = BigNASSpace("tiny", rows, [8], 1, [16], [8, 12])
    grid = coarse_grid(space, depths=[0.5], widths=(0, 0.5, 1))
    decided = [tuple(a.decisions.values()) for a in grid]
    # 3 is nearer to 2 than to 5, 12 nearer to 10 than to 16.
    assert decided == [(r, c, 2) for r in (8, 12) for c in (8, 10, 16)]


@pytest.mark.parametrize("argument", ["depths", "widths"])
@pytest.mark.parametrize("value", [[], [-0.1], [1.1], 0.5, ["1"], None])
def test_other_lists_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"argument `{argument}`.*0 to 1"):
        coarse_grid(spaces.smoke_big_nas(), **{argument: value})


def test_spaces_without_dimensions_are_refused():
    with pytest.raises(ValueError, match="`dimensions.*`skeletons`.*MBConv"):
        coarse_grid(spaces.find_space("smoke_mbconv"))
