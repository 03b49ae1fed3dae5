"""The estimates of FP-NAS: how many samples, and what each counts.

Let L(A) = P(y | X, w, A) be the likelihood of a batch of validation data and
P(A) = P(A | alpha). What is minimized is (Eq. 6)

    -log sum_A P(A) L(A) + beta log sum_A P(A) C(A).

Since the gradient of P(A) is P(A) times that of log P(A), its gradient is

    sum_A P(A) [L(A) / Z_L - beta C(A) / Z_C] grad(-log P(A)),

with Z_L = sum_A P(A) L(A) and Z_C = sum_A P(A) C(A). K draws from P(A)
estimate the sum over A and, with the same draws, both Z, and the factors 1/K
cancel (Eq. 7):

    sum_k m_k grad(-log P(A_k)),
    m_k = L(A_k) / sum_j L(A_j) - beta C(A_k) / sum_j C(A_j).

The first part is PARSEC's importance weight. Weights that are normalized by
their own sum are biased by O(1/K), and right for many draws. Since
grad log P(A) has the mean 0, weights that are all equal move nothing on
average; a weight below 0 makes an architecture less likely.
"""

import math

from keras import ops

# Rounding must not take a sample from what is an integer.
_MARGIN = 1e-4


def number_of_samples(entropy, samples_per_nat):
    """Returns K = max(1, floor(lambda H)), an int32 tensor (Eq. 4).

    Args:
        entropy: Scalar tensor, H in nats.
        samples_per_nat: Float, lambda.
    """
    number = ops.floor(samples_per_nat * entropy + _MARGIN)
    return ops.cast(ops.maximum(number, 1.0), "int32")


def most_samples(largest_entropy, samples_per_nat):
    """Returns what `number_of_samples` is at most, an integer."""
    return max(1, math.floor(samples_per_nat * largest_entropy + 2 * _MARGIN))


def hinge_costs(costs, target):
    """Returns C(A) = max(0, cost(A) / target - 1) (Eq. 6)."""
    return ops.maximum(costs / target - 1.0, 0.0)


def importance_weights(
    log_likelihoods, hinges, number, cost_weight, temperature=1.0
):
    """Returns m_k of Eq. 7; of rows from `number` on it is 0.

    Where no sample is over the target, all C are 0, and so is their part. A
    likelihood that is not a number counts as 0, unless no other one is a
    number either: then the first part is 0.

    Args:
        log_likelihoods: float32 vector, log L(A_k), summed over the batch.
        hinges: float32 vector, C(A_k).
        number: Scalar integer tensor, K.
        cost_weight: Float, beta.
        temperature: Float, T. L^(1/T) takes the place of L.
    """
    is_sample = _are_samples(log_likelihoods, number)
    is_known = ops.logical_and(is_sample, ops.isfinite(log_likelihoods))
    scores = ops.where(is_known, log_likelihoods / temperature, -math.inf)
    hinges = ops.where(is_sample, hinges, 0.0)
    shares = ops.divide_no_nan(hinges, ops.sum(hinges))
    likelihoods = ops.exp(scores - ops.logsumexp(scores))
    likelihoods = ops.where(ops.any(is_known), likelihoods, 0.0)
    return likelihoods - cost_weight * shares


def log_mean_likelihood(log_likelihoods, number):
    """Returns log (1/K sum_k L(A_k)), the estimate of Eq. 3."""
    is_sample = _are_samples(log_likelihoods, number)
    scores = ops.where(is_sample, log_likelihoods, -math.inf)
    return ops.logsumexp(scores) - ops.log(ops.cast(number, scores.dtype))


def surrogate_loss(log_probabilities, weights):
    """Returns sum_k m_k (-log P(A_k)), whose gradient is that of Eq. 7."""
    return -ops.sum(weights * log_probabilities)


def _are_samples(values, number):
    return ops.arange(values.shape[0], dtype="int32") < number
