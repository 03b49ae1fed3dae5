"""RandomSearch: what it draws, and what it selects of that."""

import numpy as np
import pytest

from keras_nas import search
from keras_nas import spaces


def evaluations(evaluate=None):
    space = spaces.SearchSpace("toy", {"a": (1, 2, 3), "b": (1, 2, 3, 4)})
    space.costs = lambda rows, classes: [
        (np.asarray(rows) + 1).prod(1),
        np.asarray(rows).sum(1),
    ]
    evaluate = evaluate or (lambda a: a.decisions["a"] - a.decisions["b"] / 9)
    return search.Evaluations(None, space, evaluate, classes=10)


def test_the_best_of_all_within_the_budget_with_enough_samples():
    """Against the enumeration of the space."""
    known = evaluations()
    selector = search.RandomSearch(known, samples=9, at_least=0.0)
    found = selector.select(6)
    assert found.architecture.decisions == {"a": 3, "b": 1}
    rows, accuracies = known.known()
    macs = (rows + 1).prod(1)
    within = {
        (a, b) for a in range(3) for b in range(4) if (a + 1) * (b + 1) <= 6
    }
    assert {tuple(r) for r in rows.tolist()} == within  # Not found otherwise.
    assert found.accuracy == accuracies.max() and macs.max() <= 6


def test_networks_near_the_budget_come_first():
    known = evaluations()
    search.RandomSearch(known, samples=2, at_least=1.0).select(6)
    rows, _ = known.known()
    assert {tuple(r) for r in rows.tolist()} == {(1, 2), (2, 1)}


def test_seeds_draw_different_networks_and_always_the_same():
    drawn = []
    for seed in (0, 0, 1, 2):
        known = evaluations()
        search.RandomSearch(known, samples=3, at_least=0.5, seed=seed).select(6)
        drawn.append(known.known()[0].tolist())
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2] or drawn[0] != drawn[3]


def test_budgets_and_arguments_that_are_refused():
    known = evaluations()
    with pytest.raises(ValueError, match="`budget`. Expected at least 1 macs"):
        search.RandomSearch(known).select(0.5)
    with pytest.raises(ValueError, match="`samples`"):
        search.RandomSearch(known, samples=0)
    with pytest.raises(ValueError, match="`at_least`"):
        search.RandomSearch(known, at_least=2)
