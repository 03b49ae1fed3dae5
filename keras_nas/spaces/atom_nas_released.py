"""The search spaces of AtomNAS, and the networks that were found in them.

The paper's table has a stem of 16 channels for AtomNAS-A, and of 32 for B and
C; all else is the same: 21 blocks to search, with 31,392 atomic blocks. They
make 3.49e162 networks, where the paper says "around 10^162".

The supernet of B and C has 1,520,973,056 multiply-adds, and 1,521,035,776 with
the elements that the global pool reads, which AtomNAS counts; both are the
1521M that the paper prints. That of A has 1,510,536,448.
"""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.atom_nas_space import AtomNASSpace
from keras_nas.spaces.published import published_record

# (t, c, n, s, kernels), of Fig. 3.
_ROWS = (
    (1, 16, 1, 1, (3,)),
    (6, 24, 4, 2, (3, 5, 7)),
    (6, 40, 4, 2, (3, 5, 7)),
    (6, 80, 4, 2, (3, 5, 7)),
    (6, 96, 4, 1, (3, 5, 7)),
    (6, 192, 4, 2, (3, 5, 7)),
    (6, 320, 1, 1, (3, 5, 7)),
)
_STEMS = {"A": 16, "B": 32, "C": 32}

# Channels of each kernel size in the blocks of AtomNAS-B, from the second on,
# as its authors released them. `published_record` knows the two others.
_B = (
    (7, 15, 17),
    (16, 4, 0),
    (17, 7, 1),
    (22, 4, 1),
    (58, 66, 67),
    (39, 24, 17),
    (22, 13, 3),
    (38, 16, 3),
    (166, 148, 151),
    (31, 43, 65),
    (41, 15, 28),
    (77, 21, 43),
    (378, 256, 204),
    (54, 31, 32),
    (54, 26, 26),
    (73, 42, 26),
    (442, 433, 430),
    (154, 112, 263),
    (234, 142, 282),
    (295, 190, 202),
    (766, 631, 671),
)
ATOM_NAS_NETWORKS = {f"AtomNAS-{kind}": kind for kind in _STEMS}


def atom_nas(kind):
    """Returns the space of AtomNAS, of 3e162 networks.

    Use it to search as the paper does, for networks of 250 to 400 million
    multiply-adds at 224 pixels.

    Args:
        kind: `"A"`, with a stem of 16 channels, or `"B"` or `"C"`, of 32;
            these two differ in the penalty of the search only.

    Returns:
        An `AtomNASSpace`.

    Raises:
        ValueError: If there is no such kind.

    Reference:
        AtomNAS: Fine-Grained End-to-End Neural Architecture Search, Fig. 3.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.atom_nas("C")
    >>> f"{space.size():.2e}", space.decisions["block2_kernel7"][-1]
    ('3.49e+162', 96)
    """
    if not isinstance(kind, str) or kind not in _STEMS:
        raise ValueError(
            "Invalid value received for argument `kind`. Expected one of "
            f"{list(_STEMS)}. Received: kind={kind!r}"
        )
    return AtomNASSpace(f"atom_nas_{kind.lower()}", _ROWS, _STEMS[kind])


def atom_nas_architecture(name):
    """Returns a network of `ATOM_NAS_NETWORKS` as an architecture."""
    kind = ATOM_NAS_NETWORKS[name]
    space = atom_nas(kind)
    counts = _B if kind == "B" else _published_counts(name)
    places = [place for place in space.places if place.searchable]
    decisions = {
        key: count
        for place, row in zip(places, counts, strict=True)
        for key, count in zip(place.decisions(), row, strict=True)
    }
    return Architecture(space.name, decisions)


def _published_counts(name):
    """Returns the channels of each kernel size, from the second block on."""
    blocks = published_record(name)["blocks"][2:-1]  # Stem, t = 1; head.
    found = [
        dict(zip(block["kernels"], block["mid"], strict=True))
        for block in blocks
    ]
    return [tuple(row.get(kernel, 0) for kernel in (3, 5, 7)) for row in found]
