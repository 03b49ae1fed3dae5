"""Coarse to fine, against the enumeration of all networks."""

import numpy as np
import pytest

from keras_nas import spaces
from keras_nas.search import CoarseToFine
from keras_nas.search import Evaluations
from keras_nas.search import coarse_grid
from keras_nas.search.selection import cost_limit
from tests.search.selection.selecting import SMALL
from tests.search.selection.selecting import SMOKE
from tests.search.selection.selecting import KnownAccuracies
from tests.search.selection.selecting import new

# Mutations that can reach every network.
ALL = {"mutations": 100, "mutation_probability": 0.5, "at_least": 0}


def budgets_between(costs, count=6):
    return np.quantile(costs, np.linspace(0, 1, count)).tolist()


@pytest.mark.parametrize(
    "cost, seed", [("macs", 0), ("macs", 1), ("params", 1), ("memory", 0)]
)
def test_the_best_of_all_is_found_where_mutations_reach_all(cost, seed):
    accuracies = KnownAccuracies(SMOKE, noise=2.0, seed=seed)
    evaluations = new(accuracies)
    costs = evaluations.costs(cost, accuracies.rows)
    for budget in budgets_between(costs):
        found = CoarseToFine(evaluations, cost, **ALL).select(budget)
        assert found.accuracy == accuracies.best(costs, budget)
        assert found.cost <= found.budget == budget
        (row,) = SMOKE.to_indices([found.architecture])
        index = np.flatnonzero((accuracies.rows == row).all(1))
        assert found.cost == costs[index]
        assert found.accuracy == accuracies.values[index]
        counted = SMOKE.cost(found.architecture, 10)
        assert (found.macs, found.params) == (counted.macs, counted.params)


def test_measured_costs_are_asked_for_few_networks():
    accuracies, measured = KnownAccuracies(SMALL), []

    def energy(architecture):
        measured.append(architecture)
        macs, _ = SMALL.costs([architecture], 10)
        return 3.0 + 1e-6 * macs[0]

    evaluations = new(accuracies, costs={"energy": energy})
    macs = evaluations.costs("macs", accuracies.rows)
    costs = 3.0 + 1e-6 * macs
    budgets = np.quantile(costs, [0.1, 0.5, 0.9])
    family = CoarseToFine(evaluations, "energy").select_family(budgets)
    evaluated = len(accuracies.calls)
    assert 300 < evaluated < 500 and len(measured) < evaluated / 5
    # The costs are multiply-adds in another unit: the same is selected.
    same = CoarseToFine(evaluations, at_least=0.8)
    for found, budget in zip(family, budgets, strict=True):
        assert found.cost <= budget
        skeletons, values = same.coarse()
        within = 3.0 + 1e-6 * evaluations.costs("macs", skeletons) <= budget
        assert found.accuracy >= values[within].max()


def test_measured_costs_never_exceed_their_budgets():
    """Also where multiply-adds tell little about them."""
    accuracies = KnownAccuracies(SMOKE, noise=2.0)

    def pixels(architecture):
        return architecture.decisions["resolution"] ** 2

    for budget, size in ((36, 6), (50, 6), (64, 8), (100, 8)):
        evaluations = new(accuracies, costs={"pixels": pixels})
        selector = CoarseToFine(evaluations, "pixels", **ALL)
        found = selector.select(budget)
        assert found.architecture.decisions["resolution"] <= size
        skeletons, values = selector.coarse()
        within = evaluations.costs("pixels", skeletons) <= budget
        assert found.accuracy >= values[within].max()


def test_what_was_measured_counts_though_a_smaller_network_costs_more():
    """As noise of measuring has it."""
    accuracies = KnownAccuracies(SMOKE, noise=20.0)
    biggest = SMOKE.biggest()

    def energy(architecture):
        return 7.0 if architecture == biggest else 9.0

    evaluations = new(accuracies, costs={"energy": energy})
    selector = CoarseToFine(evaluations, "energy", [biggest], 20)
    found = selector.select(8.0)
    assert found.architecture == biggest and found.cost == 7.0
    assert max(evaluations.known()[1]) > found.accuracy


def test_without_mutations_it_is_the_best_skeleton():
    accuracies = KnownAccuracies(SMALL)
    evaluations = new(accuracies)
    grid = coarse_grid(SMALL)
    macs = evaluations.costs("macs", grid)
    values = evaluations.accuracies(grid)
    selector = CoarseToFine(evaluations, mutations=0)
    budgets = budgets_between(macs)
    for found in selector.select_family(budgets):
        assert found.accuracy == values[macs <= found.budget].max()
    rows, sorted_values = selector.coarse()
    assert sorted_values.tolist() == sorted(values, reverse=True)
    assert len(rows) == len(accuracies.calls) == len(grid)


