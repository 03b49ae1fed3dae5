"""BigNAS' selection of networks: a coarse grid, then mutations."""

import numpy as np

from keras_nas.search.selection.coarse_grid import coarse_grid
from keras_nas.search.selection.selector import Selector
from keras_nas.search.selection.selector import check_integer
from keras_nas.search.selection.selector import check_share
from keras_nas.spaces.decision_indices import mutate_indices
from keras_nas.spaces.decision_indices import read_indices


class CoarseToFine(Selector):
    """Selects networks for budgets from a coarse grid, and around its best.

    Use it where evaluating a network is cheap but the space is too large: with
    the weights of a trained supernet. All skeletons of the coarse grid are
    evaluated, once for all budgets; random mutations of the best one within a
    budget are evaluated next, and the best of all is selected. The result is a
    function of the seed, the budgets and the accuracies, with any number of
    workers.

    The paper does not say how many mutations there are, how probable one is,
    or how "near" to the budget networks are: those are arguments here.
    Mutations cost no more than the budget and no less than `at_least` of it,
    or than the skeleton where that is cheaper. With a measured cost this is as
    estimated, and what is selected is measured.

    Args:
        evaluations: An `Evaluations` of the space.
        cost: String, what budgets are on: `"macs"`, `"params"`, `"memory"`,
            `"latency"`, or another cost of the evaluations.
        skeletons: List of `Architecture`s to begin with; by default
            `coarse_grid(space)`, which only some spaces have.
        mutations: Integer, how many different ones are evaluated for a budget;
            fewer where there are not as many, and where a network is built to
            know what it costs, those of ten times as many draws.
        mutation_probability: Float, that of each decision to change.
        at_least: Float from 0 to 1.
        seed: Integer >= 0; other seeds draw other mutations.

    Attributes:
        skeletons: Integer array of the skeletons' indices of options.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Sections 3.2 and 4.4.

    Example:

    >>> from keras_nas import search, spaces
    >>> space = spaces.small_big_nas()
    >>> def evaluate(architecture):  # In earnest, on training images.
    ...     return sum(architecture.decisions.values())
    >>> evaluations = search.Evaluations(None, space, evaluate, classes=10)
    >>> selector = search.CoarseToFine(evaluations, mutations=20)
    >>> small, large = selector.select_family([500_000, 1_000_000])
    >>> small.cost <= 500_000, small.accuracy < large.accuracy
    (True, True)
    >>> large.architecture == selector.select(1_000_000).architecture
    True
    """

    def __init__(
        self,
        evaluations,
        cost="macs",
        skeletons=None,
        mutations=100,
        mutation_probability=0.2,
        at_least=0.8,
        seed=0,
    ):
        super().__init__(evaluations, cost, seed)
        check_integer("mutations", mutations, 0)
        check_share("mutation_probability", mutation_probability)
        check_share("at_least", at_least)
        self._mutations, self._at_least = mutations, at_least
        self._probability = mutation_probability
        if skeletons is None:
            skeletons = coarse_grid(self.space)
        if len(skeletons) == 0:
            raise ValueError(
                "Invalid value received for argument `skeletons`. Expected at "
                "least one architecture. Received: none"
            )
        self.skeletons = read_indices(self.space, skeletons)

    def coarse(self):
        """Evaluates the skeletons, which are the same for all budgets.

        Returns:
            Integer array of their indices of options, and float array of their
            accuracies, the most accurate skeleton first.
        """
        return self.best_first(self.skeletons)

    def _beginning(self):
        return self.skeletons

    def _candidates(self, limit):
        skeletons, _ = self.coarse()
        (first,) = limit.first_within(skeletons)
        skeleton, rng = skeletons[first], self.generator(limit)
        start = skeleton[None]
        low = min(self._at_least * limit.budget, limit.costs(start)[0])

        def draw():
            many = np.repeat(start, self._mutations, axis=0)
            return mutate_indices(self.space, many, rng, self._probability)

        seen = {tuple(row) for row in skeletons.tolist()}
        mutations = limit.collect(draw, self._mutations, seen, low, skeleton)
        return np.concatenate([skeletons, mutations])
