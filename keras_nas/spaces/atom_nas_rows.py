"""From the rows of AtomNAS' table to its blocks."""

import dataclasses

from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.block_schema import is_sizes


@dataclasses.dataclass(frozen=True)
class AtomPlace:
    """One place for a block, and how many channels it has at most.

    Attributes:
        name: String such as `"block5"`, as the layers are named. Its decisions
            are called `"block5_kernel3"` and so on.
        cin: Integer, channels of the input.
        cout: Integer, channels of the output.
        stride: Integer.
        kernels: Tuple of increasing kernel sizes.
        mid: Integer, the most channels of one kernel size.
        searchable: Boolean; where nothing is expanded, nothing is decided.
    """

    name: str
    cin: int
    cout: int
    stride: int
    kernels: tuple
    mid: int
    searchable: bool

    @property
    def residual(self):
        """Whether the input is added to the output."""
        return self.stride == 1 and self.cin == self.cout

    def decisions(self):
        """Returns the names of the decisions, from the smallest kernel on."""
        if not self.searchable:
            return ()
        return tuple(f"{self.name}_kernel{kernel}" for kernel in self.kernels)

    def expands(self):
        """Returns the names of the supernet's layers that are decided upon.

        They are in the order of the decisions; the mask of each has
        `"_mask"` behind its name.
        """
        if not self.searchable:
            return ()
        # As `build_from_blocks` calls them.
        suffixes = self.kernels if len(self.kernels) > 1 else ("",)
        return tuple(f"{self.name}_expand{suffix}" for suffix in suffixes)

    def block(self, decisions, act):
        """Returns the block dictionary of what is decided."""
        shape = {"cin": self.cin, "cout": self.cout, "stride": self.stride}
        counts = dict.fromkeys(self.kernels, self.mid)
        if self.searchable:
            chosen = [decisions[key] for key in self.decisions()]
            counts = dict(zip(self.kernels, chosen, strict=True))
        counts = {kernel: count for kernel, count in counts.items() if count}
        if not counts:
            return {"type": "skip", **shape}
        return {
            "type": "mbconv",
            **shape,
            "kernels": list(counts),
            "mid": list(counts.values()),
            "act": act,
            "residual": "add" if self.residual else None,
            "expand": self.searchable,
        }


def read_atom_rows(rows, channels):
    """Returns the places for blocks that the rows of a table describe.

    Args:
        rows: List of `(t, c, n, s, kernels)` as `AtomNASSpace` takes them.
        channels: Integer, those of the stem.

    Returns:
        Tuple of `AtomPlace`, front to back.

    Raises:
        ValueError: If a row is invalid, naming it and the field.
    """
    if not isinstance(rows, (list, tuple)) or not rows:
        raise ValueError(
            "Invalid value received for argument `rows`. Expected a list of "
            f"(t, c, n, s, kernels). Received: {str(rows)[:200]}"
        )
    places = []
    for index, row in enumerate(rows):
        _check_row(index, row)
        t, c, n, s, kernels = row
        for number in range(n):
            place = AtomPlace(
                name=f"block{len(places) + 1}",  # The stem is block 0.
                cin=channels,
                cout=c,
                stride=s if number == 0 else 1,
                kernels=tuple(kernels),
                mid=t * channels,
                searchable=t > 1,
            )
            places.append(place)
            channels = c
    if not any(place.searchable for place in places):
        raise ValueError(
            "Invalid value received for argument `rows`. Expected a row with "
            f"t > 1, in whose blocks there are channels to decide on. "
            f"Received: {str(rows)[:200]}"
        )
    return tuple(places)


def _check_row(index, row):
    is_row = isinstance(row, (list, tuple)) and len(row) == 5
    _expect(index, is_row, "t", "(t, c, n, s, kernels)", row)
    t, c, n, s, kernels = row
    for field, value in {"t": t, "c": c, "n": n, "s": s}.items():
        _expect(index, is_size(value), field, "a positive integer", value)
    increases = is_sizes(kernels) and list(kernels) == sorted(set(kernels))
    expected = "a list of increasing positive integers"
    _expect(index, increases, "kernels", expected, kernels)
    is_plain = t > 1 or len(kernels) == 1
    _expect(index, is_plain, "kernels", "one of them where t is 1", kernels)


def _expect(index, condition, field, expected, received):
    if not condition:
        raise ValueError(
            f"Invalid field {field} of rows[{index}]. Expected {expected}. "
            f"Received: {str(received)[:200]}"
        )
