"""Rows of a table: what they say, and which are refused."""

import copy

import pytest

from keras_nas.layers.multiples import div8
from keras_nas.layers.multiples import se_hidden
from keras_nas.spaces import MBConvSpace
from keras_nas.spaces.mbconv_parts import BLOCK_TYPES
from keras_nas.spaces.mbconv_parts import Block
from keras_nas.spaces.mbconv_parts import Conv
from keras_nas.spaces.mbconv_parts import IRPool
from keras_nas.spaces.mbconv_parts import Stage

STEM = dict(op="conv", kernel=3, c=[8, 16], s=2, act="hswish")
FIRST = dict(op="mbconv", e=1, n=1, s=1, joins=True, types=["ir_k3", "ir_k5"])
BODY = dict(op="mbconv", mid=[8, 16], c=(8, 16, 8), n=2, s=2)
HEAD = dict(op="conv", kernel=1, c=[24, 32], s=1, act="relu")
POOL = dict(op="ir_pool", mid=40, c=[24, 32], act="hswish")
NINE = (
    "skip",
    "ir_k3",
    "ir_k3_hs",
    "ir_k3_se",
    "ir_k3_se_hs",
    "ir_k5",
    "ir_k5_hs",
    "ir_k5_se",
    "ir_k5_se_hs",
)


def tiny(*rows, types=("skip", "ir_k3_se_hs")):
    return MBConvSpace("tiny", rows, types)


def test_stages_of_a_table():
    wide = {**BODY, "mid": 24, "n": 1, "s": 1, "joins": True, "c": [8, 16]}
    last = {**BODY, "e": (1, 2, 0.5), "c": 24, "types": ["ir_k5", "ir_k3"]}
    del last["mid"]
    space = tiny(STEM, FIRST, BODY, wide, last, POOL)
    first, types = ("ir_k3", "ir_k5"), ("skip", "ir_k3_se_hs")
    assert space.stem == Conv((8, 16), 3, 2, "hswish", True)
    assert space.head == IRPool((24, 32), 40, "hswish")
    assert space.stages == (
        Stage(
            "stem",
            (8, 16),
            (Block("stem_block1", first, None, 1, True),),
        ),
        Stage(
            "stage1",
            (8, 16),
            (
                Block("stage1_block1", types, (8, 16), 2, False),
                Block("stage1_block2", types, (8, 16), 1, True),
                Block("stage1_block3", types, (24,), 1, True),
            ),
        ),
        Stage(
            "stage2",
            (24,),
            (
                Block("stage2_block1", first, (16, 24, 32), 2, False),
                Block("stage2_block2", first, (24, 40, 48), 1, True),
            ),
        ),
    )
    assert "stage1_block3_expanded" not in space.decisions
    assert "stage2_channels" not in space.decisions


def test_a_stem_that_nothing_joins_has_an_empty_stage():
    stages = tiny(STEM, BODY, HEAD).stages
    assert stages[0] == Stage("stem", (8, 16), ())
    assert [stage.name for stage in stages] == ["stem", "stage1"]


@pytest.mark.parametrize(
    "value, rounded",
    # Expansions of 28 channels, halves, the floor of 8, and 0.95 of a value.
    [(21, 24), (35, 40), (49, 48), (63, 64), (77, 80), (91, 88)]
    + [(12, 16), (20, 24), (36, 40), (0, 8), (8, 8), (9, 16), (8.4, 8)]
    + [(59.2, 64), (100, 104), (16.5, 16)],
)
def test_multiples_of_8(value, rounded):
    assert div8(value) == rounded


@pytest.mark.parametrize(
    "mid, hidden", [(3, 8), (48, 16), (128, 32), (144, 40), (200, 48)]
)
def test_channels_of_squeeze_excite(mid, hidden):
    assert se_hidden(mid) == hidden


@pytest.mark.parametrize(
    "e, first, second",
    [
        ((0.75, 3.25, 0.5), (16, 24, 32, 40, 48, 56), (24, 40, 48, 64, 80, 88)),
        ((0.1, 0.5, 0.1), (8,), (8, 16)),
        ([0.5, 1], (8, 16), (16, 32)),
        (6, (96,), (168,)),
        (1, None, None),
        (1.0, None, None),
        ([1], None, None),
    ],
)
def test_expansions_are_relative_to_the_most_channels(e, first, second):
    row = {"op": "mbconv", "e": e, "c": (16, 28, 4), "n": 2, "s": 1}
    blocks = tiny(STEM, row, HEAD).stages[1].blocks
    assert [block.expanded for block in blocks] == [first, second]


def test_types_are_put_in_order():
    assert tuple(BLOCK_TYPES) == NINE
    space = tiny(STEM, BODY, HEAD, types=None)
    assert space.stages[1].blocks[0].types == NINE
    space = tiny(STEM, FIRST, BODY, HEAD, types=NINE[::-1])
    assert space.decisions["stage1_block1_type"] == NINE
    assert space.decisions["stem_block1_type"] == ("ir_k3", "ir_k5")


def test_rows_are_kept():
    rows = [STEM, FIRST, BODY, HEAD]
    before = copy.deepcopy(rows)
    tiny(*rows)
    assert rows == before


def without(row, key):
    return {k: v for k, v in row.items() if k != key}


