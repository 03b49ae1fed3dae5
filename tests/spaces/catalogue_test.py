"""Spaces by name."""

import pytest

from keras_nas import spaces


@pytest.mark.parametrize("name", spaces.space_names())
def test_spaces_have_the_names_that_find_them(name):
    space = spaces.find_space(name)
    assert space.name == name
    assert space.size() > 1
    space.check(space.sample(seed=0))


def test_names():
    names = spaces.space_names()
    assert len(set(names)) == len(names)
    assert {"small_mbconv", "small_atom_nas", "atom_nas_c"} <= set(names)


def test_small_atomic_blocks():
    space = spaces.small_atom_nas()
    assert (space.resolution, space.stem, space.head) == (16, 16, 128)
    shapes = [(p.cin, p.cout, p.stride, p.mid) for p in space.places]
    assert shapes == [
        (16, 24, 2, 32),
        (24, 24, 1, 48),
        (24, 48, 2, 48),
        (48, 48, 1, 96),
    ]
    assert all(place.searchable for place in space.places)
    size = (33**3 - 1) * 49**3 * (49**3 - 1) * 97**3
    assert space.size() == size


def test_small_spaces_of_sizes():
    space = spaces.small_big_nas()
    assert space.decisions["resolution"] == (8, 12, 16)
    assert [stage.stride for stage in space.stages] == [1, 2, 2]
    stages = (2 * 2) * (3 * 3 * 2) * (3 * 3 * 2)
    assert space.size() == 3 * 3 * stages * 3
    assert spaces.smoke_big_nas().size() == 2 * (2 * 2 * 2) * 2


@pytest.mark.parametrize("name", ["", "atom_nas", "atom_nas_C", None, []])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="argument `name`.*'small_mbconv'"):
        spaces.find_space(name)


def test_small_cells_are_for_trials_on_a_cpu():
    space = spaces.small_one_shot()
    widths = [space.masks[f"cell{i}_mask"] for i in (1, 2, 3)]
    assert (space.resolution, widths) == (16, [8, 16, 32])
    macs, _ = space.costs([space.biggest()], classes=10)
    assert 2e6 < macs[0] < 4e6
