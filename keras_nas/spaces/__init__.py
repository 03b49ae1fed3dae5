"""Search spaces and networks, and the Architecture that picks from them."""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.atom_nas_released import atom_nas
from keras_nas.spaces.atom_nas_space import AtomNASSpace
from keras_nas.spaces.big_nas_released import big_nas
from keras_nas.spaces.big_nas_space import BigNASSpace
from keras_nas.spaces.blocks import build_from_blocks
from keras_nas.spaces.catalogue import find_space
from keras_nas.spaces.catalogue import small_atom_nas
from keras_nas.spaces.catalogue import small_big_nas
from keras_nas.spaces.catalogue import small_fp_nas
from keras_nas.spaces.catalogue import small_mbconv
from keras_nas.spaces.catalogue import small_one_shot
from keras_nas.spaces.catalogue import smoke_atom_nas
from keras_nas.spaces.catalogue import smoke_big_nas
from keras_nas.spaces.catalogue import smoke_fp_nas
from keras_nas.spaces.catalogue import smoke_one_shot
from keras_nas.spaces.catalogue import space_names
from keras_nas.spaces.channel_space import ChannelSpace
from keras_nas.spaces.fbnet import FBNetSpace
from keras_nas.spaces.fbnet import fbnet
from keras_nas.spaces.fbnet_v2 import fbnet_v2_f
from keras_nas.spaces.fbnet_v2 import fbnet_v2_largest
from keras_nas.spaces.fbnet_v2_released import fbnet_v2_released_f
from keras_nas.spaces.fbnet_v2_released import fbnet_v2_released_l
from keras_nas.spaces.fp_nas import fp_nas_f
from keras_nas.spaces.fp_nas import fp_nas_f_fine
from keras_nas.spaces.fp_nas import fp_nas_f_plus
from keras_nas.spaces.fp_nas import fp_nas_l
from keras_nas.spaces.fp_nas_space import FPNASSpace
from keras_nas.spaces.masked_model_space import MaskedModelSpace
from keras_nas.spaces.mbconv_space import MBConvSpace
from keras_nas.spaces.one_shot import OneShotSpace
from keras_nas.spaces.one_shot import one_shot
from keras_nas.spaces.published import published_names
from keras_nas.spaces.published import published_network
from keras_nas.spaces.published import published_record
from keras_nas.spaces.released import released_architecture
from keras_nas.spaces.search_space import SearchSpace
from keras_nas.spaces.small_networks import find_network
from keras_nas.spaces.small_networks import mobile_network
from keras_nas.spaces.small_networks import residual_network

__all__ = [
    "Architecture",
    "AtomNASSpace",
    "BigNASSpace",
    "ChannelSpace",
    "FBNetSpace",
    "FPNASSpace",
    "MBConvSpace",
    "MaskedModelSpace",
    "OneShotSpace",
    "SearchSpace",
    "atom_nas",
    "big_nas",
    "build_from_blocks",
    "fbnet",
    "fbnet_v2_f",
    "fbnet_v2_largest",
    "fbnet_v2_released_f",
    "fbnet_v2_released_l",
    "find_network",
    "find_space",
    "fp_nas_f",
    "fp_nas_f_fine",
    "fp_nas_f_plus",
    "fp_nas_l",
    "mobile_network",
    "one_shot",
    "published_names",
    "published_network",
    "published_record",
    "released_architecture",
    "residual_network",
    "small_atom_nas",
    "small_big_nas",
    "small_fp_nas",
    "small_mbconv",
    "small_one_shot",
    "smoke_atom_nas",
    "smoke_big_nas",
    "smoke_fp_nas",
    "smoke_one_shot",
    "space_names",
]
