"""What the tests of selections share: accuracies that are known."""

import itertools

import numpy as np

from keras_nas import spaces
from keras_nas.search import Evaluations

SMOKE, SMALL = spaces.smoke_big_nas(), spaces.small_big_nas()


def all_indices(space):
    """Returns all networks of a space, in lexicographic order."""
    counts = [range(len(options)) for options in space.decisions.values()]
    return np.array(list(itertools.product(*counts)))


class KnownAccuracies:
    """A different accuracy for each network of a space; counts its calls.

    Larger options are better on the whole, as far as `noise` lets them.
    """

    def __init__(self, space, noise=1.0, seed=0):
        rng = np.random.default_rng(seed)
        self.space, self.rows = space, all_indices(space)
        worths = rng.random(self.rows.shape[1])
        self.values = self.rows @ worths + noise * rng.random(len(self.rows))
        keys = map(tuple, self.rows.tolist())
        self._of = dict(zip(keys, self.values.tolist(), strict=True))
        self.calls = []

    def __call__(self, architecture):
        ((*key,),) = self.space.to_indices([architecture]).tolist()
        self.calls.append(tuple(key))
        return self._of[tuple(key)]

    def best(self, costs, budget):
        """Returns the best accuracy within a budget, of all networks."""
        return self.values[costs <= budget].max()


def new(accuracies, folder=None, **kwargs):
    """Returns evaluations of known accuracies, for ten classes."""
    return Evaluations(
        folder, accuracies.space, accuracies, classes=10, **kwargs
    )
