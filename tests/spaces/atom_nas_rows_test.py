"""Rows of AtomNAS' table: what they say, and which are refused."""

import pytest

from keras_nas.spaces import AtomNASSpace
from keras_nas.spaces.atom_nas_rows import AtomPlace

FIRST = (1, 8, 1, 1, [3])
BODY = (2, 16, 2, 2, [3, 7])


def tiny(*rows, stem=8, **kwargs):
    return AtomNASSpace("tiny", rows, stem, **kwargs)


def test_places_of_a_table():
    last = (3, 24, 1, 1, (5,))
    assert tiny(FIRST, BODY, last).places == (
        AtomPlace("block1", 8, 8, 1, (3,), 8, False),
        AtomPlace("block2", 8, 16, 2, (3, 7), 16, True),
        AtomPlace("block3", 16, 16, 1, (3, 7), 32, True),
        AtomPlace("block4", 16, 24, 1, (5,), 48, True),
    )


def test_the_input_is_added_where_the_shape_stays():
    """Also in the first block of a row, unlike in an `MBConvSpace`."""
    places = tiny(FIRST, BODY, (2, 16, 1, 1, [3]), (2, 16, 1, 2, [3])).places
    residuals = [place.residual for place in places]
    assert residuals == [True, False, True, True, False]


@pytest.mark.parametrize(
    "changes, field",
    [
        ({0: 0}, "t"),
        ({0: 1.5}, "t"),
        ({1: -8}, "c"),
        ({2: 0}, "n"),
        ({3: True}, "s"),
        ({4: 3}, "kernels"),
        ({4: []}, "kernels"),
        ({4: [5, 3]}, "kernels"),
        ({4: [3, 3]}, "kernels"),
        ({0: 1}, "kernels"),
    ],
)
def test_rows_are_refused_by_field(changes, field):
    row = [changes.get(index, value) for index, value in enumerate(BODY)]
    with pytest.raises(ValueError, match=rf"field {field} of rows\[1\]"):
        tiny(FIRST, row)


@pytest.mark.parametrize("row", [None, 3, (), BODY[:4], {"t": 6}])
def test_what_is_no_row_is_refused(row):
    with pytest.raises(ValueError, match=r"rows\[0\].*\(t, c, n, s, kernels"):
        tiny(row)


@pytest.mark.parametrize("rows", [[], None, "rows", [FIRST]])
def test_a_table_without_anything_to_decide_is_refused(rows):
    with pytest.raises(ValueError, match="argument `rows`"):
        AtomNASSpace("tiny", rows)


@pytest.mark.parametrize("key", ["stem", "stem_stride", "head", "resolution"])
@pytest.mark.parametrize("value", [0, -1, 2.0, None, [8]])
def test_other_arguments_are_refused(key, value):
    with pytest.raises(ValueError, match=f"argument `{key}`.*positive integer"):
        tiny(BODY, **{key: value})
