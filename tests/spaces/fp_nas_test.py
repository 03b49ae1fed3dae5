"""The spaces of FP-NAS: as large and as expensive as printed."""

import functools
import math

import numpy as np
import pytest

from keras_nas import spaces

MICRO = 3 * 2 * 2  # Table 2, first row.
EXPANSIONS = 6  # From 0.75 to 4.5 in steps of 0.75.
CHANNELS = (2, 3, 3, 4, 4, 5, 5, 6, 10, 10)  # Table 1, from row to row.
REPEATS = (1, 1, 2, 1, 2, 1, 2, 3, 1, 3)
SAMPLES = 40_000


@functools.cache
def space(name):
    """Returns a space whose tables are made once for all tests."""
    return spaces.find_space(name)


def blocks(name):
    return sum(row.repeats for row in space(name).rows)


def one_digit(number):
    return f"{number:.0e}"


def with_splits(splits, kernel=None, kind="fp_nas_f_plus"):
    """Returns the biggest network with some splits and kernel everywhere."""
    biggest = space(kind).biggest()
    decisions = dict(biggest.decisions)
    for key in decisions:
        if key.endswith("_splits"):
            decisions[key] = splits
        if key.endswith("_kernel"):
            decisions[key] = kernel or decisions[key]
    return type(biggest)(biggest.name, decisions)


def median(name):
    macs, _ = space(name).costs(space(name).sample_indices(SAMPLES, seed=0))
    return np.median(macs)


def test_size_and_first_samples_of_f():
    """Section 5.2.1: 14 samples at the beginning, a quarter of the nats."""
    size = MICRO**10 * EXPANSIONS**9 * math.prod(CHANNELS)
    assert space("fp_nas_f").size() == size == 2695612494689630945280000
    assert len(space("fp_nas_f").rows) == 10 and blocks("fp_nas_f") == 17
    entropy = math.log(size)
    assert entropy == pytest.approx(56.25, abs=0.005)
    assert int(entropy / 4) == 14
    # The print would have one row more like the first.
    assert one_digit(size * MICRO * 2) == one_digit(6e25)


def test_groups_of_f():
    """Section 3.3: 720 and 23 parameters of a row with five variables."""
    f = space("fp_nas_f")
    options = [len(f.decisions[key]) for key in f.groups["row9"]]
    assert options == [3, 2, 2, 6, 10]
    assert (math.prod(options), sum(options)) == (720, 23)
    assert len(f.groups["row1"]) == 4


def test_rows_of_f():
    rows = space("fp_nas_f").rows
    assert tuple(len(row.channels) for row in rows) == CHANNELS
    assert tuple(row.repeats for row in rows) == REPEATS
    assert [row.stride for row in rows] == [1, 2, 1, 2, 1, 2, 1, 1, 2, 1]
    assert rows[0].channels == (12, 16) and rows[0].expansions == ("1",)
    assert rows[8].channels == tuple(range(112, 185, 8))
    ratios = ("0.75", "1.5", "2.25", "3", "3.75", "4.5")
    assert all(row.expansions == ratios for row in rows[1:])


def test_size_of_the_fine_space():
    per_row = [12, *9 * [12 * EXPANSIONS]]
    sizes = {
        "micro": math.prod(
            MICRO**n * c for n, c in zip(REPEATS, CHANNELS, strict=True)
        )
        * EXPANSIONS**9,
        "expansions": math.prod(
            m**n * c for m, n, c in zip(per_row, REPEATS, CHANNELS, strict=True)
        ),
        "all": math.prod(
            (m * c) ** n
            for m, n, c in zip(per_row, REPEATS, CHANNELS, strict=True)
        ),
    }
    printed = {key: f"{size:.2e}" for key, size in sizes.items()}
    assert printed == {
        "micro": "9.66e+31",
        "expansions": "2.70e+37",
        "all": "5.84e+42",
    }
    assert space("fp_nas_f_fine").size() == sizes["all"]
    assert blocks("fp_nas_f_fine") == len(space("fp_nas_f_fine").rows) == 17


