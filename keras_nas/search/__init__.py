"""Searches, one method a file, and the baselines."""

from keras_nas.search.atom_nas import AtomNAS
from keras_nas.search.big_nas import BigNAS
from keras_nas.search.coarse_grid import coarse_grid
from keras_nas.search.coarse_to_fine import CoarseToFine
from keras_nas.search.dmasking_nas import DMaskingNAS
from keras_nas.search.evaluations import Evaluations
from keras_nas.search.evolutionary_search import EvolutionarySearch
from keras_nas.search.figs import FiGS
from keras_nas.search.selection import Selection
from keras_nas.search.width_multiplier import WidthMultiplier

__all__ = [
    "AtomNAS",
    "BigNAS",
    "CoarseToFine",
    "DMaskingNAS",
    "Evaluations",
    "EvolutionarySearch",
    "FiGS",
    "Selection",
    "WidthMultiplier",
    "coarse_grid",
]
