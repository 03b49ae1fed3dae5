"""The sampler against the closed forms of its distribution, and the rest.

With u = sigmoid(l) uniform, a = exp(nu) and tau = 1, a draw is
m = a u / (a u + 1 - u), so expectations are integrals over [0, 1].
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas import LogisticSigmoidMask
from tests.layers.layer_checks import build_mask
from tests.layers.layer_checks import check_layer
from tests.layers.layer_checks import draw
from tests.layers.layer_checks import to_numpy

_DRAWS = 200_000
_LOGITS = (-3.0, -0.7, 0.0, 1.2, 2.5)


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def _draws(logit, temperature, seed=0):
    """Returns many independent draws: one channel each, one step."""
    mask = LogisticSigmoidMask(
        logit, temperature, seed=seed, name=f"mask_{logit}"
    )
    return draw(build_mask(mask, _DRAWS)).astype("float64")


def test_basics():
    check_layer(
        LogisticSigmoidMask,
        {"initial_logit": 0.3, "temperature": 0.5, "seed": 3},
        input_shape=(2, 4, 4, 6),
        trainable_weights=1,
        non_trainable_weights=1,
        seed_generators=1,
    )


@pytest.mark.parametrize("temperature", [1e-3, 0.3, 1.0])
@pytest.mark.parametrize("logit", _LOGITS)
def test_more_than_half_with_the_keep_probability(logit, temperature):
    kept = (_draws(logit, temperature) > 0.5).mean()
    p = _sigmoid(logit)
    assert abs(kept - p) < 4 * np.sqrt(p * (1 - p) / _DRAWS)


@pytest.mark.parametrize("logit", _LOGITS)
def test_mean_equals_the_closed_form(logit):
    a = np.exp(logit)
    mean = 0.5
    if logit:
        mean = a / (a - 1) - a * logit / (a - 1) ** 2
    draws = _draws(logit, 1.0)
    assert abs(draws.mean() - mean) < 4 * draws.std() / np.sqrt(_DRAWS)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("logit", [-1.0, 0.0, 2.5])
def test_distribution_function(logit, temperature):
    """P(m <= x) = sigmoid(tau logit(x) - nu); Kolmogorov's distance."""
    draws = np.sort(_draws(logit, temperature))
    draws = np.clip(draws, 1e-7, 1 - 1e-7)
    expected = _sigmoid(temperature * np.log(draws / (1 - draws)) - logit)
    empirical = (np.arange(_DRAWS) + 0.5) / _DRAWS
    inside = (draws > 1e-5) & (draws < 1 - 1e-5)  # Float32 near 1.
    distance = np.abs(expected - empirical)[inside].max()
    assert inside.mean() > 0.8
    assert distance < 1.95 / np.sqrt(_DRAWS)  # Exceeded once in 1000.


@pytest.mark.parametrize("logit", [0.0, 2.5])
def test_cold_draws_are_binary(logit):
    temperature, close = 1e-3, 1e-6
    draws = _draws(logit, temperature)
    binary = (np.minimum(draws, 1 - draws) < close).mean()
    width = temperature * np.log(1 / close)
    between = _sigmoid(width - logit) - _sigmoid(-width - logit)
    assert abs(binary - (1 - between)) < 1e-3
    assert binary > 0.99


def _loss(m):
    """A task loss in which two channels interact."""
    return (3.0 * m[..., 0] - 2.0 * m[..., 1] - 0.5) ** 2


def _expected_loss(logits):
    nodes, weights = np.polynomial.legendre.leggauss(80)
    u, w = (nodes + 1) / 2, weights / 2
    a = np.exp(np.asarray(logits, "float64"))[:, None]
    m = a * u / (a * u + 1 - u)
    grid = np.stack(np.meshgrid(m[0], m[1], indexing="ij"), axis=-1)
    return w @ _loss(grid) @ w


@pytest.mark.parametrize("logits", [(0.0, 0.0), (1.5, -1.0), (-2.0, 2.5)])
def test_gradient_of_the_expected_loss(logits):
    """The pathwise gradient against differences of the integral."""
    expected = []
    for i in range(2):
        shift = np.eye(2)[i] * 1e-4
        above = _expected_loss(logits + shift)
        below = _expected_loss(logits - shift)
        expected.append((above - below) / 2e-4)

    pairs = _DRAWS // 2
    mask = LogisticSigmoidMask(temperature=1.0, seed=1, name="mask")
    build_mask(mask, _DRAWS, np.tile(logits, pairs))
    with tf.GradientTape() as tape:
        outputs = mask(np.ones((1, _DRAWS)), training=True)
        loss = tf.reduce_sum(_loss(tf.reshape(outputs, (pairs, 2))))
    gradients = to_numpy(tape.gradient(loss, mask.logits.value))
    gradients = gradients.reshape(pairs, 2).astype("float64")
    error = gradients.std(axis=0) / np.sqrt(pairs)
    assert (error < 0.02).all()
    assert (np.abs(gradients.mean(axis=0) - expected) < 4 * error).all()


