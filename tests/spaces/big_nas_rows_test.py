"""The rows of BigNAS' table."""

import pytest

from keras_nas.spaces.big_nas_rows import read_stages

ROW = (6, [40, 48], [2, 3], 2, [3, 5])


def test_stages_are_the_rows():
    first, second = read_stages([(1, (16,), (1,), 1, (3,)), ROW], (32,))
    assert first.options() == {
        "stage1_channels": (16,),
        "stage1_depth": (1,),
        "stage1_kernel": (3,),
    }
    assert second.options() == {
        "stage2_channels": (40, 48),
        "stage2_depth": (2, 3),
        "stage2_kernel": (3, 5),
    }
    assert (second.name, second.expansion, second.stride) == ("stage2", 6, 2)
    assert (first.before, second.before) == ((32,), (16,))


def test_the_first_block_changes_the_shape():
    (stage,) = read_stages([ROW], (24,))
    first, other = stage.first(24, 48, 5), stage.other(48, 5)
    assert (first["cin"], first["cout"], first["stride"]) == (24, 48, 2)
    assert (other["cin"], other["cout"], other["stride"]) == (48, 48, 1)
    assert (first["mid"], other["mid"]) == ([144], [288])
    assert (first["se_hidden"], other["se_hidden"]) == (6, 12)
    for block in (first, other):
        assert block["kernels"] == [5] and block["expand"]
        assert (block["act"], block["residual"]) == ("swish", "avgpool/1x1")


def test_nothing_is_expanded_where_t_is_1():
    (stage,) = read_stages([(1, [16], [1, 2], 1, [3])], [32])
    block = stage.first(32, 16, 3)
    assert not block["expand"] and block["mid"] == [32]
    assert block["se_hidden"] == 8


@pytest.mark.parametrize(
    "stem, channels, expected",
    [
        ([8], [8], False),
        ([8], [16], True),
        ([8, 16], [8], True),
        ([8], [8, 16], True),
        ([8, 16], [8, 16], True),
    ],
)
def test_the_space_decides_on_the_kernel_of_a_shortcut(
    stem, channels, expected
):
    stage, same = read_stages(
        [(2, channels, [1, 2], 2, [3]), (2, channels, [1], 1, [3])], stem
    )
    for cin in stem:
        for cout in channels:
            assert stage.first(cin, cout, 3)["shortcut_conv"] == expected
    # The other blocks of a stage never change the channels.
    assert "shortcut_conv" not in stage.other(8, 3)
    assert same.first(8, 8, 3)["shortcut_conv"] == (len(channels) > 1)


def test_few_channels_have_one_in_the_squeeze():
    (stage,) = read_stages([ROW], (24,))
    assert stage.first(1, 40, 3)["se_hidden"] == 1


@pytest.mark.parametrize("rows", [None, [], {}, "rows", 3])
def test_other_tables_are_refused(rows):
    with pytest.raises(ValueError, match="argument `rows`"):
        read_stages(rows, (32,))


@pytest.mark.parametrize(
    "field, index, value",
    [
        ("t", 0, 0),
        ("t", 0, 1.5),
        ("c", 1, 40),
        ("c", 1, [48, 40]),
        ("c", 1, [40, 40]),
        ("c", 1, []),
        ("n", 2, [0, 1]),
        ("n", 2, 2),
        ("s", 3, True),
        ("s", 3, None),
        ("kernels", 4, 3),
        ("kernels", 4, ["3"]),
    ],
)
def test_what_does_not_fit_is_named(field, index, value):
    row = list(ROW)
    row[index] = value
    with pytest.raises(ValueError, match=rf"field {field} of rows\[1\]"):
        read_stages([ROW, row], (32,))


def test_rows_have_five_fields():
    with pytest.raises(ValueError, match=r"rows\[0\].*\(t, c, n, s, kernels\)"):
        read_stages([ROW[:4]], (32,))