def test_the_fine_space_has_the_networks_of_f():
    picked = space("fp_nas_f").sample(0)
    decisions, row = {}, 0
    for index, repeats in enumerate(REPEATS, 1):
        for _ in range(repeats):
            row += 1
            for key in space("fp_nas_f").groups[f"row{index}"]:
                _, end = key.split("_")
                decisions[f"row{row}_{end}"] = picked.decisions[key]
    fine = type(picked)("fp_nas_f_fine", decisions)
    blocks_of_fine = space("fp_nas_f_fine").blocks(fine)
    assert blocks_of_fine == space("fp_nas_f").blocks(picked)


def test_size_of_f_plus():
    """Section 4: over 10^3 times larger."""
    ratio = space("fp_nas_f_plus").size() / space("fp_nas_f").size()
    assert ratio == 2**10


def test_largest_networks_of_f_plus():
    """Section 4 says 122M at 128 pixels; see what the module says."""
    picks = [with_splits(4), with_splits(2), with_splits(4, 3), with_splits(1)]
    macs, _ = space("fp_nas_f_plus").costs(picks)
    assert [round(m / 1e6) for m in macs] == [161, 125, 117, 107]


def test_splits_add_what_the_paper_prints():
    """Table 7, FP-NAS-S1: 58M, 65M with 2 splits, 79M with 4."""
    plus = space("fp_nas_f_plus")
    indices = plus.sample_indices(SAMPLES, seed=0)
    keys = list(plus.decisions)
    columns = [i for i, k in enumerate(keys) if k.endswith("_splits")]
    macs = []
    for index in (1, 2, 3):
        indices[:, columns] = index
        macs.append(plus.costs(indices)[0])
    added = [np.median(m / macs[0]) - 1 for m in macs[1:]]
    assert added[0] == pytest.approx(65 / 58 - 1, abs=0.01)
    assert added[1] == pytest.approx(79 / 58 - 1, abs=0.02)


@pytest.mark.parametrize(
    "kind, resolution, number, size, printed, digit",
    [
        ("L0", 224, 27, 2e32, 0.39e9, 0.01e9),
        ("L1", 240, 32, 1e36, 0.9e9, 0.1e9),
        ("L2", 256, 32, 1e36, 1.1e9, 0.1e9),
    ],
)
def test_large_spaces_are_as_printed(
    kind, resolution, number, size, printed, digit
):
    """Table 3, to the printed digits."""
    name = f"fp_nas_{kind.lower()}"
    assert spaces.fp_nas_l(kind).name == name
    assert space(name).resolution == resolution
    assert blocks(name) == number
    assert one_digit(space(name).size()) == one_digit(size)
    assert median(name) == pytest.approx(printed, abs=digit / 2)


def test_large_spaces_are_wider_and_deeper():
    f = space("fp_nas_f").rows
    for kind in ("l0", "l1", "l2"):
        rows = space(f"fp_nas_{kind}").rows
        for one, other in zip(f, rows, strict=True):
            assert other.channels[-1] >= 2 * one.channels[-1]
            assert other.repeats >= one.repeats
            assert other.expansions == one.expansions
            assert other.splits == (0, 1, 2, 4)


@pytest.mark.parametrize(
    "make", [spaces.fp_nas_f, spaces.fp_nas_f_fine, spaces.fp_nas_f_plus]
)
def test_sizes_of_the_input(make):
    assert make().resolution == 128
    other = make(resolution=160)
    assert other.resolution == 160
    assert other.decisions == make().decisions


@pytest.mark.parametrize("kind", ["l0", "L3", None, 0, []])
def test_other_kinds_are_refused(kind):
    with pytest.raises(ValueError, match="argument `kind`.*'L0', 'L1', 'L2'"):
        spaces.fp_nas_l(kind)