def test_same_relaxed_mask_forward_and_backward():
    """No straight-through: d output / d logit = m (1 - m) / tau."""
    mask = LogisticSigmoidMask(0.0, temperature=0.5, seed=2, name="mask")
    build_mask(mask, 1000)
    with tf.GradientTape() as tape:
        outputs = mask(np.ones((1, 1000)), training=True)
    gradients = to_numpy(tape.gradient(outputs, mask.logits.value))
    m = to_numpy(outputs)[0]
    np.testing.assert_allclose(gradients, m * (1 - m) / 0.5, atol=1e-6)


def test_extreme_logits_stay_finite():
    for logit in (-1e30, -200.0, 200.0, 1e30):
        mask = LogisticSigmoidMask(logit, seed=0)
        build_mask(mask, 100)
        with tf.GradientTape() as tape:
            outputs = mask(np.ones((1, 100)), training=True)
        gradients = tape.gradient(outputs, mask.logits.value)
        assert (to_numpy(outputs) == float(logit > 0)).all()
        assert (to_numpy(gradients) == 0).all()


def test_temperature_changes_without_a_retrace():
    mask = build_mask(LogisticSigmoidMask(0.0, 1.0, seed=0), 1000)
    traces = []

    @tf.function
    def train(x):
        traces.append(1)
        return mask(x, training=True)

    warm = to_numpy(train(tf.ones((1, 1000))))
    mask.temperature.assign(1e-3)
    cold = to_numpy(train(tf.ones((1, 1000))))
    assert ((warm > 0.1) & (warm < 0.9)).mean() > 0.5
    assert ((cold > 0.1) & (cold < 0.9)).mean() < 0.01
    assert len(traces) == 1


def test_inference_keeps_iff_the_logit_is_positive():
    logits = [-2.0, -1e-6, 0.0, 1e-6, 2.5]
    mask = build_mask(LogisticSigmoidMask(seed=0), 5, logits)
    inputs = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    kept = np.array([0, 0, 0, 1, 1], "float32")
    for outputs in (mask(inputs), mask(inputs, training=False)):
        np.testing.assert_array_equal(to_numpy(outputs), inputs * kept)
    assert mask.decision() == [3, 4]
    np.testing.assert_allclose(
        to_numpy(mask.probabilities()), _sigmoid(np.array(logits)), rtol=1e-6
    )


def test_soft_inference_multiplies_by_the_probability():
    logits = np.array([-2.0, 0.0, 0.4, 2.5])
    mask = LogisticSigmoidMask(soft_inference=True, seed=0)
    build_mask(mask, 4, logits)
    outputs = to_numpy(mask(np.ones((1, 4))))[0]
    np.testing.assert_allclose(
        outputs, [0, 0, _sigmoid(0.4), _sigmoid(2.5)], rtol=1e-6
    )
    assert mask.decision() == [2, 3]
    np.testing.assert_array_equal(mask.scale_of([2, 3]), outputs)
    np.testing.assert_allclose(
        mask.scale_of([0]), [_sigmoid(-2.0), 0, 0, 0], rtol=1e-6
    )


def test_soft_inference_does_not_change_the_draws():
    soft, hard = (
        build_mask(
            LogisticSigmoidMask(soft_inference=s, seed=0, name="mask"), 100
        )
        for s in (True, False)
    )
    assert (draw(soft) == draw(hard)).all()


def test_scale_of_a_decision():
    mask = build_mask(LogisticSigmoidMask(seed=0), 5)
    assert mask.scale_of([4, 1]).tolist() == [0, 1, 0, 0, 1]
    assert mask.scale_of([]).tolist() == [0] * 5
    assert mask.scale_of(mask.decision()).tolist() == [1] * 5


@pytest.mark.parametrize(
    "decision",
    [[5], [-1], [0, 0], [1.0], ["1"], [True, False], 2, None, "01", {"0": 1}],
)
def test_bad_decision_is_refused(decision):
    mask = build_mask(LogisticSigmoidMask(seed=0, name="mask"), 5)
    with pytest.raises(
        ValueError,
        match="Invalid decision for mask 'mask'.* distinct channel indices "
        "below 5. Received: ",
    ):
        mask.scale_of(decision)


@pytest.mark.parametrize(
    "temperature", [0, -1.0, np.nan, np.inf, None, "cold", [1.0], True]
)
def test_bad_temperature_is_refused(temperature):
    with pytest.raises(
        ValueError, match="argument `temperature`. Expected a positive float"
    ):
        LogisticSigmoidMask(temperature=temperature)


@pytest.mark.parametrize("logit", [np.nan, np.inf, None, "high", [2.5]])
def test_bad_initial_logit_is_refused(logit):
    with pytest.raises(
        ValueError, match="argument `initial_logit`. Expected a finite float"
    ):
        LogisticSigmoidMask(initial_logit=logit)


def test_numpy_numbers_are_accepted():
    mask = LogisticSigmoidMask(
        np.float32(0.5), np.float64(0.1), seed=np.int64(3)
    )
    assert mask.get_config()["initial_logit"] == 0.5
    keras.saving.serialize_keras_object(mask)
    assert type(mask.get_config()["seed"]) is int
