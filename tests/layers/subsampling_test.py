"""Evenly spread pixels, against loops over floor(i L / n)."""

import numpy as np
import pytest

from keras_nas.layers import subsample
from keras_nas.layers.subsampling import pair
from keras_nas.layers.subsampling import put_back
from keras_nas.layers.subsampling import spatial_axes
from keras_nas.layers.subsampling import spread
from tests.layers.layer_checks import to_numpy

_PLACES = [
    (1, 7, [0]),
    (2, 4, [0, 2]),
    (2, 5, [0, 2]),
    (3, 5, [0, 1, 3]),
    (3, 8, [0, 2, 5]),
    (5, 7, [0, 1, 2, 4, 5]),
    (5, 8, [0, 1, 3, 4, 6]),
    (4, 4, [0, 1, 2, 3]),
]
_SIZES = [
    ((3, 4), (8, 6)),
    ((5, 7), (5, 9)),
    ((1, 1), (4, 3)),
    ((6, 2), (6, 2)),
]


def images(height, width, channels=2):
    """Returns a batch of two images whose values all differ, and are not 0."""
    number = 2 * height * width * channels
    values = np.arange(1.0, number + 1.0, dtype="float32")
    return values.reshape((2, height, width, channels))


def pixels(size, full):
    """Returns `(row, column, row in the small image, column there)`."""
    for i in range(size[0]):
        for j in range(size[1]):
            row, column = i * full[0] // size[0], j * full[1] // size[1]
            yield row, column, i, j


@pytest.mark.parametrize("number, length, places", _PLACES)
def test_places_by_hand(number, length, places):
    assert spread(number, length).tolist() == places


@pytest.mark.parametrize("size, full", _SIZES)
def test_pixels_that_are_taken(size, full):
    x = images(*full)
    y = to_numpy(subsample(x, size))
    assert y.shape == (2, *size, 2)
    for row, column, i, j in pixels(size, full):
        np.testing.assert_array_equal(y[:, i, j], x[:, row, column])


def test_half_the_size_is_every_other_pixel():
    x = images(8, 6)
    y = to_numpy(subsample(x, (4, 3)))
    np.testing.assert_array_equal(y, x[:, ::2, ::2])


def test_one_number_is_height_and_width():
    x = images(6, 6)
    np.testing.assert_array_equal(subsample(x, 4), subsample(x, (4, 4)))
    np.testing.assert_array_equal(subsample(x, [4, 4]), subsample(x, (4, 4)))
    assert pair(4) == pair([4, 4]) == (4, 4)


@pytest.mark.parametrize("size, full", _SIZES)
def test_pixels_are_put_back_where_they_were(size, full):
    x = images(*full)
    y = to_numpy(put_back(subsample(x, size), full))
    expected = np.zeros_like(x)
    for row, column, _, _ in pixels(size, full):
        expected[:, row, column] = x[:, row, column]
    np.testing.assert_array_equal(y, expected)


def test_twice_the_size_has_zeros_in_every_other_row_and_column():
    y = to_numpy(put_back(images(2, 3), (4, 6)))
    np.testing.assert_array_equal(y[:, ::2, ::2], images(2, 3))
    assert not y[:, 1::2].any() and not y[:, :, 1::2].any()


@pytest.mark.parametrize("size, full", _SIZES)
def test_channels_first(size, full):
    x = images(*full)
    first = np.moveaxis(x, 3, 1)
    small = to_numpy(subsample(first, size, "channels_first"))
    np.testing.assert_array_equal(np.moveaxis(small, 1, 3), subsample(x, size))
    back = to_numpy(put_back(small, full, "channels_first"))
    expected = to_numpy(put_back(subsample(x, size), full))
    np.testing.assert_array_equal(np.moveaxis(back, 1, 3), expected)
    assert spatial_axes("channels_first") == (2, 3)
    assert spatial_axes("channels_last") == (1, 2)


def test_pixels_of_figure_5():
    """Those of 2x2 in 8x8 are among those of 4x4, and at its corners."""
    ones = np.ones((1, 8, 8, 1), "float32")
    total = np.zeros((8, 8))
    for size in (2, 4):
        total += to_numpy(put_back(subsample(ones, size), (8, 8)))[0, :, :, 0]
    assert sorted(zip(*np.nonzero(total == 2), strict=True)) == [
        (0, 0),
        (0, 4),
        (4, 0),
        (4, 4),
    ]
    assert (total == 1).sum() == 16 - 4 and (total == 0).sum() == 64 - 16


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize("factor, length", [(2, 20), (3, 16), (4, 21)])
def test_a_divisor_of_a_size_takes_some_of_its_pixels(number, factor, length):
    few, many = spread(number, length), spread(factor * number, length)
    assert set(few) < set(many)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
def test_values_keep_their_type(dtype):
    x = images(4, 4).astype(dtype)
    small = to_numpy(subsample(x, 3))
    assert small.dtype == to_numpy(put_back(small, (4, 4))).dtype == dtype


def test_nothing_but_a_missing_size_is_computed():
    x = images(4, 6)
    assert subsample(x, (4, 6)) is x
    assert put_back(x, (4, 6)) is x


@pytest.mark.parametrize("size", [9, (8, 7), (9, 6)])
def test_more_pixels_than_there_are(size):
    with pytest.raises(ValueError, match=r"argument `size`.*\(2, 8, 6, 2\)"):
        subsample(images(8, 6), size)
