"""What all selections of networks share."""

import numbers

import numpy as np

from keras_nas.search.selection.cost_limit import CostLimit
from keras_nas.search.selection.evaluations import Evaluations
from keras_nas.search.selection.selection import Selection
from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.decision_indices import decisions_of_indices


class Selector:
    """Selects networks of a space for budgets, by their accuracies.

    A subclass says which networks are evaluated for a budget.

    Args:
        evaluations: An `Evaluations`.
        cost: String, the name of a cost of it, what budgets are on.
        seed: Integer >= 0.

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(self, evaluations, cost, seed):
        if not isinstance(evaluations, Evaluations):
            raise ValueError(
                "Invalid value received for argument `evaluations`. Expected a "
                "`keras_nas.search.Evaluations`. Received: "
                f"evaluations={evaluations!r}"
            )
        evaluations.check_cost(cost)
        check_integer("seed", seed, 0)
        self.evaluations, self.cost, self.seed = evaluations, cost, seed
        self.space = evaluations.space

    def select(self, budget):
        """Returns the best network found within a budget.

        Args:
            budget: Positive number, the most that the network may cost: a
                number of multiply-adds, parameters, bytes or milliseconds, or
                of what else `cost` is in.

        Returns:
            A `Selection`.

        Raises:
            ValueError: If the budget is no positive number, or no network is
                within it; the message says what the smallest costs.
        """
        (selection,) = self.select_family([budget])
        return selection

    def select_family(self, budgets):
        """Returns the best network found within each of several budgets.

        What is evaluated for one budget counts for larger ones, too, which
        so never have a less accurate network.

        Args:
            budgets: List of budgets as `select` takes them.

        Returns:
            List of `Selection`s.

        Raises:
            ValueError: As `select`.
        """
        if not isinstance(budgets, (list, tuple, np.ndarray)):
            raise ValueError(
                "Invalid value received for argument `budgets`. Expected a "
                f"list of positive numbers. Received: budgets={budgets!r}"
            )
        limits = [CostLimit(self.evaluations, self.cost, b) for b in budgets]
        for limit in limits:
            limit.check(self._beginning())
        if not limits:
            return []
        many = [self._candidates(limit) for limit in limits]
        self.evaluations.accuracies(np.concatenate(many))
        selections = []
        for limit in limits:
            rows = np.concatenate(
                [
                    rows
                    for rows, other in zip(many, limits, strict=True)
                    if other.budget <= limit.budget
                ]
            )
            selections.append(self._selection(limit, *self.best_first(rows)))
        return selections

    def _selection(self, limit, rows, accuracies):
        """Returns the first network that is within a budget."""
        (first,) = limit.first_within(rows)
        row = rows[first : first + 1]
        (decisions,) = decisions_of_indices(self.space, row)
        macs, params = (
            int(self.evaluations.costs(name, row)[0])
            for name in ("macs", "params")
        )
        return Selection(
            Architecture(self.space.name, decisions),
            float(accuracies[first]),
            float(limit.costs(row)[0]),
            limit.budget,
            macs,
            params,
        )

    def best_first(self, rows):
        """Evaluates networks and returns the different ones, sorted.

        Of equal accuracies, the one with fewer multiply-adds comes first.

        Args:
            rows: Integer array of indices of options.

        Returns:
            Integer array, and float array of the accuracies.
        """
        rows = np.unique(rows, axis=0)
        accuracies = self.evaluations.accuracies(rows)
        macs = self.evaluations.costs("macs", rows)
        order = np.lexsort([macs, -accuracies])
        return rows[order], accuracies[order]

    def generator(self, limit):
        """Returns the random generator of a budget, the same in each run."""
        return np.random.default_rng([self.seed, limit.seed()])

    def _beginning(self):
        """Returns the networks of which one has to be within each budget."""
        raise NotImplementedError

    def _candidates(self, limit):
        """Returns the networks to choose from within a budget."""
        raise NotImplementedError


def check_integer(argument, value, lowest):
    """Raises a `ValueError` unless a value is an integer, high enough."""
    if type(value) is not int or value < lowest:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected an "
            f"integer >= {lowest}. Received: {argument}={value!r}"
        )


def check_share(argument, value):
    """Raises a `ValueError` unless a value is a number from 0 to 1."""
    if not isinstance(value, numbers.Real) or not 0 <= value <= 1:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            f"float from 0 to 1. Received: {argument}={value!r}"
        )
