"""From the rows of a table of inverted residual blocks to its stages."""

import dataclasses
import functools

from keras_nas.layers.multiples import div8
from keras_nas.spaces.mbconv_parts import BLOCK_TYPES
from keras_nas.spaces.mbconv_parts import Block
from keras_nas.spaces.mbconv_parts import IRPool
from keras_nas.spaces.mbconv_parts import Stage
from keras_nas.spaces.table_rows import ACT
from keras_nas.spaces.table_rows import BOOL
from keras_nas.spaces.table_rows import CONV
from keras_nas.spaces.table_rows import COUNTS
from keras_nas.spaces.table_rows import RATIOS
from keras_nas.spaces.table_rows import SIZE
from keras_nas.spaces.table_rows import check_table
from keras_nas.spaces.table_rows import counts
from keras_nas.spaces.table_rows import expect
from keras_nas.spaces.table_rows import ratios
from keras_nas.spaces.table_rows import read_conv
from keras_nas.spaces.table_rows import read_row


def are_types(value):
    """Whether a value is a list or tuple of different block types."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(v, str) and v in BLOCK_TYPES for v in value)
        and len(set(value)) == len(value)
    )


_TYPES = f"a list of different ones of {list(BLOCK_TYPES)}", are_types
_MBCONV = (
    {"n": SIZE, "s": SIZE},
    {
        "c": (None, COUNTS),
        "e": (None, RATIOS),
        "mid": (None, COUNTS),
        "joins": (False, BOOL),
        "types": (None, _TYPES),
    },
)
_IR_POOL = {"c": COUNTS, "mid": SIZE, "act": ACT}, {}
_HEADS = {"conv": CONV, "ir_pool": _IR_POOL}


def read_rows(rows, types):
    """Returns what the rows of a table say.

    Args:
        rows: List of dictionaries as `MBConvSpace` takes them.
        types: Tuple of the block types of rows that have none of their own.

    Returns:
        `(stem, stages, head)`: a `Conv`; a tuple of `Stage`, of which the
        first, called "stem", has the blocks that join the stem; and a `Conv`
        or an `IRPool`.

    Raises:
        ValueError: If a row is invalid, naming it and the field.
    """
    check_table(rows)
    stem = read_conv(read_row(0, rows[0], {"conv": CONV}))
    stages = [Stage("stem", stem.channels, ())]
    for index, row in enumerate(rows[1:-1], 1):
        row = read_row(index, row, {"mbconv": _MBCONV})
        _check_mbconv(index, row, stages[-1].channels)
        if not row["joins"]:
            name = f"stage{len(stages)}"
            stages.append(Stage(name, counts(row["c"]), ()))
        for _ in range(row["n"]):
            _add_block(stages, row, types)
    head = read_row(len(rows) - 1, rows[-1], _HEADS)
    if head["op"] == "conv":
        return stem, tuple(stages), read_conv(head)
    channels = counts(head["c"])
    return stem, tuple(stages), IRPool(channels, head["mid"], head["act"])


def _check_mbconv(index, row, channels):
    """Checks what the fields of a row of blocks have to do with another."""
    check = functools.partial(expect, index)
    has_one = (row["e"] is None) != (row["mid"] is None)
    check(has_one, "e", "either e or mid", f"{row['e']}, mid {row['mid']}")
    check(
        row["c"] is not None or row["joins"],
        "c",
        f"{COUNTS[0]}, in a row that opens a stage",
        "nothing",
    )
    if not row["joins"]:
        return
    check(row["s"] == 1, "s", "1 in a row that joins", row["s"])
    check(
        row["c"] is None or counts(row["c"]) == channels,
        "c",
        f"{channels}, those of the stage that the row joins",
        row["c"],
    )


def _add_block(stages, row, types):
    """Adds a block of a row to the last of some stages."""
    stage = stages[-1]
    number = len(stage.blocks) + 1
    opens = number == 1 and len(stages) > 1
    before = stages[-2] if opens else stage
    block = Block(
        name=f"{stage.name}_block{number}",
        types=in_order(row["types"] or types),
        expanded=_expanded(row, before.channels[-1]),
        stride=row["s"] if opens else 1,
        residual=not opens,
    )
    blocks = (*stage.blocks, block)
    stages[-1] = dataclasses.replace(stage, blocks=blocks)


def in_order(types):
    """Returns block types from the cheapest to the most expensive."""
    return tuple(kind for kind in BLOCK_TYPES if kind in types)


def _expanded(row, channels):
    """Returns the options of a block whose input has at most `channels`."""
    if row["mid"] is not None:
        return counts(row["mid"])
    options = ratios(row["e"])
    if options == (1,):
        return None
    # Rounding makes some equal.
    return tuple(sorted({div8(ratio * channels) for ratio in options}))
