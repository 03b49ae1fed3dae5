"""The controller of a budget, against its recursion written out."""

import keras
import numpy as np
import pytest

import keras_nas
from keras_nas.search.budget import BudgetController

TARGET = 0.5


def controller(**kwargs):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16),
            keras_nas.ChannelMask(4, seed=0),
            keras.layers.Dense(2),
        ]
    )
    budget = keras_nas.ExpectedFLOPs(target=TARGET)
    new = BudgetController(budget, model, **kwargs)
    new.begin(0)  # The budget is the target from the start.
    return new


def strengths(new, costs):
    """Returns the strength after each cost."""
    found = []
    for cost in costs:
        new.update(keras.ops.convert_to_tensor(cost))
        found.append(float(new.strength()))
    return np.array(found)


@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_strength_is_the_recursion(smoothing):
    costs = np.random.default_rng(0).uniform(0.2, 0.9, 50).astype("float32")
    found = strengths(controller(smoothing=smoothing), costs)
    multiplier, average = 0.0, costs[0]
    for cost, strength in zip(costs, found, strict=True):
        average = smoothing * average + (1 - smoothing) * cost
        error = average / TARGET - 1
        multiplier = max(0.0, multiplier + 0.05 * error)
        expected = max(0.0, multiplier + 20 * error)
        assert strength == pytest.approx(expected, abs=1e-3)


def test_draws_on_budget_hardly_cause_a_penalty_when_averaged():
    """Costs of draws around the target, half above it and half below."""
    costs = TARGET + 0.2 * np.array([1.0, -1.0] * 100, "float32")
    plain = strengths(controller(), costs).mean()
    averaged = strengths(controller(smoothing=0.9), costs)[20:].mean()
    assert averaged < 0.1 * plain
