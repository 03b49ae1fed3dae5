"""The search spaces of FBNetV2 (DMaskingNAS), as tables.

How many networks they hold, without the input resolutions:

| table | decided | networks | printed |
| :-- | :-- | --: | --: |
| DMaskingNAS, Table 2 | as here: channels of a stage | 1.01e35 | > 1e35 |
|  | channels of a block | 1.78e45 |  |
| FP-NAS, Table 1 | as here: channels of a stage | 3.39e32 |  |
|  | one block type and width a row | 2.70e24 | 6e25 |

With one decision of channels for the blocks that residuals connect, Table 2
gives what DMaskingNAS prints, and 1.03e14 times FBNet's 9^22 networks, of which
it prints 10^14. FP-NAS decides once for all blocks of a row: `fp_nas.py`.

The papers do not say which activation stem and head have, and whether they
have a bias; here both are hswish with a bias, as in the released networks.
Those lie in neither of the tables: see `fbnet_v2_released.py`.
"""

from keras_nas.spaces.mbconv_space import MBConvSpace

_MAX_RESOLUTIONS = {"F": 224, "L": 256, "P": 288}
_MIN_RESOLUTION, _RESOLUTION_STEP = 128, 32


def table_row(e, c, n, s):
    """Returns a row of blocks as a paper prints it."""
    return {"op": "mbconv", "e": e, "c": c, "n": n, "s": s}


STEM = {"op": "conv", "kernel": 3, "c": 16, "s": 2, "act": "hswish"}
HEAD = {"op": "conv", "kernel": 1, "c": 1984, "s": 1, "act": "hswish"}

# DMaskingNAS, Table 2.
_LARGEST = (
    table_row(1, (12, 16, 4), 1, 1),
    table_row((0.75, 3.25, 0.5), (16, 28, 4), 1, 2),
    table_row((0.75, 3.25, 0.5), (16, 28, 4), 2, 1),
    table_row((0.75, 3.25, 0.5), (16, 40, 8), 1, 2),
    table_row((0.75, 3.25, 0.5), (16, 40, 8), 2, 1),
    table_row((0.75, 3.75, 0.5), (48, 96, 8), 1, 2),
    table_row((0.75, 3.75, 0.5), (48, 96, 8), 2, 1),
    table_row((0.75, 4.5, 0.75), (72, 128, 8), 4, 1),
    table_row((0.75, 4.5, 0.75), (112, 216, 8), 1, 2),
    table_row((0.75, 4.5, 0.75), (112, 216, 8), 3, 1),
)

# FP-NAS, Table 1.
F_ROWS = (
    table_row(1, (12, 16, 4), 1, 1),
    table_row((0.75, 4.5, 0.75), (16, 24, 4), 1, 2),
    table_row((0.75, 4.5, 0.75), (16, 24, 4), 2, 1),
    table_row((0.75, 4.5, 0.75), (16, 40, 8), 1, 2),
    table_row((0.75, 4.5, 0.75), (16, 40, 8), 2, 1),
    table_row((0.75, 4.5, 0.75), (48, 80, 8), 1, 2),
    table_row((0.75, 4.5, 0.75), (48, 80, 8), 2, 1),
    table_row((0.75, 4.5, 0.75), (72, 112, 8), 3, 1),
    table_row((0.75, 4.5, 0.75), (112, 184, 8), 1, 2),
    table_row((0.75, 4.5, 0.75), (112, 184, 8), 3, 1),
)


def fbnet_v2_f():
    """Returns the FBNetV2-F space, of 1.4e33 small networks.

    Use it for networks of 50 to 300 million multiply-adds. The rows are those
    that FP-NAS prints, the block types those of DMaskingNAS. The papers print
    the largest resolution, 224; that it goes down to 128 in steps of 32 is
    our choice, after the released networks.

    Returns:
        An `MBConvSpace`.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Table 1.
        FBNetV2: Differentiable Neural Architecture Search for Spatial and
        Channel Dimensions, Table 3.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fbnet_v2_f()
    >>> f"{space.size():.1e}", space.decisions["stage1_channels"]
    ('1.4e+33', (12, 16))
    """
    return _space("fbnet_v2_f", F_ROWS, "F")


def fbnet_v2_largest(kind):
    """Returns the largest space of DMaskingNAS, of 4e35 networks or more.

    The paper prints one table and three largest resolutions. That those go
    down to 128 in steps of 32 is our choice, after the released networks.

    Args:
        kind: `"F"` for few multiply-adds, at up to 224 pixels, `"L"` for large
            networks, at up to 256, or `"P"` for few parameters, at up to 288.

    Returns:
        An `MBConvSpace`.

    Raises:
        ValueError: If there is no such kind.

    Reference:
        FBNetV2: Differentiable Neural Architecture Search for Spatial and
        Channel Dimensions, Tables 2 and 3.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fbnet_v2_largest("L")
    >>> space.name, space.resolutions
    ('fbnet_v2_largest_l', (128, 160, 192, 224, 256))
    """
    if not isinstance(kind, str) or kind not in _MAX_RESOLUTIONS:
        raise ValueError(
            "Invalid value received for argument `kind`. Expected one of "
            f"{list(_MAX_RESOLUTIONS)}. Received: kind={kind!r}"
        )
    name = f"fbnet_v2_largest_{kind.lower()}"
    return _space(name, _LARGEST, kind)


def _space(name, rows, kind):
    """Returns the space of a table, whose stages are rows of one width."""
    stop = _MAX_RESOLUTIONS[kind] + 1
    resolutions = range(_MIN_RESOLUTION, stop, _RESOLUTION_STEP)
    channels = [row["c"] for row in (STEM, *rows)]
    rows = [
        {**row, "joins": row["s"] == 1 and row["c"] == before}
        for before, row in zip(channels, rows, strict=False)
    ]
    rows = [STEM, *rows, HEAD]
    return MBConvSpace(name, rows, resolutions=tuple(resolutions))
