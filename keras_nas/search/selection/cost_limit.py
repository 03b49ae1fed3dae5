"""Which networks a budget allows, where costs are measured, of few of them."""

import math
import numbers

import numpy as np

# Draws in a row for each network that is wanted: of costs from tables, and
# where a network is built to know its cost.
_ROUNDS, _FEW_ROUNDS = 1000, 10


class CostLimit:
    """A budget, and which networks are within it.

    Where a cost is counted, it is known of all networks. Where it has to be
    measured, it is estimated by multiply-adds, and measured only of networks
    that would be chosen otherwise.

    Args:
        evaluations: An `Evaluations`.
        cost: String, the name of a cost of it.
        budget: Positive number, the most that networks may cost.

    Raises:
        ValueError: If the budget is no positive number.
    """

    def __init__(self, evaluations, cost, budget):
        is_number = isinstance(budget, numbers.Real)
        if (
            not is_number
            or isinstance(budget, bool)
            or not (0 < budget < math.inf)
        ):
            raise ValueError(
                "Invalid value received for argument `budget`. Expected a "
                f"positive number. Received: budget={budget!r}"
            )
        self.budget, self._name = float(budget), cost
        self._evaluations = evaluations
        self._is_measured = cost in evaluations.measured
        self._within = set()  # Those that were measured to be.

    def seed(self):
        """Returns the budget's bits as an integer, a part of seeds."""
        return int(np.float64(self.budget).view("uint64"))

    def costs(self, rows):
        """Returns the costs of networks, measuring where that is needed."""
        return self._evaluations.costs(self._name, rows)

    def check(self, rows):
        """Raises a `ValueError` unless one of some networks is within it.

        Args:
            rows: Integer array of indices of options, not empty.
        """
        if self._is_measured:
            rows = _minimal(rows)
        costs = self.costs(rows)
        within = rows[costs <= self.budget].tolist()
        self._within.update(tuple(row) for row in within)
        lowest = costs.min()
        if lowest > self.budget:
            raise ValueError(
                "Invalid value received for argument `budget`. Expected at "
                f"least {lowest:.6g} {self._name}, which the cheapest of the "
                f"networks to begin with costs. Received: "
                f"budget={self.budget:.6g}"
            )

    def estimates(self, rows, near=None):
        """Returns what networks cost, approximately where that is measured.

        There it is between the costs of the smallest and the biggest network
        of the space as its multiply-adds are.

        Args:
            rows: Integer array of indices of options.
            near: Row of a network at whose cost the estimate is exact.

        Returns:
            Float array.
        """
        if not self._is_measured:
            return self.costs(rows)
        space = self._evaluations.space
        ends = [space.smallest(), space.biggest()]
        known = self._evaluations.costs("macs", ends), self.costs(ends)
        values = np.interp(self._evaluations.costs("macs", rows), *known)
        if near is not None:
            cost = self.costs(near[None])[0]
            macs = self._evaluations.costs("macs", near[None])
            values *= cost / np.interp(macs, *known)
        return values

    def first_within(self, rows, count=1):
        """Returns the positions of the first networks within the budget.

        A measured cost does not fall from an option to the next, so that what
        is larger in all decisions than a network above the budget is above it.

        Args:
            rows: Integer array of indices of options.
            count: Integer, so many at most.

        Returns:
            List of integers.
        """
        if not self._is_measured:
            return np.flatnonzero(self.costs(rows) <= self.budget)[:count]
        estimates = self.estimates(rows)
        within, above = [], np.zeros((0, rows.shape[1]), rows.dtype)
        for position, row in enumerate(rows):
            if len(within) == count:
                break
            if tuple(row.tolist()) in self._within:
                within.append(position)
                continue
            tried = [position]
            if estimates[position] > self.budget:
                # First one that seems barely above the budget: if it is, all
                # that are larger than it need not be measured.
                smaller = (rows <= row).all(1) & (estimates > self.budget)
                smaller = np.flatnonzero(smaller)
                tried.insert(0, smaller[np.argmin(estimates[smaller])])
            for index in tried:
                if (above <= row).all(1).any():
                    break
                if self.costs(rows[index : index + 1])[0] > self.budget:
                    above = np.concatenate([above, rows[index : index + 1]])
                    continue
                self._within.add(tuple(rows[index].tolist()))
                if index == position:
                    within.append(position)
                    break
        return within

    def collect(self, draw, count, seen, low=0.0, near=None, rounds=None):
        """Returns new networks that are within the budget, as estimated.

        Args:
            draw: Function that returns some rows of indices, others each time.
            count: Integer, how many are wanted; there are fewer where the
                draws do not give as many.
            seen: Set of tuples of indices that are not new.
            low: Float, the least that they cost.
            near: As in `estimates`.
            rounds: Integer, how often it draws at most; by default as often as
                it takes time that hardly counts.

        Returns:
            Integer array of different rows.
        """
        space = self._evaluations.space
        is_quick = hasattr(space, "costs") and self._name != "memory"
        refused, found = set(seen), []
        for _ in range(rounds or (_ROUNDS if is_quick else _FEW_ROUNDS)):
            if len(found) >= count:
                break
            keys = [tuple(row) for row in draw().tolist()]
            keys = [k for k in dict.fromkeys(keys) if k not in refused]
            refused.update(keys)
            if keys:
                values = self.estimates(np.array(keys), near)
                is_within = (values >= low) & (values <= self.budget)
                found += [keys[i] for i in np.flatnonzero(is_within)]
        found = found[:count]
        shape = (len(found), len(space.decisions))
        return np.array(found, "int64").reshape(shape)


def _minimal(rows):
    """Returns the rows that are not larger in all decisions than another."""
    rows = np.unique(rows, axis=0)
    return np.array([row for row in rows if (rows <= row).all(1).sum() == 1])
