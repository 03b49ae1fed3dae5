"""Released networks as architectures of the spaces that hold them."""

from keras_nas.spaces.atom_nas_released import ATOM_NAS_NETWORKS
from keras_nas.spaces.atom_nas_released import atom_nas_architecture
from keras_nas.spaces.big_nas_released import BIG_NAS_NETWORKS
from keras_nas.spaces.big_nas_released import big_nas_architecture
from keras_nas.spaces.fbnet_v2_released import FBNET_V2_NETWORKS
from keras_nas.spaces.fbnet_v2_released import fbnet_v2_architecture

_READERS = {
    **dict.fromkeys(FBNET_V2_NETWORKS, fbnet_v2_architecture),
    **dict.fromkeys(ATOM_NAS_NETWORKS, atom_nas_architecture),
    **dict.fromkeys(BIG_NAS_NETWORKS, big_nas_architecture),
}


def released_architecture(name):
    """Returns a released network as an architecture.

    Use it to build the network, to start a search from it, or to compare with
    it.

    Args:
        name: `"FBNetV2_F1"`, `"FBNetV2_F2"` or `"FBNetV2_F3"`, of
            `fbnet_v2_released_f()`, `"FBNetV2_L1"`, of
            `fbnet_v2_released_l()`, `"AtomNAS-A"`, `"AtomNAS-B"` or
            `"AtomNAS-C"`, of `atom_nas("A")` and so on, or
            `"BigNASModel-S"`, `"BigNASModel-M"`, `"BigNASModel-660M"` or
            `"BigNASModel-L"`, of `big_nas()`, as Fig. 9 of the paper draws
            them. AtomNAS-A+ is AtomNAS-A, built with `plus=True`.
            BigNASModel-L has 9.40 million parameters and 1036.7 million
            multiply-adds, where the paper prints 9.5 and 1040; the others
            have the printed numbers.

    Returns:
        An `Architecture`.

    Raises:
        ValueError: If there is no such network.

    Example:

    >>> from keras_nas import spaces
    >>> f1 = spaces.released_architecture("FBNetV2_F1")
    >>> spaces.fbnet_v2_released_f().cost(f1).flops_by("fbnet")
    56410560
    >>> c = spaces.released_architecture("AtomNAS-C")
    >>> [c.decisions[f"block2_kernel{k}"] for k in (3, 5, 7)]
    [15, 23, 13]
    """
    if not isinstance(name, str) or name not in _READERS:
        raise ValueError(
            "Invalid value received for argument `name`. Expected one of "
            f"{list(_READERS)}. Received: name={name!r}"
        )
    return _READERS[name](name)
