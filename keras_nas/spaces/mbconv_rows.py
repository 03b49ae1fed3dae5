"""From the rows of a table of inverted residual blocks to its stages."""

import dataclasses
import functools
import itertools
import math

from keras_nas.layers.multiples import div8
from keras_nas.spaces.block_schema import ACTIVATIONS
from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.mbconv_parts import BLOCK_TYPES
from keras_nas.spaces.mbconv_parts import Block
from keras_nas.spaces.mbconv_parts import Conv
from keras_nas.spaces.mbconv_parts import IRPool
from keras_nas.spaces.mbconv_parts import Stage

_NOTATIONS = (
    "a tuple (low, high, step) of those that ends at high, or a list of "
    "increasing ones"
)


def _is_ratio(value):
    return type(value) in (int, float) and 0 < value < math.inf


def _is_act(value):
    return isinstance(value, str) and value in ACTIVATIONS


def are_types(value):
    """Whether a value is a list or tuple of different block types."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(v, str) and v in BLOCK_TYPES for v in value)
        and len(set(value)) == len(value)
    )


def is_increasing(values):
    """Whether each of some numbers is greater than the one before it."""
    return all(a < b for a, b in itertools.pairwise(values))


def _options(is_number, value):
    """Returns the options that a value stands for, none if it is invalid."""
    if isinstance(value, tuple):
        value = _steps(is_number, value)
    options = tuple(value) if isinstance(value, list) else (value,)
    is_valid = all(map(is_number, options)) and is_increasing(options)
    return options if is_valid else ()


def _steps(is_number, value):
    if len(value) != 3 or not all(map(is_number, value)):
        return []
    low, high, step = value
    count = round((high - low) / step)
    is_met = math.isclose(low + count * step, high)
    return [low + i * step for i in range(count + 1)] if is_met else []


_counts = functools.partial(_options, is_size)
_ratios = functools.partial(_options, _is_ratio)
_SIZE = "a positive integer", is_size
_COUNTS = f"a positive integer, {_NOTATIONS}", _counts
_RATIOS = f"a positive number, {_NOTATIONS}", _ratios
_BOOL = "true or false", lambda value: isinstance(value, bool)
_ACT = f"one of {list(ACTIVATIONS)}", _is_act
_TYPES = f"a list of different ones of {list(BLOCK_TYPES)}", are_types
_REQUIRED = {
    "conv": {"c": _COUNTS, "kernel": _SIZE, "s": _SIZE, "act": _ACT},
    "mbconv": {"n": _SIZE, "s": _SIZE},
    "ir_pool": {"c": _COUNTS, "mid": _SIZE, "act": _ACT},
}
_OPTIONAL = {
    "conv": {"bias": (True, _BOOL)},
    "mbconv": {
        "c": (None, _COUNTS),
        "e": (None, _RATIOS),
        "mid": (None, _COUNTS),
        "joins": (False, _BOOL),
        "types": (None, _TYPES),
    },
    "ir_pool": {},
}


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
    if not isinstance(rows, (list, tuple)) or len(rows) < 3:
        raise ValueError(
            "Invalid value received for argument `rows`. Expected a list of "
            "dictionaries: a stem, rows of blocks, a head. Received: "
            f"{str(rows)[:200]}"
        )
    stem = _read_conv(_read_row(0, rows[0], ("conv",)))
    stages = [Stage("stem", stem.channels, ())]
    for index, row in enumerate(rows[1:-1], 1):
        row = _read_row(index, row, ("mbconv",))
        _check_mbconv(index, row, stages[-1].channels)
        if not row["joins"]:
            name = f"stage{len(stages)}"
            stages.append(Stage(name, _counts(row["c"]), ()))
        for _ in range(row["n"]):
            _add_block(stages, row, types)
    head = _read_row(len(rows) - 1, rows[-1], ("conv", "ir_pool"))
    if head["op"] == "conv":
        return stem, tuple(stages), _read_conv(head)
    channels = _counts(head["c"])
    return stem, tuple(stages), IRPool(channels, head["mid"], head["act"])


def _read_row(index, row, kinds):
    """Returns a row with the values of keys that it leaves out."""
    expect = functools.partial(_expect, index)
    expect(isinstance(row, dict), "op", "a dictionary", row)
    kind = row.get("op")
    expect(kind in kinds, "op", " or ".join(map(repr, kinds)), repr(kind))
    required, optional = _REQUIRED[kind], _OPTIONAL[kind]
    known = ["op", *required, *optional]
    for key in row:
        expect(key in known, repr(key), f"one of {known}", repr(key))
    for key, (expected, is_valid) in required.items():
        expect(key in row, key, expected, "nothing")
        expect(is_valid(row[key]), key, expected, row[key])
    row = {key: default for key, (default, _) in optional.items()} | row
    for key, (default, (expected, is_valid)) in optional.items():
        is_absent = row[key] is None and default is None
        expect(is_absent or is_valid(row[key]), key, expected, row[key])
    return row


def _check_mbconv(index, row, channels):
    """Checks what the fields of a row of blocks have to do with another."""
    expect = functools.partial(_expect, index)
    has_one = (row["e"] is None) != (row["mid"] is None)
    expect(has_one, "e", "either e or mid", f"{row['e']}, mid {row['mid']}")
    expect(
        row["c"] is not None or row["joins"],
        "c",
        f"{_COUNTS[0]}, in a row that opens a stage",
        "nothing",
    )
    if not row["joins"]:
        return
    expect(row["s"] == 1, "s", "1 in a row that joins", row["s"])
    expect(
        row["c"] is None or _counts(row["c"]) == channels,
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
        return _counts(row["mid"])
    ratios = _ratios(row["e"])
    if ratios == (1,):
        return None
    # Rounding makes some equal.
    return tuple(sorted({div8(ratio * channels) for ratio in ratios}))


def _read_conv(row):
    fields = row["kernel"], row["s"], row["act"], row["bias"]
    return Conv(_counts(row["c"]), *fields)


def _expect(index, condition, field, expected, received):
    if not condition:
        raise ValueError(
            f"Invalid field {field} of rows[{index}]. Expected {expected}. "
            f"Received: {str(received)[:200]}"
        )
