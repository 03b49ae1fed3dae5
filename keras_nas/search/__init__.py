"""Searches, one method a file; the baselines; selection for budgets."""

from keras_nas.search.architecture_distribution import ArchitectureDistribution
from keras_nas.search.atom_nas import AtomNAS
from keras_nas.search.big_nas import BigNAS
from keras_nas.search.dmasking_nas import DMaskingNAS
from keras_nas.search.figs import FiGS
from keras_nas.search.fp_nas import FPNAS
from keras_nas.search.morph_net import MorphNet
from keras_nas.search.one_shot import OneShot
from keras_nas.search.selection import CoarseToFine
from keras_nas.search.selection import Evaluations
from keras_nas.search.selection import EvolutionarySearch
from keras_nas.search.selection import RandomSearch
from keras_nas.search.selection import Selection
from keras_nas.search.selection import coarse_grid
from keras_nas.search.width_multiplier import WidthMultiplier

__all__ = [
    "ArchitectureDistribution",
    "AtomNAS",
    "BigNAS",
    "CoarseToFine",
    "DMaskingNAS",
    "Evaluations",
    "EvolutionarySearch",
    "FPNAS",
    "FiGS",
    "MorphNet",
    "OneShot",
    "RandomSearch",
    "Selection",
    "WidthMultiplier",
    "coarse_grid",
]
