"""From the rows of FP-NAS' table to its blocks."""

import dataclasses

from keras_nas.layers.multiples import div8
from keras_nas.layers.multiples import se_hidden
from keras_nas.spaces.table_rows import CONV
from keras_nas.spaces.table_rows import COUNTS
from keras_nas.spaces.table_rows import RATIOS
from keras_nas.spaces.table_rows import SIZE
from keras_nas.spaces.table_rows import check_table
from keras_nas.spaces.table_rows import counts
from keras_nas.spaces.table_rows import ratios
from keras_nas.spaces.table_rows import read_conv
from keras_nas.spaces.table_rows import read_row

_MBCONV = {"e": RATIOS, "c": COUNTS, "n": SIZE, "s": SIZE}, {}


@dataclasses.dataclass(frozen=True)
class FPNASRow:
    """Blocks in a row that take the same decisions.

    Attributes:
        name: String such as `"row3"`, as its decisions are named.
        expansions: Tuple of strings such as `"0.75"`, from the smallest on:
            channels inside a block over those of its input.
        before: Tuple of increasing integers, what there is to choose from for
            the channels of its input.
        channels: Tuple of increasing integers to choose from.
        repeats: Integer, the number of blocks.
        stride: Integer, that of the first block.
        kernels: Tuple of integers: 0 to leave blocks out, or sizes.
        acts: Tuple of names of activations.
        splits: Tuple of integers: 0 for nothing, 1 for squeeze-excite, r for
            split attention with r splits.
    """

    name: str
    expansions: tuple
    before: tuple
    channels: tuple
    repeats: int
    stride: int
    kernels: tuple
    acts: tuple
    splits: tuple

    @property
    def expands(self):
        """Whether there is a 1x1 convolution in front of the depthwise one."""
        return self.expansions != ("1",)

    def options(self):
        """Returns what there is to choose from, by the names of decisions."""
        return {
            f"{self.name}_kernel": self.kernels,
            f"{self.name}_act": self.acts,
            f"{self.name}_splits": self.splits,
            f"{self.name}_expansion": self.expansions,
            f"{self.name}_channels": self.channels,
        }

    def mid(self, cin, expansion):
        """Returns the channels inside a block."""
        return div8(float(expansion) * cin) if self.expands else cin

    def blocks(self, cin, kernel, act, splits, expansion, channels):
        """Returns the block dictionaries of what is decided.

        Args:
            cin: Integer, channels of the input.
            kernel, act, splits, expansion, channels: An option of each.
        """
        blocks = []
        for position in range(self.repeats):
            mid = self.mid(cin, expansion)
            stride = 1 if position else self.stride
            is_same = stride == 1 and cin == channels
            block = micro_block(
                kernel,
                act,
                splits,
                mid,
                se_hidden(mid),
                self.expands,
                "add" if is_same else None,
            )
            shape = {"cin": cin, "cout": channels, "stride": stride}
            blocks.append({**block, **shape})
            cin = channels
        return blocks


def micro_block(kernel, act, splits, mid, hidden, expands, residual=None):
    """Returns what a block dictionary says besides the shape.

    Args:
        kernel, act, splits: An option of each.
        mid: Integer, channels inside of the block.
        hidden: Integer, channels inside of its attention.
        expands: Boolean, whether it begins with a 1x1 convolution.
        residual: `"add"` or `None`.
    """
    if kernel == 0:
        return {"type": "skip"}
    block = {
        "type": "mbconv",
        "kernels": [kernel],
        "mid": [mid],
        "act": act,
        "residual": residual,
        "expand": expands,
    }
    if splits == 1:
        block |= {"se_hidden": hidden, "se_gate": "hard_sigmoid"}
    if splits > 1:
        block |= {"se_hidden": hidden, "splits": splits}
    return block


def read_rows(rows, kernels, acts, splits):
    """Returns what the rows of a table say.

    Args:
        rows: List of dictionaries as `FPNASSpace` takes them.
        kernels: Tuple of kernel sizes.
        acts: Tuple of names of activations.
        splits: Tuple of numbers of splits.

    Returns:
        `(stem, rows, head)`: a `Conv`, a tuple of `FPNASRow`, a `Conv`.

    Raises:
        ValueError: If a row is invalid, naming it and the field.
    """
    check_table(rows)
    stem = read_conv(read_row(0, rows[0], {"conv": CONV}))
    read, before = [], stem.channels
    for index, row in enumerate(rows[1:-1], 1):
        row = read_row(index, row, {"mbconv": _MBCONV})
        channels = counts(row["c"])
        expansions = tuple(f"{ratio:g}" for ratio in ratios(row["e"]))
        shape = before, channels, row["n"], row["s"]
        micro = kernels, acts, splits
        read.append(FPNASRow(f"row{index}", expansions, *shape, *micro))
        before = channels
    head = read_conv(read_row(len(rows) - 1, rows[-1], {"conv": CONV}))
    return stem, tuple(read), head
