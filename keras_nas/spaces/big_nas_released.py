"""The search space of BigNAS, and the networks that were found in it.

The paper prints no code, and does not say what is inside a block. That there
is squeeze-excite in every block, with a quarter of the channels of the block's
input, and that the 1x1 convolutions of the shortcuts count, is the one of 24
readings that gives the printed numbers of both BigNASModel-S and
BigNASModel@660M; it then gives those of BigNASModel-M as well. Strides and
swish are those of EfficientNet. What Fig. 9 draws costs, in millions of
multiply-adds and of parameters, and what the paper prints:

| network | counted | printed |
| :-- | --: | --: |
| BigNASModel-S | 241.95, 4.486 | 242, 4.5 |
| BigNASModel-M | 417.56, 5.491 | 418, 5.5 |
| BigNASModel@660M | 658.54, 6.692 | 659, 6.7 |
| BigNASModel-L | 1036.68, 9.396 | 1040, 9.5 |

So L is 1.1% short of the printed parameters, and 0.3% of the multiply-adds,
which are the printed ones to three digits only. The networks of the space have
218 to 1892 million multiply-adds, the paper's "from 200 to 2000".
"""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.big_nas_space import BigNASSpace

# (t, c, n, s, kernels), of Table 1, which has the ends of the channels. Steps
# are of 8; of stage 7 and the head, there are the ends only.
_ROWS = (
    (1, (16, 24), (1, 2), 1, (3,)),
    (6, (24, 32), (2, 3), 2, (3,)),
    (6, (40, 48), (2, 3), 2, (3, 5)),
    (6, (80, 88), (2, 3, 4), 2, (3, 5)),
    (6, (112, 120, 128), (2, 3, 4, 5, 6), 1, (3, 5)),
    (6, (192, 200, 208, 216), (2, 3, 4, 5, 6), 2, (3, 5)),
    (6, (320, 352), (1, 2), 1, (3, 5)),
)
# Resolution, channels from the stem to the head, depths and kernel sizes of
# the stages, as Fig. 9 draws them; Section 4.4 prints those of 660M.
BIG_NAS_NETWORKS = {
    "BigNASModel-S": (
        192,
        (32, 16, 24, 40, 80, 112, 192, 320, 1280),
        (1, 2, 2, 2, 2, 3, 1),
        (3, 3, 5, 3, 5, 5, 3),
    ),
    "BigNASModel-M": (
        224,
        (32, 16, 24, 40, 80, 112, 192, 320, 1280),
        (1, 2, 2, 2, 4, 4, 1),
        (3, 3, 5, 3, 5, 5, 3),
    ),
    "BigNASModel-660M": (
        256,
        (32, 16, 24, 48, 88, 128, 216, 352, 1408),
        (1, 2, 2, 2, 4, 4, 1),
        (3, 3, 5, 3, 5, 5, 3),
    ),
    "BigNASModel-L": (
        288,
        (32, 16, 24, 40, 80, 112, 216, 352, 1408),
        (2, 2, 3, 3, 5, 5, 2),
        (3, 3, 5, 3, 5, 5, 5),
    ),
}


def big_nas():
    """Returns the space of BigNAS, of 294,912,000 networks.

    Use it for networks of 200 to 2000 million multiply-adds. There are five
    resolutions, those of the paper's selection of networks; it trains at four
    of them, all but 256. Each stage has one number of channels and one kernel
    size, as the paper's networks have, though it says that each layer could
    have its own, and that there are "more than 10^12" networks.

    Returns:
        A `BigNASSpace`.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Table 1 and Section 4.4.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.big_nas()
    >>> space.decisions["stage6_channels"], space.decisions["stage6_depth"]
    ((192, 200, 208, 216), (2, 3, 4, 5, 6))
    >>> space.size()
    294912000
    """
    return BigNASSpace(
        "big_nas",
        _ROWS,
        stem=(32, 40),
        head=(1280, 1408),
        resolutions=(192, 224, 256, 288, 320),
    )


def big_nas_architecture(name):
    """Returns a network of `BIG_NAS_NETWORKS` as an architecture."""
    resolution, channels, depths, kernels = BIG_NAS_NETWORKS[name]
    stem, *middle, head = channels
    decisions = {"resolution": resolution, "stem_channels": stem}
    space = big_nas()
    for stage, *chosen in zip(
        space.stages, middle, depths, kernels, strict=True
    ):
        decisions |= zip(stage.options(), chosen, strict=True)
    decisions["head_channels"] = head
    # What there is one option of is no decision.
    kept = {key: decisions[key] for key in space.decisions}
    return Architecture(space.name, kept)
