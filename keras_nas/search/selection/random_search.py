"""Random search: the baseline that any search must beat."""

import numpy as np

from keras_nas.search.selection.selector import Selector
from keras_nas.search.selection.selector import check_integer
from keras_nas.search.selection.selector import check_share
from keras_nas.spaces.decision_indices import read_indices

_DRAWN = 64  # At a time.


class RandomSearch(Selector):
    """Selects the best of some networks that a space samples, for budgets.

    Use it as the baseline for any search of any space. What the evaluations
    do decides what is compared: trained from scratch, for a short while, it is
    FiGS' random search (Fig. 2); with the weights of a trained supernet
    (`keras_nas.search.OneShot`), it is One-Shot's.

    Networks are drawn by `space.sample` until there are enough that cost no
    more than the budget and no less than `at_least` of it, or, where there are
    too few of those, no more than the budget. The paper draws without a
    budget, and shows all it has drawn: `evaluations.known()` has them.

    Args:
        evaluations: An `Evaluations` of the space.
        cost: String, what budgets are on, as in `CoarseToFine`.
        samples: Integer, how many networks are evaluated for a budget; 30 in
            Fig. 2.
        at_least: Float from 0 to 1.
        seed: Integer >= 0; other seeds draw other networks.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Fig. 2;
        Understanding and Simplifying One-Shot Architecture Search (Bender et
        al., 2018).

    Example:

    >>> from keras_nas import search, spaces
    >>> space = spaces.smoke_big_nas()
    >>> def evaluate(architecture):  # In earnest, after some training.
    ...     return sum(architecture.decisions.values())
    >>> evaluations = search.Evaluations(None, space, evaluate, classes=10)
    >>> found = search.RandomSearch(evaluations, samples=5).select(40_000)
    >>> found.cost <= 40_000, len(evaluations.known()[1])
    (True, 5)
    """

    def __init__(
        self, evaluations, cost="macs", samples=30, at_least=0.8, seed=0
    ):
        super().__init__(evaluations, cost, seed)
        check_integer("samples", samples, 1)
        check_share("at_least", at_least)
        self._samples, self._at_least = samples, at_least

    def _beginning(self):
        return read_indices(self.space, [self.space.smallest()])

    def _candidates(self, limit):
        rng = self.generator(limit)

        def draw():
            seeds = rng.integers(2**63, size=_DRAWN)
            networks = [self.space.sample(int(seed)) for seed in seeds]
            return read_indices(self.space, networks)

        rows = self._beginning()[:0]
        for low in (self._at_least * limit.budget, 0.0):
            missing = self._samples - len(rows)
            seen = {tuple(row) for row in rows.tolist()}
            new = limit.collect(draw, missing, seen, low)
            rows = np.concatenate([rows, new])
        return rows if len(rows) else self._beginning()
