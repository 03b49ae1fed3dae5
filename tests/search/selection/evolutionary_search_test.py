"""Evolution, against the enumeration of all networks."""

import numpy as np
import pytest

from keras_nas.search import EvolutionarySearch
from tests.search.selection.selecting import SMALL
from tests.search.selection.selecting import SMOKE
from tests.search.selection.selecting import KnownAccuracies
from tests.search.selection.selecting import new


@pytest.mark.parametrize("cost", ["macs", "params"])
def test_the_best_of_all_is_found_in_a_tiny_space(cost):
    accuracies = KnownAccuracies(SMOKE, noise=2.0)
    evaluations = new(accuracies)
    costs = evaluations.costs(cost, accuracies.rows)
    evolution = EvolutionarySearch(
        evaluations, cost, population=32, mutation_probability=0.3
    )
    for budget in np.quantile(costs, [0, 0.3, 0.6, 1]):
        found = evolution.select(budget)
        assert found.accuracy == accuracies.best(costs, budget)
        assert found.cost <= found.budget == budget
    assert len(accuracies.calls) == len(set(accuracies.calls))


def test_few_evaluations_come_close_to_the_best_of_all():
    accuracies = KnownAccuracies(SMALL, noise=0.5)
    evaluations = new(accuracies)
    macs = evaluations.costs("macs", accuracies.rows)
    budget = np.quantile(macs, 0.5)
    found = EvolutionarySearch(
        evaluations, population=30, generations=10
    ).select(budget)
    assert len(set(accuracies.calls)) <= 30 * 11
    within = accuracies.values[macs <= budget]
    # Of as many random networks, the best is among the best three thousandths.
    assert (within > found.accuracy).mean() < 0.001


def test_all_networks_of_all_generations_are_within_the_budget():
    accuracies = KnownAccuracies(SMALL)
    evaluations = new(accuracies)
    macs = evaluations.costs("macs", accuracies.rows)
    # So small that uniform draws hardly ever meet it.
    budget = np.quantile(macs, 0.0005)
    found = EvolutionarySearch(
        evaluations, population=20, generations=3
    ).select(budget)
    evaluated = np.array(accuracies.calls)
    values = evaluations.costs("macs", evaluated)
    assert values.max() <= budget
    assert found.accuracy == evaluations.accuracies(evaluated).max()


def test_measured_costs_are_asked_for_few_networks():
    accuracies, measured = KnownAccuracies(SMALL), []

    def latency(architecture):
        measured.append(architecture)
        macs, params = SMALL.costs([architecture], 10)
        return 1e-6 * macs[0] + 1e-5 * params[0]

    evaluations = new(accuracies, costs={"latency": latency})
    ends = [SMALL.smallest(), SMALL.biggest()]
    budget = evaluations.costs("latency", ends).mean()
    found = EvolutionarySearch(
        evaluations, "latency", population=40, generations=5
    ).select(budget)
    assert found.cost <= budget
    macs, params = SMALL.costs([found.architecture], 10)
    assert found.cost == 1e-6 * macs[0] + 1e-5 * params[0]
    assert len(measured) < len(accuracies.calls) / 2


def test_selections_are_of_their_seed():
    accuracies = KnownAccuracies(SMALL, noise=20.0)
    runs = []
    for seed in (0, 0, 1):
        accuracies.calls.clear()
        evolution = EvolutionarySearch(
            new(accuracies), population=10, generations=2, seed=seed
        )
        runs.append((evolution.select(700_000), list(accuracies.calls)))
    assert runs[0] == runs[1] and runs[0][1] != runs[2][1]


def test_a_space_that_is_exhausted_ends_the_search():
    accuracies = KnownAccuracies(SMOKE)
    evaluations = new(accuracies)
    macs = evaluations.costs("macs", accuracies.rows)
    found = EvolutionarySearch(evaluations, population=64).select(macs.max())
    assert found.accuracy == accuracies.values.max()
    assert len(accuracies.calls) == len(accuracies.rows)


def test_impossible_budgets_are_refused():
    accuracies = KnownAccuracies(SMOKE)
    evaluations = new(accuracies)
    lowest = evaluations.costs("params", [SMOKE.smallest()])[0]
    with pytest.raises(ValueError, match=f"least {lowest:.0f} params"):
        EvolutionarySearch(evaluations, "params").select(lowest - 1)
    assert not accuracies.calls


@pytest.mark.parametrize(
    "argument, value",
    [
        ("cost", "accuracy"),
        ("population", 0),
        ("generations", -1),
        ("parents", 1.5),
        ("mutated", -0.5),
        ("mutation_probability", None),
        ("seed", 0.5),
    ],
)
def test_other_arguments_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        EvolutionarySearch(new(KnownAccuracies(SMOKE)), **{argument: value})
