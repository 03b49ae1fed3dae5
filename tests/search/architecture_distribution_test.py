"""The distribution over architectures, against enumeration in NumPy."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_nas.search import ArchitectureDistribution

DECISIONS = {"a": (3, 5), "lone": 4, "b": 3, "c": ("relu", "swish")}
GROUPS = {"row": ("b", "a"), "other": ("c",)}
NUMBERS = (2, 4, 3, 2)
ALL = np.array(list(itertools.product(*map(range, NUMBERS))), "int32")


def distribution_of(representation="factorized", seed=0, scale=1.0, **kwargs):
    """Returns a distribution with random logits."""
    distribution = ArchitectureDistribution(
        DECISIONS,
        GROUPS,
        representation,
        seed=seed,
        name="distribution",
        **kwargs,
    )
    rng = np.random.default_rng(7)
    for variable in distribution.trainable_variables:
        variable.assign(rng.normal(0.0, scale, variable.shape))
    return distribution


def softmax(logits):
    values = np.exp(np.float64(logits) - np.max(logits))
    return values / values.sum()


def probabilities(distribution):
    """Returns P of every architecture, as Eq. 2 and 5 have it."""
    if not distribution.is_joint:
        vectors = [softmax(v.numpy()) for v in distribution.factorized]
        return np.array([math.prod(map(_at, vectors, row)) for row in ALL])
    row, other, lone = (softmax(v.numpy()) for v in distribution.joint)
    row = row.reshape(3, 2)
    return np.array([row[b, a] * lone[m] * other[c] for a, m, b, c in ALL])


def _at(vector, index):
    return vector[index]


def logged(distribution):
    """Returns log P of every architecture, as the distribution has it."""
    return ops.convert_to_numpy(distribution.log_probability(ALL))


@pytest.mark.parametrize("representation", ["factorized", "joint"])
def test_probabilities_and_entropy_are_those_of_the_enumeration(
    representation,
):
    distribution = distribution_of(representation)
    expected = probabilities(distribution)
    assert expected.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(np.exp(logged(distribution)), expected, 1e-5)
    entropy = -(expected * np.log(expected)).sum()
    assert float(distribution.entropy()) == pytest.approx(entropy, rel=1e-6)
    best = ALL[np.argmax(expected)]
    np.testing.assert_array_equal(distribution.most_probable(), best)


def test_the_joint_distribution_begins_as_uniform_as_the_factorized_one():
    for representation in ("factorized", "joint"):
        distribution = ArchitectureDistribution(
            DECISIONS, GROUPS, representation
        )
        uniform = math.log(len(ALL))
        assert distribution.largest_entropy == pytest.approx(uniform)
        assert float(distribution.entropy()) == pytest.approx(uniform)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_conversion_changes_no_probability_and_no_draw(scale):
    distribution = distribution_of(scale=scale)
    expected, entropy = probabilities(distribution), distribution.entropy()
    draws = ops.convert_to_numpy(distribution.sample(200))
    assert [v.shape for v in distribution.logits] == [(n,) for n in NUMBERS]
    distribution.convert()
    assert [v.shape[0] for v in distribution.logits] == [6, 2, 4]
    np.testing.assert_allclose(
        np.exp(logged(distribution)), expected, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        probabilities(distribution), expected, rtol=0, atol=1e-6
    )
    assert float(distribution.entropy()) == pytest.approx(
        float(entropy), abs=1e-5
    )
    np.testing.assert_array_equal(distribution.sample(200), draws)
    logits = distribution.joint[0].numpy()
    distribution.convert()  # Once is enough.
    np.testing.assert_array_equal(distribution.joint[0], logits)


def test_a_compiled_function_goes_on_after_conversion():
    distribution = distribution_of()
    traces = []

    @tf.function
    def entropy():
        traces.append(None)
        return distribution.entropy()

    before = float(entropy())
    distribution.convert()
    assert float(entropy()) == pytest.approx(before, abs=1e-5)
    distribution.joint[0].assign([50.0] + [0.0] * 5)
    assert float(entropy()) == pytest.approx(
        float(distribution.entropy()), abs=1e-5
    )
    assert float(entropy()) < before - 0.1 and len(traces) == 1


@pytest.mark.parametrize("representation", ["factorized", "joint"])
def test_draws_have_the_probabilities(representation):
    distribution = distribution_of(representation)
    number = 20_000
    draws = ops.convert_to_numpy(distribution.sample(number))
    assert draws.shape == (number, 4) and draws.dtype == np.int32
    counts = np.zeros(NUMBERS)
    np.add.at(counts, tuple(draws.T), 1)
    expected = probabilities(distribution).reshape(NUMBERS) * number
    # Chi-square of 47 degrees of freedom: mean 47, deviation 9.7.
    likely = expected > 2
    chi = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
    assert chi < 47 + 5 * 9.7


def test_impossible_options_are_never_drawn():
    distribution = ArchitectureDistribution({"a": 4}, seed=0)
    distribution.factorized[0].assign([-1e4, 0.0, 0.0, -1e4])
    draws = ops.convert_to_numpy(distribution.sample(10_000))
    assert set(draws.ravel().tolist()) == {1, 2}


def test_draws_are_functions_of_seed_name_and_step():
    def drawn(seed=0, **kwargs):
        distribution = distribution_of(seed=seed, **kwargs)
        steps = []
        for _ in range(3):
            distribution.begin_step()
            first, again = (
                ops.convert_to_numpy(distribution.sample(8)) for _ in range(2)
            )
            np.testing.assert_array_equal(first, again)
            steps.append(first.tolist())
        return steps

    first = drawn()
    assert first == drawn() != drawn(seed=1)
    assert first[0] != first[1] != first[2]


@pytest.mark.parametrize("representation", ["factorized", "joint"])
def test_gradients_of_log_probabilities(representation):
    distribution = distribution_of(representation)
    weights = np.random.default_rng(1).normal(size=len(ALL))
    variables = [*distribution.factorized, *distribution.joint]
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(
            distribution.log_probability(ALL) * np.float32(weights)
        )
    gradients = tape.gradient(total, [v.value for v in variables])
    holding = {id(v) for v in distribution.logits}

    def value():
        return (np.log(probabilities(distribution)) * weights).sum()

    for variable, gradient in zip(variables, gradients, strict=True):
        before = variable.numpy()
        if id(variable) not in holding:
            assert not np.any(gradient)
            continue
        for index, actual in enumerate(gradient.numpy()):
            ends = []
            for change in (1e-2, -1e-2):
                moved = before.copy()
                moved[index] += change
                variable.assign(moved)
                ends.append(value() / (2e-2))
            variable.assign(before)
            assert actual == pytest.approx(ends[0] - ends[1], abs=2e-3)


def model_with(distribution):
    """Returns a model that has a distribution among its layers."""
    model = keras.Model()
    model.distribution, model.built = distribution, True
    return model


@pytest.mark.parametrize("converted", [False, True])
def test_saved_and_loaded(converted, tmp_path):
    distribution = distribution_of()
    if converted:
        distribution.convert()
        distribution.joint[0].assign_add(np.float32([0, 1, 0, 0, 0, -1]))
    distribution.begin_step()
    path = tmp_path / "model.weights.h5"
    model_with(distribution).save_weights(path)
    loaded = ArchitectureDistribution.from_config(distribution.get_config())
    model_with(loaded).load_weights(path)
    assert loaded.is_joint == converted
    np.testing.assert_array_equal(logged(loaded), logged(distribution))
    for _ in range(2):
        np.testing.assert_array_equal(
            loaded.sample(20), distribution.sample(20)
        )
        loaded.begin_step()
        distribution.begin_step()


def test_logits_are_float32_in_low_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        distribution = distribution_of()
        assert distribution.entropy().dtype == "float32"
    finally:
        keras.config.set_dtype_policy(policy)
    assert {v.dtype for v in distribution.logits} == {"float32"}


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"decisions": {}}, "`decisions`"),
        ({"decisions": {"a": 0}}, "`decisions`.*'a': 0"),
        ({"decisions": ["a"]}, "`decisions`"),
        ({"groups": {"x": ("z",)}}, "`groups`.*'z'"),
        ({"groups": {"x": ("a",), "y": ("a", "b")}}, "`groups`.*several.*'a'"),
        ({"groups": {"x": ()}}, "`groups`.*'x'"),
        (
            {"decisions": dict.fromkeys("abc", 2), "groups": {"a": "bc"}},
            "`groups`.*called.*'a'",
        ),
        ({"representation": "mixed"}, "`representation`.*'mixed'"),
        ({"seed": 0.5}, "`seed`.*0.5"),
        (
            {"decisions": dict.fromkeys("abc", 101), "groups": {"x": "abc"}},
            "`groups`.*1,030,301 in group 'x'",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, match):
    arguments = {"decisions": {"a": 2, "b": 3}, **arguments}
    with pytest.raises(ValueError, match=match):
        ArchitectureDistribution(**arguments)
