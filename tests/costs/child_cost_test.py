"""The expected cost of a child that is running is what the child costs."""

import numpy as np
import pytest
import tensorflow as tf

import keras_nas
from keras_nas import spaces
from tests.elastic import as_child
from tests.elastic import choose
from tests.elastic import indices_of


@pytest.mark.parametrize("build", [spaces.smoke_big_nas, spaces.small_big_nas])
def test_cost_of_the_child_that_is_running(build):
    space = build()
    model = space.supernet(10, seed=0)
    flops = keras_nas.ExpectedFLOPs(1.0)
    params = keras_nas.ExpectedParams(1.0)

    @tf.function
    def costs(indices):
        with as_child(model, indices):
            return flops(model), params(model)

    samples = [space.sample(seed) for seed in range(3)]
    for architecture in (space.smallest(), *samples, space.biggest()):
        expected = keras_nas.count_cost(space.build(architecture, 10))
        expected = expected.macs, expected.params
        choose(model, architecture)
        decided = keras_nas.decided_cost(model)
        assert (decided.macs, decided.params) == expected
        indices = indices_of(model, architecture)
        tensors = {n: tf.constant(i) for n, i in indices.items()}
        np.testing.assert_allclose(costs(tensors), expected, rtol=1e-6)
    assert flops.full(model) == expected[0]
    smallest = keras_nas.count_cost(space.build(space.smallest(), 10))
    assert flops.smallest(model) == smallest.macs
    with as_child(model, indices):
        known = flops(model), params(model)
        assert float(flops(model, "float64")) == expected[0]
    np.testing.assert_allclose(known, expected, rtol=1e-6)
