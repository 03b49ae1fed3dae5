"""All search spaces by name, and small ones for small images."""

import functools

from keras_nas.spaces.atom_nas_released import atom_nas
from keras_nas.spaces.atom_nas_space import AtomNASSpace
from keras_nas.spaces.big_nas_released import big_nas
from keras_nas.spaces.big_nas_space import BigNASSpace
from keras_nas.spaces.fbnet import fbnet
from keras_nas.spaces.fbnet_v2 import fbnet_v2_f
from keras_nas.spaces.fbnet_v2 import fbnet_v2_largest
from keras_nas.spaces.fbnet_v2 import table_row
from keras_nas.spaces.fbnet_v2_released import fbnet_v2_released_f
from keras_nas.spaces.fbnet_v2_released import fbnet_v2_released_l
from keras_nas.spaces.fp_nas import fp_nas_f
from keras_nas.spaces.fp_nas import fp_nas_f_fine
from keras_nas.spaces.fp_nas import fp_nas_f_plus
from keras_nas.spaces.fp_nas import fp_nas_l
from keras_nas.spaces.fp_nas_space import FPNASSpace
from keras_nas.spaces.mbconv_space import MBConvSpace
from keras_nas.spaces.one_shot import OneShotSpace
from keras_nas.spaces.one_shot import one_shot


def small_mbconv():
    """Returns a space of small networks for images of 16 pixels.

    Use it for trials on a CPU.

    Returns:
        An `MBConvSpace` of three stages.

    Example:

    >>> from keras_nas import spaces
    >>> spaces.small_mbconv().resolutions
    (12, 16)
    """
    rows = (
        _conv(3, 16, "hswish"),
        table_row(1, (8, 16, 4), 1, 1),
        table_row((1.5, 4.5, 1.5), (12, 24, 4), 2, 2),
        table_row((1, 4, 1), (24, 48, 8), 2, 2),
        _conv(1, [64, 96, 128], "hswish"),
    )
    types = ("skip", "ir_k3", "ir_k5", "ir_k5_se_hs")
    return MBConvSpace("small_mbconv", rows, types, (12, 16))


def smoke_mbconv():
    """Returns a tiny space for images of 8 pixels, to see that things run.

    Returns:
        An `MBConvSpace` of one stage.
    """
    rows = (
        _conv(3, 8, "hswish"),
        table_row((1, 3, 1), (8, 16, 8), 2, 2),
        _conv(1, 32, "hswish"),
    )
    return MBConvSpace("smoke_mbconv", rows, ("skip", "ir_k3"), (6, 8))


def small_atom_nas():
    """Returns a space of atomic blocks for images of 16 pixels.

    Use it for trials of AtomNAS on a CPU.

    Returns:
        An `AtomNASSpace` of four blocks, all of which are searched.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.small_atom_nas()
    >>> [space.decisions[f"block4_kernel{k}"][-1] for k in (3, 5, 7)]
    [96, 96, 96]
    """
    rows = (
        (2, 24, 2, 2, (3, 5, 7)),
        (2, 48, 2, 2, (3, 5, 7)),
    )
    return AtomNASSpace(
        "small_atom_nas", rows, 16, stem_stride=1, head=128, resolution=16
    )


def smoke_atom_nas():
    """Returns tiny atomic blocks for images of 8 pixels, to see things run.

    Returns:
        An `AtomNASSpace` of two blocks.
    """
    rows = ((2, 16, 2, 2, (3, 5)),)
    return AtomNASSpace(
        "smoke_atom_nas", rows, 8, stem_stride=1, head=32, resolution=8
    )


def small_big_nas():
    """Returns a space of BigNAS' kind for images of 16 pixels.

    Use it for trials on a CPU.

    Returns:
        A `BigNASSpace` of three stages.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.small_big_nas()
    >>> space.resolutions, space.size()
    ((8, 12, 16), 34992)
    """
    rows = (
        (1, (8, 12), (1, 2), 1, (3,)),
        (4, (16, 20, 24), (1, 2, 3), 2, (3, 5)),
        (4, (32, 40, 48), (1, 2, 3), 2, (3, 5)),
    )
    return BigNASSpace(
        "small_big_nas", rows, (8, 12, 16), 1, (64, 96, 128), (8, 12, 16)
    )


def smoke_big_nas():
    """Returns a tiny space for images of 8 pixels, to see that things run.

    Returns:
        A `BigNASSpace` of one stage.
    """
    rows = ((2, (8, 16), (1, 2), 2, (3, 5)),)
    return BigNASSpace("smoke_big_nas", rows, (8,), 1, (16, 32), (6, 8))


