"""Learning rates against their formulas."""

import math

import pytest

from keras_nas.training import Recipe


def test_cosine_ends_at_zero():
    schedule = Recipe(0.4).schedule(steps=10, epochs=5)
    for step in (0, 13, 50):
        expected = 0.2 * (1 + math.cos(math.pi * step / 50))
        assert float(schedule(step)) == pytest.approx(expected, abs=1e-7)


def test_exponential_is_smooth():
    recipe = Recipe(1.6, "exponential", decay_rate=0.5, decay_epochs=35)
    schedule = recipe.schedule(steps=100, epochs=100)
    for epoch in (0, 10.5, 35, 70):
        expected = 1.6 * 0.5 ** (epoch / 35)
        assert float(schedule(epoch * 100)) == pytest.approx(expected)


@pytest.mark.parametrize("decay", ["exponential", "cosine"])
def test_the_ending_is_constant(decay):
    options = {"decay_rate": 0.97, "decay_epochs": 2.4}
    recipe = Recipe(0.256, decay, constant_ending=0.05, **options)
    schedule = recipe.schedule(steps=10, epochs=300)
    for step in (0, 500, 2364, 2800, 2999, 3000):
        expected = {
            "exponential": 0.256 * 0.97 ** (step / 24),
            "cosine": 0.128 * (1 + math.cos(math.pi * step / 3000)),
        }[decay]
        expected = max(expected, 0.0128)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-4)
    assert float(schedule(2999)) == pytest.approx(0.0128)


def test_the_learning_rate_may_start_below_the_ending():
    """The warm-up is in front; it rises to what the schedule has there."""
    recipe = Recipe(
        1.0,
        "exponential",
        decay_epochs=1,
        constant_ending=0.5,
        warmup_epochs=4,
        warmup_start=0.1,
    )
    schedule = recipe.schedule(steps=10, epochs=10)
    for step, expected in [(0, 0.1), (20, 0.3), (40, 0.5), (100, 0.5)]:
        assert float(schedule(step)) == pytest.approx(expected)


def test_optimizer_has_the_recipe():
    recipe = Recipe(1.6, epsilon=1.0, weight_decay=1.7e-5, ema_momentum=0.9997)
    optimizer = recipe.optimizer(steps=10, epochs=1)
    assert optimizer.epsilon == 1.0
    assert optimizer.weight_decay == 1.7e-5
    assert optimizer.use_ema and optimizer.ema_momentum == 0.9997
    assert Recipe(1e-3).optimizer(10, 1).weight_decay is None


def test_errors_are_clear():
    with pytest.raises(ValueError, match="argument `decay`.*'linear'"):
        Recipe(0.1, decay="linear")
    for share in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match="`constant_ending`.*0 to 1"):
            Recipe(0.1, constant_ending=share)
