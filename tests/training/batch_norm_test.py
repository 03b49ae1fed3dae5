"""Recalibrated statistics, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas import recalibrate_batch_norm


def batches(*sizes, shape=(5, 5, 3), seed=0):
    """Batches that differ in their statistics."""
    rng = np.random.default_rng(seed)
    return [
        rng.normal(3.0 * i, 1.0 + i, (size, *shape)).astype("float32")
        for i, size in enumerate(sizes)
    ]


def statistics(x):
    x = np.asarray(x, "float64")
    axes = tuple(range(x.ndim - 1))
    return x.mean(axes), x.var(axes)


def normalized(x, epsilon=1e-3):
    mean, variance = statistics(x)
    return (x - mean) / np.sqrt(variance + epsilon)


def assert_statistics(layer, expected, rtol=1e-5):
    found = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5)


def single(shape=(5, 5, 3), **kwargs):
    norm = layers.BatchNormalization(**kwargs)
    return keras.Sequential([keras.Input(shape), norm]), norm


def state(model):
    return [v.numpy() for v in model.variables]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_first_layer_has_the_statistics_of_all_images():
    model, norm = single(momentum=0.9)
    data = batches(4, 7, 1)
    assert recalibrate_batch_norm(model, data, 3) == 12
    assert_statistics(norm, statistics(np.concatenate(data)))
    # Not what averages over batches, large and small alike, would be.
    means, variances = zip(*map(statistics, data), strict=True)
    assert np.abs(norm.moving_mean - np.mean(means, 0)).min() > 0.1
    assert np.abs(norm.moving_variance - np.mean(variances, 0)).min() > 0.1


def test_second_layer_sees_batches_normalized_by_the_first():
    inputs = keras.Input((4,))
    first, second = (layers.BatchNormalization() for _ in range(2))
    dense = layers.Dense(3, use_bias=False)
    model = keras.Model(inputs, second(dense(first(inputs))))
    gamma, beta = np.float32([1, 2, 3, -1]), np.float32([0, 5, 0, 1])
    first.gamma.assign(gamma)
    first.beta.assign(beta)
    # Old statistics have no part in the result.
    first.moving_mean.assign([np.nan, np.inf, 3.0, 4.0])
    data = batches(6, 2, shape=(4,))
    kernel = dense.kernel.numpy()
    seen = [(normalized(x) * gamma + beta) @ kernel for x in data]
    assert recalibrate_batch_norm(model, data, 2) == 8
    assert_statistics(first, statistics(np.concatenate(data)))
    assert_statistics(second, statistics(np.concatenate(seen)))
    weights = first.gamma, first.beta, dense.kernel
    assert_same([w.numpy() for w in weights], [gamma, beta, kernel])


def test_constant_data_has_its_value_and_no_variance():
    model, norm = single()
    data = [np.full((2, 5, 5, 3), 7.0, "float32")] * 3
    recalibrate_batch_norm(model, data, 3)
    assert_same(norm.moving_mean.numpy(), np.full(3, 7.0))
    assert_same(norm.moving_variance.numpy(), np.zeros(3))


@pytest.mark.parametrize("synchronized", [False, True])
def test_small_variance_around_a_large_mean_is_kept(synchronized):
    """Squares in float32 would leave nothing of it."""
    model, norm = single((1,), synchronized=synchronized)
    data = [np.float32([[4096.0], [4096.5]]), np.float32([[4097.0]])]
    recalibrate_batch_norm(model, data, 2)
    assert_statistics(norm, ([4096.5], [1 / 6]), rtol=1e-6)


@pytest.mark.parametrize("kind", ["tuple", "weights", "tf", "py", "generator"])
def test_datasets(kind):
    xs = batches(4, 3)

    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return len(xs)

        def __getitem__(self, index):
            return xs[index], np.zeros(len(xs[index]))

    def generate():
        yield from xs
        raise AssertionError("more was read than `steps` batches")

    dataset = {
        "tuple": [(x, np.zeros(len(x))) for x in xs],
        "weights": [(x, np.zeros(len(x)), np.ones(len(x))) for x in xs],
        "tf": tf.data.Dataset.from_tensor_slices(np.concatenate(xs)).batch(4),
        "py": Sequence(),
        "generator": generate(),
    }[kind]
    model, norm = single()
    assert recalibrate_batch_norm(model, dataset, 2) == 7
    assert_statistics(norm, statistics(np.concatenate(xs)))


def test_shared_layer_has_the_statistics_of_all_its_calls():
    norm = layers.BatchNormalization()
    inputs = keras.Input((4, 4, 2))
    small = layers.AveragePooling2D(2)(norm(inputs))
    model = keras.Model(inputs, norm(5.0 * small + 1.0))
    data = batches(3, 5, shape=(4, 4, 2))
    seen = []
    for x in data:
        y = normalized(x).reshape(-1, 2, 2, 2, 2, 2).mean((2, 4))
        seen += [x.reshape(-1, 2), (5.0 * y + 1.0).reshape(-1, 2)]
    recalibrate_batch_norm(model, data, 2)
    assert_statistics(norm, statistics(np.concatenate(seen)), rtol=1e-4)


def test_other_layers_run_as_at_inference():
    """Dropout is off, and a mask neither draws nor takes a step."""
    norm = layers.BatchNormalization()
    mask = keras_nas.FiGSMask(temperature=1.0, seed=0)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dropout(0.5), mask, norm]
    )
    mask.logits.assign([5.0, -5.0, 5.0, -5.0])
    before = mask.seed_generator.state.numpy()
    (data,) = batches(50, shape=(4,))
    recalibrate_batch_norm(model, [data], 1)
    masked = data * np.asarray(
        keras_nas.graph.decisions.mask_scales(keras_nas.graph.flow_of(model))[0]
    )
    assert_statistics(norm, statistics(masked))
    assert_same(mask.seed_generator.state.numpy(), before)


def test_frozen_layers_keep_theirs_and_normalize_with_them():
    first, second = (layers.BatchNormalization() for _ in range(2))
    inner = keras.Sequential([keras.Input((4,)), first])
    model = keras.Sequential([keras.Input((4,)), inner, second])
    first.moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    inner.trainable = False
    data = batches(5, 5, shape=(4,))
    recalibrate_batch_norm(model, data, 2)
    assert_statistics(first, ([1.0, 2.0, 3.0, 4.0], np.ones(4)))
    seen = (np.concatenate(data) - [1, 2, 3, 4]) / np.sqrt(1.001)
    assert_statistics(second, statistics(seen))


def test_without_trainable_layers_no_data_is_read():
    def read():
        raise AssertionError("data was read")
        yield

    frozen, _ = single(trainable=False)
    plain = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    assert recalibrate_batch_norm(frozen, read(), 1) == 0
    assert recalibrate_batch_norm(plain, read(), 1) == 0


def test_layer_that_was_not_called_keeps_its_statistics():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.used = layers.BatchNormalization()
            self.idle = layers.BatchNormalization()
            for norm in (self.used, self.idle):
                norm.build((None, 2))
            self.built = True

        def call(self, x):
            return self.used(x)

    model = Model()
    model.idle.moving_mean.assign([3.0, 4.0])
    (data,) = batches(6, shape=(2,))
    recalibrate_batch_norm(model, [data], 1)
    assert_statistics(model.used, statistics(data))
    assert_statistics(model.idle, ([3.0, 4.0], [1.0, 1.0]))


def test_padded_positions_do_not_count():
    norm = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3, 2)), layers.Masking(), norm])
    data = batches(2, 1, shape=(3, 2))
    data[0][0, 1:] = 0.0
    recalibrate_batch_norm(model, data, 2)
    seen = np.concatenate([x.reshape(-1, 2) for x in data])
    assert_statistics(norm, statistics(seen[seen.any(1)]))


def test_channels_first_and_mixed_precision():
    model, norm = single((3, 5, 5), axis=1, dtype="mixed_float16")
    data = batches(4, 2, shape=(3, 5, 5))
    recalibrate_batch_norm(model, data, 2)
    halves = np.concatenate(data).astype("float16").transpose(0, 2, 3, 1)
    assert_statistics(norm, statistics(halves))


def test_renorm_is_off_and_training_goes_on_from_the_statistics():
    norm = layers.BatchNormalization(renorm=True)
    second = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), norm, second])
    data = batches(8, 5, shape=(4,))
    recalibrate_batch_norm(model, data, 2)
    mean, variance = statistics(np.concatenate(data))
    assert_statistics(norm, (mean, variance))
    seen = np.concatenate([normalized(x) for x in data])
    assert_statistics(second, statistics(seen))
    np.testing.assert_allclose(
        norm.moving_stddev, np.sqrt(variance + norm.epsilon), rtol=1e-5
    )
    assert norm.renorm
    assert_same(norm.renorm_mean.numpy(), np.zeros(4))
    model(data[0], training=True)
    assert np.isfinite(norm.moving_variance).all()


def test_layers_are_as_before_afterwards():
    model, norm = single(momentum=0.75, synchronized=True)
    data = batches(4, 4)
    recalibrate_batch_norm(model, data, 2)
    assert (norm.momentum, norm.synchronized) == (0.75, True)
    assert "call" not in vars(norm)
    mean, variance = statistics(np.concatenate(data))
    expected = (data[0] - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(model(data[0]), expected, atol=1e-4)
    model(data[0], training=True)
    new = 0.75 * mean + 0.25 * statistics(data[0])[0]
    np.testing.assert_allclose(norm.moving_mean, new, rtol=1e-4)


def test_error_of_the_data_restores_everything():
    model, norm = single()
    norm.moving_mean.assign([1.0, np.nan, 0.1])
    before = state(model)

    def broken():
        yield batches(4)[0]
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        recalibrate_batch_norm(model, broken(), 2)
    assert_same(state(model), before)
    assert norm.momentum == 0.99
    assert "call" not in vars(norm)


def test_too_few_batches_are_told_and_nothing_changes():
    model, _ = single()
    before = state(model)
    with pytest.raises(ValueError, match="Expected 3 batches.* Received 2"):
        recalibrate_batch_norm(model, batches(4, 4), 3)
    assert_same(state(model), before)


@pytest.mark.parametrize("steps", [0, -1, 1.0, True, None])
def test_steps_is_a_positive_integer(steps):
    with pytest.raises(ValueError, match="`steps`. Expected a positive"):
        recalibrate_batch_norm(single()[0], batches(4), steps)


def test_array_and_unbuilt_model_are_refused():
    with pytest.raises(ValueError, match="`dataset`. Expected an iterable"):
        recalibrate_batch_norm(single()[0], batches(4)[0], 1)
    model = keras.Sequential([layers.BatchNormalization()])
    with pytest.raises(ValueError, match="`model`. Expected a built"):
        recalibrate_batch_norm(model, batches(4), 1)