def test_mutations_are_near_the_budget_and_around_the_skeleton():
    accuracies = KnownAccuracies(SMALL)
    evaluations = new(accuracies)
    selector = CoarseToFine(evaluations, mutation_probability=0.1)
    skeletons, _ = selector.coarse()
    grid = len(accuracies.calls)
    budget = 700_000
    found = selector.select(budget)
    mutations = np.array(accuracies.calls[grid:])
    assert len(np.unique(mutations, axis=0)) == len(mutations) == 100
    macs = evaluations.costs("macs", mutations)
    skeleton_macs = evaluations.costs("macs", skeletons)
    first = np.flatnonzero(skeleton_macs <= budget)[0]
    assert macs.max() <= budget
    assert macs.min() >= min(0.8 * budget, skeleton_macs[first])
    changed = (mutations != skeletons[first]).sum(1)
    assert 1 <= changed.min() and changed.mean() < 3
    everything = np.concatenate([skeletons, mutations])
    macs = evaluations.costs("macs", everything)
    values = evaluations.accuracies(everything)
    assert found.accuracy == values[macs <= budget].max()


def test_selections_are_of_their_seed_and_budget_only():
    accuracies = KnownAccuracies(SMALL)
    budgets = [500_000, 700_000]
    alone = [CoarseToFine(new(accuracies)).select(b) for b in budgets]
    evaluations = new(accuracies)
    evaluations.accuracies(accuracies.rows[:1000])
    calls = set(accuracies.calls)
    selector = CoarseToFine(evaluations)
    assert [selector.select(b) for b in budgets[::-1]] == alone[::-1]
    assert set(accuracies.calls) == calls  # The same mutations as before.
    CoarseToFine(evaluations, seed=1).select(budgets[0])
    assert set(accuracies.calls) > calls


def test_a_larger_budget_has_no_less_accurate_network():
    accuracies = KnownAccuracies(SMALL, noise=10.0)
    evaluations = new(accuracies)
    budgets = np.linspace(300_000, 1_500_000, 12)
    selector = CoarseToFine(evaluations, mutations=20)
    family = selector.select_family(budgets)
    assert [s.budget for s in family] == budgets.tolist()
    assert all(s.cost <= s.budget for s in family)
    values = [s.accuracy for s in family]
    assert values == sorted(values)
    assert selector.select_family([]) == []


def test_spaces_without_a_grid_take_skeletons(monkeypatch):
    monkeypatch.setattr(cost_limit, "_FEW_ROUNDS", 1)
    space = spaces.find_space("smoke_mbconv")
    evaluations = Evaluations(
        None, space, lambda a: len(str(a.decisions)), classes=10
    )
    ends = [space.biggest(), space.smallest()]
    selector = CoarseToFine(evaluations, skeletons=ends, mutations=2)
    biggest = space.cost(space.biggest(), 10).macs
    found = selector.select(biggest)
    assert found.accuracy >= len(str(space.biggest().decisions))
    assert found.cost == space.cost(found.architecture, 10).macs <= biggest
    with pytest.raises(ValueError, match="`dimensions"):
        CoarseToFine(evaluations)


@pytest.mark.parametrize("cost", ["macs", "params", "energy"])
def test_impossible_budgets_are_refused_before_anything_is_evaluated(cost):
    accuracies, measured = KnownAccuracies(SMOKE), []

    def energy(architecture):
        measured.append(architecture)
        return 7.0

    evaluations = new(accuracies, costs={"energy": energy})
    lowest = evaluations.costs(cost, [SMOKE.smallest()])[0]
    selector = CoarseToFine(evaluations, cost)
    expected = f"argument `budget`.*{lowest:.6g} {cost}.*cheapest"
    with pytest.raises(ValueError, match=expected):
        selector.select_family([10 * lowest, 0.9 * lowest])
    assert not accuracies.calls and len(measured) <= 1
    found = selector.select(lowest)
    assert found.cost == lowest


@pytest.mark.parametrize("budget", [0, -1, np.inf, np.nan, True, "1", None])
def test_other_budgets_are_refused(budget):
    selector = CoarseToFine(new(KnownAccuracies(SMOKE)))
    with pytest.raises(ValueError, match="argument `budget`.*positive number"):
        selector.select(budget)


@pytest.mark.parametrize("budgets", [500_000, "500", None])
def test_other_lists_of_budgets_are_refused(budgets):
    selector = CoarseToFine(new(KnownAccuracies(SMOKE)))
    with pytest.raises(ValueError, match="argument `budgets`.*list"):
        selector.select_family(budgets)


@pytest.mark.parametrize(
    "argument, value",
    [
        ("evaluations", None),
        ("cost", "joule"),
        ("skeletons", []),
        ("mutations", -1),
        ("mutations", 1.5),
        ("mutation_probability", 1.1),
        ("at_least", -0.1),
        ("seed", -1),
        ("seed", None),
    ],
)
def test_other_arguments_are_refused(argument, value):
    arguments = {"evaluations": new(KnownAccuracies(SMOKE)), argument: value}
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        CoarseToFine(**arguments)
