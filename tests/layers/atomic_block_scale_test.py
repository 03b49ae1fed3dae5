"""AtomicBlockScale: what it computes, and when a block is dead."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import AtomicBlockScale
from keras_nas.layers import PerChannelMask
from tests.layers.layer_checks import check_layer
from tests.layers.layer_checks import check_training
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy


def own(factor, **kwargs):
    """Returns a built layer with these factors of its own."""
    layer = AtomicBlockScale(factor="own", **kwargs)
    layer.build((None, len(factor)))
    layer.own_factor.assign(factor)
    return layer


def behind_norm(gamma, beta, **kwargs):
    """Returns a model of a BatchNormalization and the layer, and the two."""
    norm = layers.BatchNormalization(epsilon=0.0)
    scale = AtomicBlockScale(name="scale", **kwargs)
    model = keras.Sequential([keras.Input((len(gamma),)), norm, scale])
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    return model, norm, scale


def step(layer, channels, training=True):
    return to_numpy(layer(np.ones((2, channels), "float32"), training=training))


def test_basics():
    check_layer(
        AtomicBlockScale,
        {"seed": 3},
        input_shape=(2, 4, 4, 6),
        trainable_weights=1,
        non_trainable_weights=1,
        seed_generators=1,
    )


def test_it_is_a_mask_that_decides_on_each_channel():
    layer = own([1.0, 1.0])
    assert isinstance(layer, PerChannelMask)
    assert layer.decides_each_channel and layer.method == "AtomNAS"
    assert layer.threshold == 1e-3 and layer.momentum == 0.9999


def test_stock_fit_trains_it_behind_a_normalization():
    model, _, scale = behind_norm(np.ones(6), np.zeros(6))
    features = np.random.default_rng(0).normal(size=(8, 6))
    check_training(model, features)
    assert step_of(scale) == 1


def test_own_factors_multiply_in_training():
    layer = own([2.0, -0.5, 0.0])
    np.testing.assert_allclose(step(layer, 3), [[2.0, -0.5, 0.0]] * 2)
    np.testing.assert_allclose(to_numpy(layer.sample()), [2.0, -0.5, 0.0])


def test_scales_of_a_normalization_are_not_applied_twice():
    model, norm, scale = behind_norm([2.0, -0.5], [1.0, 3.0])
    x = np.array([[1.0, 1.0], [-1.0, -1.0]], "float32")
    expected = np.array([[3.0, 2.5], [-1.0, 3.5]])
    np.testing.assert_allclose(to_numpy(model(x, training=True)), expected)
    np.testing.assert_allclose(to_numpy(scale.sample()), [1.0, 1.0])


def test_moving_average_by_hand():
    layer = own([2.0, -1.0], momentum=0.9)
    step(layer, 2)
    np.testing.assert_allclose(to_numpy(layer.moving_average), [2.0, -1.0])
    layer.own_factor.assign([1.0, 0.0])
    step(layer, 2)
    expected = [0.9 * 2.0 + 0.1 * 1.0, 0.9 * -1.0]
    np.testing.assert_allclose(to_numpy(layer.moving_average), expected)
    layer.own_factor.assign([0.0, 5.0])
    step(layer, 2, training=False)
    np.testing.assert_allclose(to_numpy(layer.moving_average), expected)
    step(layer, 2)
    expected = [0.9 * expected[0], 0.9 * expected[1] + 0.1 * 5.0]
    np.testing.assert_allclose(
        to_numpy(layer.moving_average), expected, rtol=1e-6
    )
    assert step_of(layer) == 3


def test_moving_average_of_a_normalization_follows_its_scales():
    model, norm, scale = behind_norm([2.0, 4.0], [0.0, 0.0], momentum=0.5)
    x = np.ones((2, 2), "float32")
    model(x, training=True)
    norm.gamma.assign([0.0, 0.0])
    model(x, training=True)
    np.testing.assert_allclose(to_numpy(scale.moving_average), [1.0, 2.0])


def test_one_step_where_a_model_applies_it_twice():
    scale = AtomicBlockScale(factor="own", momentum=0.5)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, scale(scale(inputs) + 1.0))
    for factor in (1.0, 0.0):
        scale.own_factor.assign([factor, factor])
        model(np.ones((2, 2), "float32"), training=True)
    assert step_of(scale) == 2
    np.testing.assert_allclose(to_numpy(scale.moving_average), [0.5, 0.5])


def test_it_stands_still_while_its_step_is_held():
    layer = own([1.0], momentum=0.5)
    step(layer, 1)
    layer.own_factor.assign([0.0])
    with layer.held():
        step(layer, 1)
    np.testing.assert_allclose(to_numpy(layer.moving_average), [1.0])


#                factor, average -> alive, with a threshold of 0.1
ALIVE = [
    (0.2, 0.2, 1),
    (0.2, 0.0, 1),
    (0.0, 0.2, 1),
    (-0.2, 0.0, 1),
    (0.0, -0.2, 1),
    (0.09, -0.09, 0),
    (0.0, 0.0, 0),
]


@pytest.mark.parametrize("kind", ["own", "batch_norm"])
def test_dead_only_if_factor_and_average_are_within_the_threshold(kind):
    factors, averages, alive = zip(*ALIVE, strict=True)
    if kind == "own":
        model = layer = own(factors, threshold=0.1)
    else:
        model, _, layer = behind_norm(factors, [0] * len(ALIVE), threshold=0.1)
    step(model, len(ALIVE))
    layer.moving_average.assign(averages)
    np.testing.assert_array_equal(to_numpy(layer.probabilities()), alive)
    assert layer.decision() == np.flatnonzero(alive).tolist()
    factors = np.where(alive, factors if kind == "own" else 1.0, 0.0)
    np.testing.assert_allclose(to_numpy(layer.inference_scale()), factors)
    np.testing.assert_allclose(layer.scale_of(layer.decision()), factors)


def test_before_training_only_the_factor_counts():
    layer = own([0.0, 1e-4, 1e-2])
    assert to_numpy(layer.moving_average).tolist() == [1.0] * 3
    assert layer.decision() == [2]


def test_a_threshold_of_zero_leaves_nothing_but_zeros_dead():
    assert own([0.0, 1e-30, -1e-30], threshold=0.0).decision() == [1, 2]


def test_a_dead_channel_is_zero_with_a_factor_of_its_own():
    layer = own([2.0, 5e-4, -3.0])
    output = step(layer, 3, training=False)
    np.testing.assert_allclose(output, [[2.0, 0.0, -3.0]] * 2)
    np.testing.assert_array_equal(layer.offset(), np.zeros(3))


def test_a_dead_channel_is_the_offset_behind_a_normalization():
    model, norm, scale = behind_norm([2.0, 5e-4, -3.0], [1.0, 7.0, 0.5])
    output = step(model, 3, training=False)
    np.testing.assert_allclose(output, [[3.0, 7.0, -2.5]] * 2)
    np.testing.assert_allclose(scale.offset(), [1.0, 7.0, 0.5])


def test_a_dead_channel_is_zero_behind_a_normalization_without_offset():
    norm = layers.BatchNormalization(epsilon=0.0, center=False)
    scale = AtomicBlockScale()
    model = keras.Sequential([keras.Input((2,)), norm, scale])
    norm.gamma.assign([2.0, 1e-4])
    np.testing.assert_allclose(step(model, 2, False), [[2.0, 0.0]] * 2)
    np.testing.assert_array_equal(scale.offset(), np.zeros(2))


def test_decisions_of_others_are_read_with_its_factors():
    layer = own([2.0, 0.0, -3.0])
    np.testing.assert_allclose(layer.scale_of([0, 1]), [2.0, 0.0, 0.0])
    smallest, largest = layer.scale_limits()
    assert smallest.tolist() == [0.0] * 3 and largest.tolist() == [1.0] * 3
    with pytest.raises(ValueError, match="Invalid decision"):
        layer.scale_of([3])


def test_channels_first():
    layer = own([2.0, 0.0], data_format="channels_first")
    output = to_numpy(layer(np.ones((1, 2, 3, 3), "float32")))
    np.testing.assert_allclose(output[0, 0], 2.0)
    np.testing.assert_allclose(output[0, 1], 0.0)


@pytest.mark.parametrize("kind", ["own", "batch_norm"])
def test_mixed_precision(kind):
    policy = keras.DTypePolicy("mixed_float16")
    chosen = [layers.BatchNormalization(dtype=policy, epsilon=0.0)]
    scale = AtomicBlockScale(momentum=0.5, dtype=policy)
    steps = chosen * (kind == "batch_norm") + [scale]
    model = keras.Sequential([keras.Input((2,)), *steps])
    assert scale.factor_kind == kind
    scale.factor.assign([2.0, 5e-4])
    output = model(np.ones((2, 2)), training=False)
    assert keras.backend.standardize_dtype(output.dtype) == "float16"
    np.testing.assert_allclose(to_numpy(output), [[2.0, 0.0]] * 2)
    model(np.ones((2, 2)), training=True)
    # 5e-4 is not a float16.
    np.testing.assert_allclose(
        to_numpy(scale.moving_average), np.float32([2.0, 5e-4])
    )
    assert {w.dtype for w in scale.weights} == {"float32"}
