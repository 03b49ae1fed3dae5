"""Search methods, one a file."""

from keras_nas.search.figs import FiGS
from keras_nas.search.width_multiplier import WidthMultiplier

__all__ = ["FiGS", "WidthMultiplier"]
