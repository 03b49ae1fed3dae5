"""The estimates of FP-NAS against the paper's equations, written out."""

import math

import numpy as np
import pytest
from keras import ops

from keras_nas.search import importance


@pytest.mark.parametrize(
    "entropy, samples_per_nat, expected",
    [
        (56.25, 0.25, 14),  # FBNetV2-F: the paper's 14 samples.
        (0.0, 0.25, 1),
        (7.99, 0.25, 1),
        (8.0, 0.25, 2),
        (7.99999, 0.25, 2),  # Rounding.
        (3 * math.log(2.0), 1 / math.log(2.0), 3),
    ],
)
def test_samples_follow_the_entropy(entropy, samples_per_nat, expected):
    entropy_tensor = ops.convert_to_tensor(entropy, "float32")
    number = importance.number_of_samples(entropy_tensor, samples_per_nat)
    assert int(number) == expected
    assert importance.most_samples(entropy, samples_per_nat) == expected


def weights_of(log_likelihoods, hinges, number, *arguments):
    return ops.convert_to_numpy(
        importance.importance_weights(
            ops.convert_to_tensor(log_likelihoods, "float32"),
            ops.convert_to_tensor(hinges, "float32"),
            number,
            *arguments,
        )
    )


def test_weights_are_those_of_the_paper():
    log_likelihoods = np.array([-1.0, -2.0, -0.5, -99.0, 0.0])
    hinges = np.array([0.0, 0.5, 1.5, 9.0, 9.0])
    likelihoods = np.exp(log_likelihoods[:3])
    expected = likelihoods / likelihoods.sum() - 0.3 * hinges[:3] / 2.0
    weights = weights_of(log_likelihoods, hinges, 3, 0.3)
    np.testing.assert_allclose(weights[:3], expected, rtol=1e-5)
    assert not weights[3:].any()
    tempered = likelihoods**0.25
    expected = tempered / tempered.sum() - 0.3 * hinges[:3] / 2.0
    weights = weights_of(log_likelihoods, hinges, 3, 0.3, 4.0)
    np.testing.assert_allclose(weights[:3], expected, rtol=1e-5)


def test_no_cost_counts_where_all_samples_are_within_the_target():
    weights = weights_of([-1e4, -2e4, 0.0], [0.0, 0.0, 5.0], 2, 0.3)
    np.testing.assert_array_equal(weights, [1.0, 0.0, 0.0])


def test_hinge_costs():
    costs = importance.hinge_costs(np.float32([50.0, 100.0, 150.0]), 100.0)
    np.testing.assert_allclose(costs, [0.0, 0.0, 0.5])


def test_log_mean_likelihood():
    values = ops.convert_to_tensor([-700.0, -701.0, 0.0])
    expected = -700.0 + math.log((1.0 + math.exp(-1.0)) / 2.0)
    actual = importance.log_mean_likelihood(values, 2)
    assert float(actual) == pytest.approx(expected, rel=1e-6)


def test_what_is_not_a_number_counts_as_no_likelihood():
    log_likelihoods = np.array([np.nan, -2.0, -1.0, -np.inf], "float32")
    weights = importance.importance_weights(
        log_likelihoods, np.array([1.0, 0.0, 0.0, 3.0], "float32"), 4, 0.5
    )
    expected = [0.0, 1 / (1 + np.e), np.e / (1 + np.e), 0.0]
    expected = np.array(expected) - 0.5 * np.array([0.25, 0.0, 0.0, 0.75])
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    weights = importance.importance_weights(
        np.full(2, np.nan, "float32"), np.zeros(2, "float32"), 2, 0.5
    )
    np.testing.assert_array_equal(weights, [0.0, 0.0])
