"""The rows of FP-NAS' table."""

import pytest

from keras_nas.spaces import FPNASSpace
from keras_nas.spaces.fp_nas_rows import read_rows
from keras_nas.spaces.mbconv_parts import Conv

STEM = dict(op="conv", kernel=3, c=[8, 16], s=2, act="swish")
FIRST = dict(op="mbconv", e=1, c=(8, 16, 4), n=1, s=1)
BODY = dict(op="mbconv", e=(0.75, 4.5, 0.75), c=[24, 40], n=2, s=2)
HEAD = dict(op="conv", kernel=1, c=64, s=1, act="relu", bias=False)
MICRO = (0, 3, 5), ("relu", "swish"), (0, 1, 2)


def test_rows_of_a_table():
    stem, (first, body), head = read_rows([STEM, FIRST, BODY, HEAD], *MICRO)
    assert stem == Conv((8, 16), 3, 2, "swish", True)
    assert head == Conv((64,), 1, 1, "relu", False)
    assert (first.name, body.name) == ("row1", "row2")
    assert (first.before, body.before) == ((8, 16), (8, 12, 16))
    assert (body.repeats, body.stride) == (2, 2)
    assert body.options() == {
        "row2_kernel": (0, 3, 5),
        "row2_act": ("relu", "swish"),
        "row2_splits": (0, 1, 2),
        "row2_expansion": ("0.75", "1.5", "2.25", "3", "3.75", "4.5"),
        "row2_channels": (24, 40),
    }
    assert (first.expands, body.expands) == (False, True)


def blocks(cin=12, kernel=5, act="relu", splits=0, expansion="1.5", cout=24):
    _, (_, body), _ = read_rows([STEM, FIRST, BODY, HEAD], *MICRO)
    return body.blocks(cin, kernel, act, splits, expansion, cout)


def test_blocks_of_a_row():
    shared = {"type": "mbconv", "kernels": [5], "act": "relu", "expand": True}
    assert blocks() == [
        # 1.5 * 12 = 18, and 16 is less than 0.95 of it; 1.5 * 24 = 36.
        {**shared, "cin": 12, "cout": 24, "stride": 2, "mid": [24]}
        | {"residual": None},
        {**shared, "cin": 24, "cout": 24, "stride": 1, "mid": [40]}
        | {"residual": "add"},
    ]


def test_expansions_are_relative_to_the_decided_input():
    mids = [block["mid"] for block in blocks(cin=8, expansion="3", cout=40)]
    assert mids == [[24], [120]]


def test_blocks_of_a_kernel_of_0():
    assert blocks(kernel=0, splits=2) == [
        {"type": "skip", "cin": 12, "cout": 24, "stride": 2},
        {"type": "skip", "cin": 24, "cout": 24, "stride": 1},
    ]


def test_attention():
    keys = ("se_hidden", "se_gate", "splits")
    by_splits = [
        {key: block[key] for key in keys if key in block}
        for block in (blocks(splits=r)[1] for r in (0, 1, 2))
    ]
    assert by_splits == [
        {},
        # A quarter of 40, rounded to a multiple of 8, at least 0.95 of it.
        {"se_hidden": 16, "se_gate": "hard_sigmoid"},
        {"se_hidden": 16, "splits": 2},
    ]


@pytest.mark.parametrize("cin, residual", [(8, "add"), (16, None)])
def test_a_row_that_expands_nothing(cin, residual):
    _, (first, _), _ = read_rows([STEM, FIRST, BODY, HEAD], *MICRO)
    (block,) = first.blocks(cin, 3, "swish", 0, "1", 8)
    assert not block["expand"] and block["mid"] == [cin]
    assert block["residual"] == residual


@pytest.mark.parametrize(
    "row, field",
    [
        ({**BODY, "e": 0}, "e"),
        ({**BODY, "e": (0.75, 4, 0.75)}, "e"),
        ({**BODY, "c": [16, 8]}, "c"),
        ({**BODY, "c": 8.0}, "c"),
        ({**BODY, "n": 0}, "n"),
        ({**BODY, "s": None}, "s"),
        ({**BODY, "joins": True}, "'joins'"),
        ({"op": "mbconv", "e": 1, "c": 8, "n": 1}, "s"),
        (STEM, "op"),
        ({**BODY, "op": ["mbconv"]}, "op"),
        (8, "op"),
    ],
)
def test_rows_that_are_none(row, field):
    with pytest.raises(ValueError, match=rf"field {field} of rows\[2\]"):
        read_rows([STEM, FIRST, row, HEAD], *MICRO)


@pytest.mark.parametrize("rows", [None, [], [STEM, HEAD]])
def test_tables_that_are_none(rows):
    with pytest.raises(ValueError, match="argument `rows`"):
        FPNASSpace("none", rows)
