"""The constant ending of a learning rate, against its formula."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas.training import ConstantEnding
from keras_nas.training import WarmUp

DECAY = keras.optimizers.schedules.ExponentialDecay(0.256, 30, 0.9)


def test_the_rate_is_the_greater_one():
    schedule = ConstantEnding(DECAY, 0.0128)
    for step in (0, 1, 100, 852, 853, 854, 10_000):
        expected = max(0.256 * 0.9 ** (step / 30), 0.0128)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-4)
    # 5% after log(0.05) / log(0.9) = 28.4 times 30 steps, not before.
    assert float(schedule(851)) > float(schedule(852)) > 0.0128
    rest = [float(schedule(step)) for step in (854, 900, 10_000)]
    assert rest == [float(np.float32(0.0128))] * 3


def test_a_floor_of_zero_changes_nothing():
    schedule = ConstantEnding(DECAY, 0)
    for step in (0, 500, 5000):
        assert float(schedule(step)) == float(DECAY(step))


def test_it_runs_in_a_graph():
    schedule = ConstantEnding(DECAY, 0.1)
    traced = tf.function(schedule, input_signature=[tf.TensorSpec((), "int64")])
    for step in (0, 10_000):
        rate = traced(tf.constant(step, "int64"))
        assert rate.dtype == "float32"
        assert float(rate) == float(schedule(step))


def test_it_is_saved_with_an_optimizer():
    schedule = WarmUp(ConstantEnding(DECAY, 0.0128), 10, 0.1)
    saved = json.dumps(
        keras.optimizers.serialize(keras.optimizers.SGD(schedule))
    )
    loaded = keras.optimizers.deserialize(json.loads(saved))
    found = loaded.get_config()["learning_rate"]
    found = keras.optimizers.schedules.deserialize(found)
    assert isinstance(found.schedule, ConstantEnding)
    assert found.schedule.floor == 0.0128
    for step in (0, 5, 10, 500, 5000):
        assert float(found(step)) == float(schedule(step))