EXPANDED = {**without(BODY, "mid"), "e": (1, 3, 1)}
JOINED = {**BODY, "s": 1, "joins": True}


@pytest.mark.parametrize(
    "row, field, expected, received",
    [
        ([], "op", "a dictionary", r"\[\]"),
        (HEAD, "op", "'mbconv'", "'conv'"),
        (without(BODY, "op"), "op", "'mbconv'", "None"),
        ({**BODY, "op": ["mbconv"]}, "op", "'mbconv'", r"\['mbconv'\]"),
        (without(BODY, "n"), "n", "positive integer", "nothing"),
        ({**BODY, "n": 0}, "n", "positive integer", "0"),
        ({**BODY, "s": 2.0}, "s", "positive integer", "2.0"),
        ({**BODY, "stride": 2}, "'stride'", "one of .*'s'", "'stride'"),
        ({**BODY, 3: 2}, "3", "one of", "3"),
        (without(BODY, "c"), "c", "opens a stage", "nothing"),
        ({**BODY, "c": 8.0}, "c", "positive integer", "8.0"),
        ({**BODY, "c": True}, "c", "positive integer", "True"),
        ({**BODY, "c": []}, "c", "increasing", r"\[\]"),
        ({**BODY, "c": [16, 8]}, "c", "increasing", r"\[16, 8\]"),
        ({**BODY, "c": [8, 8]}, "c", "increasing", r"\[8, 8\]"),
        ({**BODY, "c": [8, "16"]}, "c", "increasing", r"\[8, '16'\]"),
        ({**BODY, "c": (8, 16)}, "c", r"\(low, high, step\)", r"\(8, 16\)"),
        ({**BODY, "c": (8, 17, 4)}, "c", "ends at high", r"\(8, 17, 4\)"),
        ({**BODY, "c": (16, 8, 4)}, "c", "ends at high", r"\(16, 8, 4\)"),
        ({**BODY, "c": (8, 16, 0)}, "c", "ends at high", r"\(8, 16, 0\)"),
        ({**BODY, "mid": 0}, "mid", "positive integer", "0"),
        ({**BODY, "e": 1}, "e", "either e or mid", "1, mid"),
        (without(BODY, "mid"), "e", "either e or mid", "None, mid None"),
        ({**EXPANDED, "e": 0}, "e", "positive number", "0"),
        ({**EXPANDED, "e": "6"}, "e", "positive number", "6"),
        ({**EXPANDED, "e": float("inf")}, "e", "positive number", "inf"),
        ({**EXPANDED, "e": (1, 2, 0.3)}, "e", "ends at high", r"\(1, 2, 0\.3"),
        ({**BODY, "joins": 1}, "joins", "true or false", "1"),
        ({**JOINED, "s": 2}, "s", "1 in a row that joins", "2"),
        ({**JOINED, "c": 24}, "c", r"\(8, 16\), those of the stage", "24"),
        ({**BODY, "types": []}, "types", "'skip'", r"\[\]"),
        ({**BODY, "types": "skip"}, "types", "a list", "skip"),
        ({**BODY, "types": ["ir_k7"]}, "types", "'ir_k5'", r"\['ir_k7'\]"),
        ({**BODY, "types": [["skip"]]}, "types", "'skip'", r"\[\['skip'\]\]"),
        ({**BODY, "types": 2 * ["skip"]}, "types", "different", r"\['skip', "),
    ],
)
def test_rows_that_do_not_fit_are_refused(row, field, expected, received):
    message = (
        rf"field {field} of rows\[2\]\. Expected .*{expected}.*"
        rf"Received: {received}"
    )
    with pytest.raises(ValueError, match=message):
        tiny(STEM, FIRST, row, HEAD)


@pytest.mark.parametrize(
    "stem, head, field, row",
    [
        (BODY, HEAD, "op", 0),
        (POOL, HEAD, "op", 0),
        (STEM, BODY, "op", 2),
        ({**STEM, "c": "8"}, HEAD, "c", 0),
        ({**STEM, "act": "tanh"}, HEAD, "act", 0),
        ({**STEM, "bias": None}, HEAD, "bias", 0),
        (without(STEM, "kernel"), HEAD, "kernel", 0),
        (STEM, {**HEAD, "act": ["relu"]}, "act", 2),
        (STEM, {**POOL, "mid": [8, 16]}, "mid", 2),
        (STEM, {**POOL, "flatten": True}, "'flatten'", 2),
    ],
)
def test_stems_and_heads_that_do_not_fit_are_refused(stem, head, field, row):
    with pytest.raises(ValueError, match=rf"field {field} of rows\[{row}\]"):
        tiny(stem, BODY, head)


@pytest.mark.parametrize("rows", [None, [], [STEM, HEAD], STEM, "rows"])
def test_what_is_no_table_is_refused(rows):
    with pytest.raises(ValueError, match="argument `rows`.*a stem"):
        MBConvSpace("tiny", rows)


@pytest.mark.parametrize("types", ["skip", [], ["ir_k4"], [3], ["skip"] * 2])
def test_other_types_are_refused(types):
    with pytest.raises(ValueError, match="argument `types`.*'ir_k5_se_hs'"):
        tiny(STEM, BODY, HEAD, types=types)
