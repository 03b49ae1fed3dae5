"""Where a signal goes, against all ways through small networks."""

import itertools

from keras_nas.spaces.channel_places import Place
from keras_nas.spaces.channel_places import dead_masks
from keras_nas.spaces.channel_places import find_gap

PLACES = (
    Place("stem", (), ("s",)),
    Place("left", ("stem",), ("l1", "l2"), True),
    Place("right", ("stem",), ("r",), True),
    Place("cell", ("left", "right"), ()),
    Place("tail", ("cell", "stem"), ("t",), True),
    Place("head", ("tail",), ("h",)),
)
MASKS = ("s", "l1", "l2", "r", "t", "h")


def paths(places, name):
    """Returns all ways from the image to a place, as lists of places."""
    place = next(place for place in places if place.name == name)
    before = [p for name in place.inputs for p in paths(places, name)]
    return [[*path, place] for path in before or [[]]]


def open_paths(opened):
    return [
        path
        for path in paths(PLACES, "head")
        if all(mask in opened for place in path for mask in place.masks)
    ]


def all_opened():
    for flags in itertools.product([False, True], repeat=len(MASKS)):
        yield {m for m, flag in zip(MASKS, flags, strict=True) if flag}


def test_there_is_a_gap_where_no_path_is_open():
    for opened in all_opened():
        gap = find_gap(PLACES, opened)
        assert (gap is None) == bool(open_paths(opened)), opened
        if gap is not None:
            assert not opened & set(gap[1])
            assert open_paths(opened | set(gap[1])), opened


def test_masks_are_dead_that_are_on_no_open_path():
    for opened in all_opened():
        used = {
            mask
            for path in open_paths(opened)
            for place in path
            for mask in place.masks
        }
        assert dead_masks(PLACES, opened) == set(MASKS) - used, opened


def test_the_first_input_is_opened_and_the_place_is_named():
    assert find_gap(PLACES, set(MASKS) - {"t"}) == ("head", ["t"])
    assert find_gap(PLACES, {"s"}) == ("head", ["h", "t"])
    assert find_gap(PLACES, {"l1", "t", "h"})[0] == "stem"
    places = *PLACES[:4], Place("head", ("cell",), ("h",))
    assert find_gap(places, {"s", "l1", "h"}) == ("cell", ["l2"])
