"""Searches, one method a file, and the baselines."""

from keras_nas.search.atom_nas import AtomNAS
from keras_nas.search.big_nas import BigNAS
from keras_nas.search.dmasking_nas import DMaskingNAS
from keras_nas.search.figs import FiGS
from keras_nas.search.width_multiplier import WidthMultiplier

__all__ = ["AtomNAS", "BigNAS", "DMaskingNAS", "FiGS", "WidthMultiplier"]
