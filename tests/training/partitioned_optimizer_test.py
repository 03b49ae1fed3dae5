"""Two optimizers in one, against plain gradient descent by hand."""

import keras
import numpy as np
import pytest

from keras_nas.training import PartitionedOptimizer


def variables():
    return [keras.Variable([1.0, 2.0], name=n) for n in ("weights", "logits")]


def test_each_group_follows_its_own_learning_rate():
    weights, logits = variables()
    optimizer = PartitionedOptimizer(
        keras.optimizers.SGD(0.1), keras.optimizers.SGD(10.0), [logits]
    )
    gradient = keras.ops.ones(2)
    for _ in range(3):
        optimizer.apply([gradient, gradient], [weights, logits])
    np.testing.assert_allclose(weights.numpy(), [0.7, 1.7], rtol=1e-6)
    np.testing.assert_allclose(logits.numpy(), [-29.0, -28.0], rtol=1e-6)
    assert int(optimizer.iterations) == 3


def test_learning_rate_is_that_of_the_weights():
    _, logits = variables()
    optimizer = PartitionedOptimizer(
        keras.optimizers.SGD(0.1), keras.optimizers.SGD(10.0), [logits]
    )
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    optimizer.learning_rate = 0.5
    assert float(optimizer.optimizer.learning_rate) == pytest.approx(0.5)
    assert float(optimizer.special_optimizer.learning_rate) == 10.0


def test_slots_of_both_are_saved():
    weights, logits = variables()
    optimizer = PartitionedOptimizer(
        keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.2), [logits]
    )
    optimizer.build([weights, logits])
    optimizer.apply([keras.ops.ones(2)] * 2, [weights, logits])
    store = {}
    optimizer.save_own_variables(store)
    other = PartitionedOptimizer(
        keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.2), [logits]
    )
    other.build([weights, logits])
    other.load_own_variables(store)
    for a, b in zip(optimizer.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_moving_averages_replace_both_groups_at_the_end():
    weights, logits = variables()
    optimizer = PartitionedOptimizer(
        keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5),
        keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5),
        [logits],
    )
    for _ in range(2):
        optimizer.apply([keras.ops.ones(2)] * 2, [weights, logits])
    optimizer.finalize_variable_values([weights, logits])
    # 1 -> 0 -> -1; the average starts at the first value it sees, 0.
    np.testing.assert_allclose(weights.numpy(), logits.numpy())
    assert weights.numpy()[0] > -1.0


def test_it_cannot_be_serialized():
    _, logits = variables()
    optimizer = PartitionedOptimizer("sgd", "sgd", [logits])
    with pytest.raises(NotImplementedError, match="save_weights"):
        optimizer.get_config()
