"""The released FBNetV2 networks, and spaces that hold them.

The networks that DMaskingNAS' authors released are not in the tables that
they printed: their stages have other channels (8 in the first, 224 in the
last), the channels inside their blocks are not on the grid of expansions, and
they pool inside the head. So these spaces follow the stages, blocks, strides
and heads of the released networks, with all block types everywhere; the
numbers to choose from are ours, around the released ones.
"""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.mbconv_space import MBConvSpace

# As mobile-vision's FBNetV2 has them: channels of the stem, type of the block
# that joins it, `(channels, stride, blocks)` of each stage, channels of the
# head. A block is `(type, expanded channels)`; those of a skip, which has
# none, are 4 times the channels of its input, and ours.
_F = {
    "stem": 8,
    "first": "ir_k5",
    "stages": (
        (24, 2, (("ir_k5", 48), ("ir_k5", 112))),
        (32, 2, (("ir_k5_se", 128),)),
        (24, 1, (("ir_k5_se", 144),)),
        (56, 2, (("ir_k5_hs", 136), ("ir_k3_hs", 232), ("ir_k3_se_hs", 288))),
        (80, 1, (("skip", 224), ("ir_k5_se_hs", 360), ("ir_k5_se_hs", 144))),
        (
            144,
            2,
            (("ir_k3_se_hs", 368), ("ir_k5_se_hs", 840), ("ir_k5_se_hs", 992)),
        ),
        (224, 1, (("skip", 576),)),
    ),
    "head": [1600, 1984],
}
_L = {
    "stem": 16,
    "first": "ir_k3_hs",
    "stages": (
        (
            24,
            2,
            (
                ("ir_k5_hs", 88),
                ("ir_k5_hs", 48),
                ("ir_k3_hs", 48),
                ("ir_k5_hs", 48),
            ),
        ),
        (40, 2, (("ir_k5_se_hs", 128),)),
        (32, 1, 3 * (("ir_k5_se_hs", 144),)),
        (
            64,
            2,
            (
                ("ir_k5_hs", 184),
                ("ir_k3_hs", 136),
                ("skip", 256),
                ("ir_k3_hs", 200),
            ),
        ),
        (
            112,
            1,
            (
                ("ir_k3_hs", 320),
                ("ir_k5_se_hs", 280),
                ("ir_k5_se_hs", 200),
                ("ir_k5_se_hs", 312),
                ("ir_k5_se_hs", 424),
                ("ir_k5_se_hs", 424),
            ),
        ),
        (
            184,
            2,
            (
                ("ir_k3_se_hs", 624),
                ("ir_k5_se_hs", 520),
                ("ir_k5_se_hs", 520),
                ("ir_k5_se_hs", 896),
                ("ir_k5_se_hs", 896),
            ),
        ),
        (224, 1, (("skip", 736),)),
    ),
    "head": [1984],
}
_F_NAME, _L_NAME = "fbnet_v2_released_f", "fbnet_v2_released_l"
_F_RESOLUTIONS, _L_RESOLUTIONS = (128, 160, 192), (224,)
# The space, what it follows, and what differs among the networks in it.
FBNET_V2_NETWORKS = {
    "FBNetV2_F1": (_F_NAME, _F, {"resolution": 128, "head_channels": 1600}),
    "FBNetV2_F2": (_F_NAME, _F, {"resolution": 160, "head_channels": 1600}),
    "FBNetV2_F3": (_F_NAME, _F, {"resolution": 192, "head_channels": 1984}),
    "FBNetV2_L1": (_L_NAME, _L, {}),
}


def fbnet_v2_released_f():
    """Returns the space around FBNetV2-F1, F2 and F3.

    The three are at 128, 160 and 192 pixels, which can be decided, and so can
    their heads, of 1600 and 1984 channels. Ours is what the other decisions
    are about: channels up to 16 more or fewer than the released ones, in steps
    of 8, and seven numbers of expanded channels for each block, from about
    half to five quarters of the released number.

    Returns:
        An `MBConvSpace`.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fbnet_v2_released_f()
    >>> f1 = spaces.released_architecture("FBNetV2_F1")
    >>> f1.decisions["stage6_channels"], space.decisions["stage6_channels"]
    (144, (128, 136, 144, 152, 160))
    """
    return MBConvSpace(_F_NAME, _rows(_F), resolutions=_F_RESOLUTIONS)


def fbnet_v2_released_l():
    """Returns the space around FBNetV2-L1.

    Resolution and head are those of the released network, 224 pixels and 1984
    channels; what is decided is as in `fbnet_v2_released_f`.

    Returns:
        An `MBConvSpace`.

    Example:

    >>> from keras_nas import spaces
    >>> spaces.fbnet_v2_released_l().decisions["stage6_block5_expanded"]
    (448, 560, 672, 784, 896, 1008, 1120)
    """
    return MBConvSpace(_L_NAME, _rows(_L), resolutions=_L_RESOLUTIONS)


def fbnet_v2_architecture(name):
    """Returns a network of `FBNET_V2_NETWORKS` as an architecture."""
    space, network, own = FBNET_V2_NETWORKS[name]
    decisions = {"stem_block1_type": network["first"], **own}
    for stage, (channels, _, blocks) in enumerate(network["stages"], 1):
        decisions[f"stage{stage}_channels"] = channels
        for block, (kind, expanded) in enumerate(blocks, 1):
            decisions[f"stage{stage}_block{block}_type"] = kind
            decisions[f"stage{stage}_block{block}_expanded"] = expanded
    return Architecture(space, decisions)


def _rows(network):
    """Returns the rows of the space around a network, one for each block."""
    stem = {"op": "conv", "kernel": 3, "c": network["stem"], "s": 2}
    rows = [{**stem, "act": "hswish"}]
    rows.append({"op": "mbconv", "e": 1, "n": 1, "s": 1, "joins": True})
    for channels, stride, blocks in network["stages"]:
        c = channels - 16, channels + 16, 8
        for number, (_, expanded) in enumerate(blocks, 1):
            row = {"op": "mbconv", "mid": _around(expanded), "c": c, "n": 1}
            is_first = number == 1
            row.update(s=stride if is_first else 1, joins=not is_first)
            rows.append(row)
    head = {"op": "ir_pool", "mid": 1344, "c": network["head"]}
    return [*rows, {**head, "act": "hswish"}]


def _around(expanded):
    """Returns seven multiples of 8, of which the fifth is `expanded`."""
    step = max(8, expanded // 64 * 8)
    return expanded - 4 * step, expanded + 2 * step, step
