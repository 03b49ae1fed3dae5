"""Evolutionary search within a budget."""

import numpy as np

from keras_nas.search.selection.selector import Selector
from keras_nas.search.selection.selector import check_integer
from keras_nas.search.selection.selector import check_share
from keras_nas.spaces.decision_indices import draw_indices
from keras_nas.spaces.decision_indices import mutate_indices
from keras_nas.spaces.decision_indices import read_indices


class EvolutionarySearch(Selector):
    """Selects networks for budgets by mutating and crossing the best.

    Use it in place of `CoarseToFine` for spaces without a coarse grid, or
    where thousands of evaluations are cheap. All networks of a generation are
    within the budget, so far as its cost can be estimated. The most accurate
    of all so far, measured where the cost has to be, are the parents of the
    next one: some of its networks are mutations of a parent, the others take
    each decision from either of two parents. A network is evaluated once. The
    result is a function of the seed, the budgets and the accuracies, with any
    number of workers.

    The first generation is drawn uniformly; where the budget is so small that
    it is hardly ever met that way, from mutations of the smallest network.

    Args:
        evaluations: An `Evaluations` of the space.
        cost: String, what budgets are on: `"macs"`, `"params"`, `"memory"`,
            `"latency"`, or another cost of the evaluations.
        population: Integer, the networks of a generation.
        generations: Integer, how many follow the first one.
        parents: Float, how many parents there are, as a share of the
            population.
        mutated: Float, the share of a generation that are mutations.
        mutation_probability: Float, that of each decision to change.
        seed: Integer >= 0.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        Once-for-All: Train One Network and Specialize it for Efficient
        Deployment, whose released search has these settings, but 500
        generations; AttentiveNAS: Improving Neural Architecture Search via
        Attentive Sampling, Section 4.

    Example:

    >>> from keras_nas import search, spaces
    >>> space = spaces.small_big_nas()
    >>> def evaluate(architecture):  # In earnest, on images.
    ...     return sum(architecture.decisions.values())
    >>> evaluations = search.Evaluations(None, space, evaluate, classes=10)
    >>> evolution = search.EvolutionarySearch(
    ...     evaluations, "params", population=20, generations=5
    ... )
    >>> found = evolution.select(20_000)
    >>> found.cost <= 20_000, found.cost == found.params
    (True, True)
    """

    def __init__(
        self,
        evaluations,
        cost="macs",
        population=100,
        generations=20,
        parents=0.25,
        mutated=0.5,
        mutation_probability=0.1,
        seed=0,
    ):
        super().__init__(evaluations, cost, seed)
        check_integer("population", population, 1)
        check_integer("generations", generations, 0)
        check_share("parents", parents)
        check_share("mutated", mutated)
        check_share("mutation_probability", mutation_probability)
        self._population, self._generations = population, generations
        self._parents = max(1, round(parents * population))
        self._mutated = round(mutated * population)
        self._probability = mutation_probability

    def _beginning(self):
        return read_indices(self.space, [self.space.smallest()])

    def _candidates(self, limit):
        rng = self.generator(limit)
        rows = self._first(limit, rng)
        for _ in range(self._generations):
            rows, _ = self.best_first(rows)
            parents = rows[limit.first_within(rows, self._parents)]
            children = self._children(limit, rows, parents, rng)
            if len(children) == 0:
                break
            rows = np.concatenate([rows, children])
        return rows

    def _first(self, limit, rng):
        """Returns the first generation, with the smallest network."""
        smallest = self._beginning()

        def draw():
            seed = int(rng.integers(2**63))
            return draw_indices(self.space, self._population, seed)

        def draw_small():
            many = np.repeat(smallest, self._population, axis=0)
            return mutate_indices(self.space, many, rng, self._probability)

        rows = smallest
        for function in (draw, draw_small):
            missing = self._population - len(rows)
            new = limit.collect(function, missing, _keys(rows))
            rows = np.concatenate([rows, new])
        return rows

    def _children(self, limit, rows, parents, rng):
        """Returns a generation, of networks that are not among `rows`."""

        def pick():
            return parents[rng.integers(len(parents), size=self._population)]

        def mutate():
            return mutate_indices(self.space, pick(), rng, self._probability)

        def cross():
            first, second = pick(), pick()
            return np.where(rng.random(first.shape) < 0.5, first, second)

        seen, best = _keys(rows), parents[0]
        mutated = limit.collect(mutate, self._mutated, seen, near=best)
        crossed = limit.collect(
            cross,
            self._population - self._mutated,
            seen | _keys(mutated),
            near=best,
        )
        return np.concatenate([mutated, crossed])


def _keys(rows):
    return {tuple(row) for row in rows.tolist()}
