"""Which networks of a space are best within budgets, by their accuracies."""

from keras_nas.search.selection.coarse_grid import coarse_grid
from keras_nas.search.selection.coarse_to_fine import CoarseToFine
from keras_nas.search.selection.evaluations import Evaluations
from keras_nas.search.selection.evolutionary_search import EvolutionarySearch
from keras_nas.search.selection.random_search import RandomSearch
from keras_nas.search.selection.selection import Selection

__all__ = [
    "CoarseToFine",
    "Evaluations",
    "EvolutionarySearch",
    "RandomSearch",
    "Selection",
    "coarse_grid",
]
