"""The spaces of FBNetV2: as large as printed, with the rows as printed."""

import math

import pytest

from keras_nas import spaces

KINDS = {"F": 224, "L": 256, "P": 288}
TYPES = 9  # Table 3, skip included.


def networks(space):
    """Returns the size without the choice of a resolution."""
    size, rest = divmod(space.size(), len(space.resolutions))
    assert rest == 0
    return size


def expansions(low, high, step):
    return round((high - low) / step) + 1


def test_largest_space_has_the_printed_size():
    """Section 4.2: more than 10^35, 10^14 times FBNet's 9^22."""
    channels = 2 * 4 * 4 * 7 * 8 * 14
    expanded = expansions(0.75, 3.25, 0.5) ** (3 + 3)
    expanded *= expansions(0.75, 3.75, 0.5) ** 3
    expanded *= expansions(0.75, 4.5, 0.75) ** (4 + 4)
    assert expanded == 6**6 * 7**3 * 6**8
    size = channels * TYPES ** (1 + 3 + 3 + 3 + 4 + 4) * expanded
    for kind in KINDS:
        assert networks(spaces.fbnet_v2_largest(kind)) == size
    assert size == 101214523839580189937571043259449344
    assert size > 10**35
    assert math.log10(size) == pytest.approx(35.0, abs=0.01)
    assert math.log10(size / 9**22) == pytest.approx(14, abs=0.02)
    # Were the channels of each block decided, it would be far more.
    size = size // channels * 2 * 4**3 * 4**3 * 7**3 * 8**4 * 14**4
    assert f"{size:.2e}" == "1.78e+45"


def test_size_of_the_small_space():
    channels = 2 * 3 * 4 * 5 * 6 * 10
    size = channels * TYPES ** (1 + 3 + 3 + 3 + 3 + 4) * 6**16
    assert networks(spaces.fbnet_v2_f()) == size
    assert f"{size:.2e}" == "3.39e+32"


def test_size_as_fp_nas_decides():
    """Once for all blocks of a row; the paper prints 6e25."""
    types = (3 * 2 * 2) ** 10
    channels = 2 * 3 * 3 * 4 * 4 * 5 * 5 * 6 * 10 * 10
    size = types * channels * 6**9
    assert f"{size:.2e}" == "2.70e+24"
    assert 6e25 / size == pytest.approx(22, abs=0.5)


@pytest.mark.parametrize("kind, largest", KINDS.items())
def test_resolutions(kind, largest):
    space = spaces.fbnet_v2_largest(kind)
    assert space.resolutions == tuple(range(128, largest + 1, 32))
    assert space.name == f"fbnet_v2_largest_{kind.lower()}"


def shape_of(space):
    """Returns the channels, strides and numbers of options of each stage."""
    return [
        (
            stage.channels,
            [block.stride for block in stage.blocks],
            [len(block.expanded or ()) for block in stage.blocks],
        )
        for stage in space.stages
    ]


def test_rows_of_the_largest_space():
    assert shape_of(spaces.fbnet_v2_largest("F")) == [
        ((16,), [], []),
        ((12, 16), [1], [0]),
        ((16, 20, 24, 28), [2, 1, 1], [6, 6, 6]),
        ((16, 24, 32, 40), [2, 1, 1], [6, 6, 6]),
        ((48, 56, 64, 72, 80, 88, 96), [2, 1, 1], [7, 7, 7]),
        (tuple(range(72, 129, 8)), [1, 1, 1, 1], [6, 6, 6, 6]),
        (tuple(range(112, 217, 8)), [2, 1, 1, 1], [6, 6, 6, 6]),
    ]


def test_rows_of_the_small_space():
    space = spaces.fbnet_v2_f()
    assert space.resolutions == (128, 160, 192, 224)
    assert shape_of(space) == [
        ((16,), [], []),
        ((12, 16), [1], [0]),
        ((16, 20, 24), [2, 1, 1], [6, 6, 6]),
        ((16, 24, 32, 40), [2, 1, 1], [6, 6, 6]),
        ((48, 56, 64, 72, 80), [2, 1, 1], [6, 6, 6]),
        (tuple(range(72, 113, 8)), [1, 1, 1], [6, 6, 6]),
        (tuple(range(112, 185, 8)), [2, 1, 1, 1], [6, 6, 6, 6]),
    ]


def test_expanded_channels_are_relative_to_the_most_channels():
    decisions = spaces.fbnet_v2_largest("F").decisions
    first, second = (
        decisions[f"stage2_block{block}_expanded"] for block in (1, 2)
    )
    assert first == (16, 24, 32, 40, 48, 56)  # Of 16 channels.
    assert second == (24, 40, 48, 64, 80, 88)  # Of 28.
    assert "stage1_block1_expanded" not in decisions


def test_decisions_have_names_for_layers():
    for name in spaces.fbnet_v2_largest("P").decisions:
        assert "/" not in name


def test_networks_are_of_the_size_that_the_paper_searches():
    """Section 4.4: 50 to 300 million multiply-adds."""
    space = spaces.fbnet_v2_f()
    low, high = space.cost(space.smallest()), space.cost(space.biggest())
    assert low.macs < 50e6 and 300e6 < high.macs < 350e6
    assert low.uncounted == high.uncounted == ()


@pytest.mark.parametrize("kind", ["X", "f", None, 3, []])
def test_other_kinds_are_refused(kind):
    with pytest.raises(ValueError, match="argument `kind`.*'F', 'L', 'P'"):
        spaces.fbnet_v2_largest(kind)