def small_fp_nas():
    """Returns a space of FP-NAS' kind for images of 16 pixels.

    Use it for trials on a CPU. Its three stages have the sizes of those of
    `small_mbconv`; rows are as in the paper, one for the block that halves the
    map and one for those behind it.

    Returns:
        An `FPNASSpace` of five rows.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.small_fp_nas()
    >>> len(space.rows), space.decisions["row2_splits"]
    (5, (0, 1, 2))
    """
    rows = (
        _conv(3, 16),
        table_row(1, (8, 16, 4), 1, 1),
        table_row((1.5, 4.5, 1.5), (12, 24, 4), 1, 2),
        table_row((1.5, 4.5, 1.5), (12, 24, 4), 1, 1),
        table_row((1, 4, 1), (24, 48, 8), 1, 2),
        table_row((1, 4, 1), (24, 48, 8), 1, 1),
        _conv(1, [64, 96, 128]),
    )
    return FPNASSpace("small_fp_nas", rows, splits=(0, 1, 2), resolution=16)


def smoke_fp_nas():
    """Returns a tiny space for images of 8 pixels, to see that things run.

    Returns:
        An `FPNASSpace` of two rows.
    """
    rows = (
        _conv(3, 8),
        table_row(1, (8, 16, 8), 1, 1),
        table_row((1, 2, 1), (8, 16, 8), 2, 2),
        _conv(1, 32),
    )
    return FPNASSpace("smoke_fp_nas", rows, splits=(0, 1, 2), resolution=8)


def small_one_shot():
    """Returns cells of operators for images of 16 pixels.

    Use it for trials of FiGS on a CPU.

    Returns:
        A `OneShotSpace` of three cells, at 16, 8 and 4 pixels.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.small_one_shot()
    >>> len(space.operators), space.masks["cell3_mask"]
    (42, 32)
    """
    return OneShotSpace(
        "small_one_shot",
        cells=3,
        blocks=2,
        width=8,
        cells_per_stage=1,
        stem_stride=1,
        resolution=16,
    )


def smoke_one_shot():
    """Returns two tiny cells for images of 8 pixels, to see that things run.

    Returns:
        A `OneShotSpace` of blocks of their own.
    """
    return OneShotSpace(
        "smoke_one_shot",
        cells=2,
        blocks=1,
        width=4,
        cells_per_stage=1,
        stem_stride=2,
        resolution=8,
    )


def space_names():
    """Returns the names that `find_space` knows.

    Example:

    >>> from keras_nas import spaces
    >>> "fbnet_v2_f" in spaces.space_names()
    True
    """
    return tuple(_SPACES)


def find_space(name):
    """Returns a search space by its name.

    Args:
        name: One of `space_names()`.

    Returns:
        A `SearchSpace`.

    Raises:
        ValueError: If there is no such space.
    """
    if not isinstance(name, str) or name not in _SPACES:
        raise ValueError(
            "Invalid value received for argument `name`. Expected one of "
            f"{list(_SPACES)}. Received: name={name!r}"
        )
    return _SPACES[name]()


def _conv(kernel, c, act="swish"):
    return {"op": "conv", "kernel": kernel, "c": c, "s": 1, "act": act}


_SPACES = {
    "small_mbconv": small_mbconv,
    "smoke_mbconv": smoke_mbconv,
    "small_atom_nas": small_atom_nas,
    "smoke_atom_nas": smoke_atom_nas,
    "small_big_nas": small_big_nas,
    "smoke_big_nas": smoke_big_nas,
    "small_fp_nas": small_fp_nas,
    "smoke_fp_nas": smoke_fp_nas,
    "small_one_shot": small_one_shot,
    "smoke_one_shot": smoke_one_shot,
    "one_shot": one_shot,
    "one_shot_add": functools.partial(one_shot, "add"),
    "fbnet": fbnet,
    "fbnet_reduced": functools.partial(fbnet, "reduced"),
    "fbnet_v2_f": fbnet_v2_f,
    **{
        f"fbnet_v2_largest_{kind.lower()}": functools.partial(
            fbnet_v2_largest, kind
        )
        for kind in "FLP"
    },
    "fbnet_v2_released_f": fbnet_v2_released_f,
    "fbnet_v2_released_l": fbnet_v2_released_l,
    **{
        f"atom_nas_{kind.lower()}": functools.partial(atom_nas, kind)
        for kind in "ABC"
    },
    "big_nas": big_nas,
    "fp_nas_f": fp_nas_f,
    "fp_nas_f_fine": fp_nas_f_fine,
    "fp_nas_f_plus": fp_nas_f_plus,
    **{
        f"fp_nas_{kind.lower()}": functools.partial(fp_nas_l, kind)
        for kind in ("L0", "L1", "L2")
    },
}
