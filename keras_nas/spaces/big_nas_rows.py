"""From the rows of BigNAS' table to its stages and blocks."""

import dataclasses

from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.block_schema import is_sizes
from keras_nas.spaces.table_rows import is_increasing


@dataclasses.dataclass(frozen=True)
class BigNASStage:
    """A stage: blocks in a row that share their channels and kernel size.

    Attributes:
        name: String such as `"stage3"`, as its decisions are named.
        expansion: Integer, channels inside a block over those of its input.
        before: Tuple of increasing integers, what there is to choose from for
            the channels of its input.
        channels: Tuple of increasing integers to choose from.
        depths: Tuple of increasing integers, numbers of blocks.
        stride: Integer, that of the first block.
        kernels: Tuple of increasing integers.
    """

    name: str
    expansion: int
    before: tuple
    channels: tuple
    depths: tuple
    stride: int
    kernels: tuple

    def options(self):
        """Returns what there is to choose from, by the names of decisions."""
        return {
            f"{self.name}_channels": self.channels,
            f"{self.name}_depth": self.depths,
            f"{self.name}_kernel": self.kernels,
        }

    def first(self, cin, cout, kernel):
        """Returns the dictionary of the first block.

        Whether there is a convolution in its shortcut is the same for all
        networks of a space, even those whose `cin` is `cout`, so that each of
        them is a slice of the biggest.
        """
        block = self._block(cin, cout, kernel, self.stride)
        may_change = len({*self.before, *self.channels}) > 1
        return {**block, "shortcut_conv": may_change}

    def other(self, channels, kernel):
        """Returns the dictionary of each of the other blocks."""
        return self._block(channels, channels, kernel, 1)

    def _block(self, cin, cout, kernel, stride):
        return {
            "type": "mbconv",
            "cin": cin,
            "cout": cout,
            "kernels": [kernel],
            "mid": [self.expansion * cin],
            "stride": stride,
            "act": "swish",
            "residual": "avgpool/1x1",
            "expand": self.expansion > 1,
            "se_hidden": max(1, round(0.25 * cin)),
        }


def read_stages(rows, stem):
    """Returns the stages that the rows of a table describe.

    Args:
        rows: List of `(t, c, n, s, kernels)` as `BigNASSpace` takes them.
        stem: Tuple of increasing integers, what there is to choose from for
            the channels in front of the first stage.

    Returns:
        Tuple of `BigNASStage`, front to back.

    Raises:
        ValueError: If a row is invalid, naming it and the field.
    """
    if not isinstance(rows, (list, tuple)) or not rows:
        raise ValueError(
            "Invalid value received for argument `rows`. Expected a list of "
            f"(t, c, n, s, kernels). Received: {str(rows)[:200]}"
        )
    stages, before = [], tuple(stem)
    for index, row in enumerate(rows):
        is_row = isinstance(row, (list, tuple)) and len(row) == 5
        _expect(index, is_row, "t", "(t, c, n, s, kernels)", row)
        t, c, n, s, kernels = row
        for field, value in {"t": t, "s": s}.items():
            _expect(index, is_size(value), field, "a positive integer", value)
        for field, value in {"c": c, "n": n, "kernels": kernels}.items():
            expected = "a list of increasing positive integers"
            _expect(index, are_options(value), field, expected, value)
        options = before, tuple(c), tuple(n), s, tuple(kernels)
        stages.append(BigNASStage(f"stage{index + 1}", t, *options))
        before = tuple(c)
    return tuple(stages)


def are_options(values):
    """Whether a value is a list or tuple of increasing positive integers."""
    return is_sizes(values) and is_increasing(values)


def _expect(index, condition, field, expected, received):
    if not condition:
        raise ValueError(
            f"Invalid field {field} of rows[{index}]. Expected {expected}. "
            f"Received: {str(received)[:200]}"
        )
