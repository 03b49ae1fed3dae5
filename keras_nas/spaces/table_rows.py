"""What the rows of tables of blocks may say, and the check of one."""

import functools
import itertools
import math

from keras_nas.spaces.block_schema import ACTIVATIONS
from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.mbconv_parts import Conv

_NOTATIONS = (
    "a tuple (low, high, step) of those that ends at high, or a list of "
    "increasing ones"
)


def _is_ratio(value):
    return type(value) in (int, float) and 0 < value < math.inf


def _is_act(value):
    return isinstance(value, str) and value in ACTIVATIONS


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


# From a field to the options that it stands for.
counts = functools.partial(_options, is_size)
ratios = functools.partial(_options, _is_ratio)

# What to say about a field, and how to check it.
SIZE = "a positive integer", is_size
COUNTS = f"a positive integer, {_NOTATIONS}", counts
RATIOS = f"a positive number, {_NOTATIONS}", ratios
BOOL = "true or false", lambda value: isinstance(value, bool)
ACT = f"one of {list(ACTIVATIONS)}", _is_act

# The fields of a row that have to be there, and those that may be left out,
# with what they are then.
CONV = (
    {"c": COUNTS, "kernel": SIZE, "s": SIZE, "act": ACT},
    {"bias": (True, BOOL)},
)


def check_table(rows):
    """Raises a `ValueError` unless there are a stem, rows, and a head."""
    if not isinstance(rows, (list, tuple)) or len(rows) < 3:
        raise ValueError(
            "Invalid value received for argument `rows`. Expected a list of "
            "dictionaries: a stem, rows of blocks, a head. Received: "
            f"{str(rows)[:200]}"
        )


def read_row(index, row, kinds):
    """Returns a row with the values of keys that it leaves out.

    Args:
        index: Integer, its place in the table.
        row: Dictionary with an `op`.
        kinds: Dictionary from each possible `op` to the fields that have to
            be there and those that may be left out, such as `CONV`.

    Raises:
        ValueError: If the row is invalid, naming it and the field.
    """
    check = functools.partial(expect, index)
    check(isinstance(row, dict), "op", "a dictionary", row)
    kind = row.get("op")
    is_kind = isinstance(kind, str) and kind in kinds
    check(is_kind, "op", " or ".join(map(repr, kinds)), repr(kind))
    required, optional = kinds[kind]
    known = ["op", *required, *optional]
    for key in row:
        check(key in known, repr(key), f"one of {known}", repr(key))
    for key, (expected, is_valid) in required.items():
        check(key in row, key, expected, "nothing")
        check(is_valid(row[key]), key, expected, row[key])
    row = {key: default for key, (default, _) in optional.items()} | row
    for key, (default, (expected, is_valid)) in optional.items():
        is_absent = row[key] is None and default is None
        check(is_absent or is_valid(row[key]), key, expected, row[key])
    return row


def read_conv(row):
    """Returns the `Conv` of a row that `read_row` has read."""
    fields = row["kernel"], row["s"], row["act"], row["bias"]
    return Conv(counts(row["c"]), *fields)


def expect(index, condition, field, expected, received):
    """Raises a `ValueError` that names a row and a field, on a condition."""
    if not condition:
        raise ValueError(
            f"Invalid field {field} of rows[{index}]. Expected {expected}. "
            f"Received: {str(received)[:200]}"
        )
