"""Where the signal of a supernet goes, and which masks can stop it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Place:
    """A part of a supernet that masks can close.

    What comes out of it depends on the image if what goes in at one of its
    inputs does, and none of its masks is closed.

    Attributes:
        name: String, such as `"cell1_block2"`.
        inputs: Tuple of the names of places before it; the first one is
            opened where none is. Without any, it reads the image.
        masks: Tuple of the names of its masks.
        is_operator: Boolean, whether a search may do without it.
    """

    name: str
    inputs: tuple
    masks: tuple
    is_operator: bool = False


def find_gap(places, opened):
    """Returns where a network ends, and what would make it whole.

    Args:
        places: Tuple of `Place`, front to back; the last one is the output.
            Of none, nothing is known.
        opened: Set of the names of masks that keep a channel.

    Returns:
        `None` if the output depends on the image, otherwise the name of the
        place from which on it does not, and a list of closed masks. With those
        open it does.
    """
    if not places:
        return None
    reached = _reached(places, opened)
    by_name = {place.name: place for place in places}
    place, masks, where = places[-1], [], places[-1].name
    if place.name in reached:
        return None
    while True:
        masks += [mask for mask in place.masks if mask not in opened]
        if not place.is_operator:
            where = place.name
        if _is_fed(place, reached):
            return where, masks
        place = by_name[place.inputs[0]]


def dead_masks(places, opened):
    """Returns the masks of all that does nothing for the output, a set.

    A closed mask leaves what stands behind it without a use, and what stands
    before it.

    Args:
        places: As in `find_gap`.
        opened: As in `find_gap`.
    """
    if not places:
        return set()
    reached = _reached(places, opened)
    read, dead = {places[-1].name}, set()
    for place in reversed(places):
        if place.name in reached and place.name in read:
            read.update(place.inputs)
        else:
            dead.update(place.masks)
    return dead


def _reached(places, opened):
    """Returns the names of places whose output depends on the image."""
    reached = set()
    for place in places:
        if _is_fed(place, reached) and opened.issuperset(place.masks):
            reached.add(place.name)
    return reached


def _is_fed(place, reached):
    return not place.inputs or any(name in reached for name in place.inputs)
