"""The search spaces of FP-NAS, as tables.

How many networks they hold, and what the paper prints:

| space | blocks | networks | printed |
| :-- | --: | --: | --: |
| FBNetV2-F | 17 | 2.70e24 | 6e25 |
| FBNetV2-F-Fine | 17 | 5.84e42 | 1e45 |
| FBNetV2-F++ | 17 | 2.76e27 | 1e3 times F |
| FP-NAS-L0 | 27 | 2.21e32 | 2e32 |
| FP-NAS-L1, L2 | 32 | 1.25e36 | 1e36 |

FBNetV2-F is Tables 1 and 2, one choice of kernel, activation, squeeze-excite,
expansion and channels for each of the ten rows of MBConv. Its uniform
distribution has 56.25 nats, so that adaptive sampling (Eq. 4) begins with the
14 samples of Section 5.2.1. The printed number is larger by the choices of
one more row like the first: with 12 * 2 times as many there would be 6.47e25.

In FBNetV2-F-Fine "each MBConv block is allowed to have different
micro-architecture". Were only kernel, activation and squeeze-excite decided by
block, and the rest by row, there would be 9.66e31 networks, with the
expansions as well 2.70e37; where every block decides on everything, as here,
there are 5.84e42, which is nearest to the print, and 2.2e18 times FBNetV2-F,
where 1e19 is printed.

FBNetV2-F++ has 4 numbers of splits where F has 2, and so 2^10 times as many
networks. The paper says that its largest uses 122M multiply-adds at 128
pixels; here it has 161M, with four 5x5 convolutions in each block. With two
of them everywhere it would be 125M, with four 3x3 117M, with squeeze-excite
107M. 122.4M would come out if all splits shared one 5x5 convolution and four
splits had as many channels inside as in ResNeSt, but Table 7 says otherwise:
squeeze-excite in all blocks of FP-NAS-S1 replaced by 2 splits adds 12% to it,
and by 4 splits 36%, in proportion to the further splits. What is here does the
same to networks of FBNetV2-F: 12% and 35% in the median.

The paper prints the number of blocks, of networks and the median of
multiply-adds of L0, L1 and L2 (Table 3), but leaves their tables to a
supplement that is not public. The ranges here are chosen by us so that all of
these numbers come out: those of FBNetV2-F with about twice (L0) or three times
(L1) as many channels at most, in steps of 4 in L1, and with more blocks in the
rows that repeat them; L2 is L1 with 8 channels more in all rows but the first.
Blocks are MBConv blocks, those that a kernel of 0 leaves out included.

| space | pixels | median | printed |
| :-- | --: | --: | --: |
| FP-NAS-L0 | 224 | 0.390G | 0.39G |
| FP-NAS-L1 | 240 | 0.882G | 0.9G |
| FP-NAS-L2 | 256 | 1.103G | 1.1G |

Stem and head have the activation swish and a bias; the paper does not say.
"""

from keras_nas.spaces.fbnet_v2 import F_ROWS
from keras_nas.spaces.fbnet_v2 import HEAD
from keras_nas.spaces.fbnet_v2 import STEM
from keras_nas.spaces.fp_nas_space import FPNASSpace

# Channels and numbers of blocks in the place of those of `F_ROWS`, by us.
_L0_CHANNELS = (
    (12, 32, 4),
    (16, 48, 4),
    (16, 48, 4),
    (16, 96, 8),
    (16, 96, 8),
    (48, 160, 8),
    (48, 160, 8),
    (72, 256, 8),
    (112, 368, 8),
    (112, 368, 8),
)
_L1_CHANNELS = (
    (12, 32, 4),
    (16, 72, 4),
    (16, 72, 4),
    (16, 120, 4),
    (16, 120, 4),
    (48, 240, 4),
    (48, 240, 4),
    (72, 336, 4),
    (112, 552, 4),
    (112, 552, 4),
)
_L2_CHANNELS = (
    _L1_CHANNELS[0],
    *((low + 8, high + 8, step) for low, high, step in _L1_CHANNELS[1:]),
)
_L0_REPEATS = (1, 1, 4, 1, 4, 1, 4, 4, 1, 6)
_L1_REPEATS = (1, 1, 4, 1, 5, 1, 5, 6, 1, 7)
_L = {
    "L0": (224, _L0_CHANNELS, _L0_REPEATS),
    "L1": (240, _L1_CHANNELS, _L1_REPEATS),
    "L2": (256, _L2_CHANNELS, _L1_REPEATS),
}
# Table 2.
_SQUEEZE_EXCITE = (0, 1)
_SPLIT_ATTENTION = (0, 1, 2, 4)


