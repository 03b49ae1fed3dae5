"""Search spaces and networks, and the Architecture that picks from them."""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.small_networks import find_network
from keras_nas.spaces.small_networks import mobile_network
from keras_nas.spaces.small_networks import residual_network

__all__ = [
    "Architecture",
    "find_network",
    "mobile_network",
    "residual_network",
]