def fp_nas_f(resolution=128):
    """Returns FBNetV2-F as FP-NAS searches it, 2.7e24 small networks.

    Use it for networks of 50 to 300 million multiply-adds. `fbnet_v2_f` is the
    same table for DMaskingNAS, which decides on more.

    Args:
        resolution: Integer, the height and width of the input; the paper's
            are 128, 160, 192 and 256.

    Returns:
        An `FPNASSpace`.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Tables 1 and 2.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fp_nas_f()
    >>> f"{space.size():.2e}", space.decisions["row1_splits"]
    ('2.70e+24', (0, 1))
    """
    return _space("fp_nas_f", F_ROWS, _SQUEEZE_EXCITE, resolution)


def fp_nas_f_fine(resolution=128):
    """Returns FBNetV2-F-Fine, in which each block decides for itself.

    Args:
        resolution: Integer, the height and width of the input.

    Returns:
        An `FPNASSpace` of 17 rows of one block.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4 and
        Table 4.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fp_nas_f_fine()
    >>> f"{space.size():.2e}", len(space.rows)
    ('5.84e+42', 17)
    """
    rows = [
        {**row, "n": 1, "s": 1 if position else row["s"]}
        for row in F_ROWS
        for position in range(row["n"])
    ]
    return _space("fp_nas_f_fine", rows, _SQUEEZE_EXCITE, resolution)


def fp_nas_f_plus(resolution=128):
    """Returns FBNetV2-F++: FBNetV2-F with searchable split attention.

    Args:
        resolution: Integer, the height and width of the input.

    Returns:
        An `FPNASSpace` of 2^10 times as many networks as `fp_nas_f` has.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4 and
        Table 2.

    Example:

    >>> from keras_nas import spaces
    >>> spaces.fp_nas_f_plus().decisions["row1_splits"]
    (0, 1, 2, 4)
    """
    return _space("fp_nas_f_plus", F_ROWS, _SPLIT_ATTENTION, resolution)


def fp_nas_l(kind):
    """Returns a space of FP-NAS for large networks, of 2e32 of them or more.

    The paper does not print the ranges of channels and the numbers of blocks
    of its rows. Those here are ours: they make as many blocks, as many
    networks and the same median of multiply-adds as Table 3 prints.

    Args:
        kind: `"L0"`, `"L1"` or `"L2"`, at 224, 240 and 256 pixels.

    Returns:
        An `FPNASSpace`.

    Raises:
        ValueError: If there is no such kind.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Table 3.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fp_nas_l("L0")
    >>> sum(row.repeats for row in space.rows), space.resolution
    (27, 224)
    """
    if not isinstance(kind, str) or kind not in _L:
        raise ValueError(
            "Invalid value received for argument `kind`. Expected one of "
            f"{list(_L)}. Received: kind={kind!r}"
        )
    resolution, channels, repeats = _L[kind]
    rows = [
        {**row, "c": c, "n": n}
        for row, c, n in zip(F_ROWS, channels, repeats, strict=True)
    ]
    name = f"fp_nas_{kind.lower()}"
    return _space(name, rows, _SPLIT_ATTENTION, resolution)


def _space(name, rows, splits, resolution):
    stem, head = ({**row, "act": "swish"} for row in (STEM, HEAD))
    rows = [stem, *rows, head]
    return FPNASSpace(name, rows, splits=splits, resolution=resolution)
