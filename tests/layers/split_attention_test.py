"""Split attention, against NumPy and counts by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import SplitAttention
from keras_nas import count_cost
from keras_nas import slice_model
from keras_nas.export import export_litert
from keras_nas.export import export_saved_model
from keras_nas.export import verify_export
from keras_nas.layers import SqueezeExcite
from tests.common import assert_plain
from tests.common import assert_same_function
from tests.common import head
from tests.common import inputs_for
from tests.common import macs_of
from tests.common import randomize
from tests.common import run
from tests.layers.layer_checks import check_layer
from tests.layers.layer_checks import check_serialization

SPLITS = [0, 1, 2, 4]


def model_of(layer, size=6, channels=8):
    inputs = keras.Input((size, size + 1, channels))
    return randomize(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize("splits", SPLITS)
def test_basics(splits):
    depthwise = max(splits, 1)
    check_layer(
        SplitAttention,
        {"kernel_size": 3, "splits": splits, "hidden": 3},
        input_shape=(2, 5, 5, 4),
        trainable_weights=3 * depthwise + 2 * (splits > 0) + 2 * splits,
        non_trainable_weights=2 * depthwise,
        seed_generators=0,
    )


def test_basics_of_squeeze_excite():
    check_layer(
        SqueezeExcite,
        {"hidden": 3},
        input_shape=(2, 5, 5, 4),
        trainable_weights=4,
        non_trainable_weights=0,
        seed_generators=0,
    )
    check_serialization(SqueezeExcite(3, splits=3, activation="silu"))


def depthwise_by_hand(x, kernel, strides):
    """Sums up shifted copies of a map that zeros surround."""
    size = len(kernel)
    shape = [-(-n // strides) for n in x.shape[1:3]]
    around = [(0, 0)]
    for n, out in zip(x.shape[1:3], shape, strict=True):
        total = max((out - 1) * strides + size - n, 0)
        around.append((total // 2, total - total // 2))
    x, result = np.pad(x, [*around, (0, 0)]), 0.0
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + strides * shape[0], strides)
            columns = slice(j, j + strides * shape[1], strides)
            part = x[:, rows, columns][:, : shape[0], : shape[1]]
            result = result + part * kernel[i, j, :, 0]
    return result


def by_hand(weights, x, splits, strides, activate):
    """Returns the layer's output, from the equations."""
    weights = iter(weights)
    kernels, norms = [], []
    for _ in range(max(splits, 1)):
        kernels.append(next(weights))
    for _ in kernels:
        norms.append([next(weights) for _ in range(4)])
    maps = []
    for kernel, (gamma, beta, mean, variance) in zip(
        kernels, norms, strict=True
    ):
        u = depthwise_by_hand(x, kernel, strides)
        u = (u - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        maps.append(activate(u))
    if not splits:
        return maps[0]
    kernel, bias = next(weights), next(weights)
    z = activate(sum(maps).mean((1, 2)) @ kernel[0, 0] + bias)
    logits = []
    for _ in maps:
        kernel, bias = next(weights), next(weights)
        logits.append(z @ kernel[0, 0] + bias)
    if splits == 1:
        shares = [np.clip(logits[0] / 6 + 0.5, 0.0, 1.0)]
    else:
        shares = np.exp(logits) / np.sum(np.exp(logits), 0)
        np.testing.assert_allclose(sum(shares), 1.0, 1e-6)
    assert next(weights, None) is None
    return sum(a[:, None, None] * u for a, u in zip(shares, maps, strict=True))


def arrays_of(layer):
    """Returns the weights: all kernels, then all norms, then the attention."""
    parts = [*layer.depthwise, *layer.norms]
    attention = layer.squeeze_excite
    if attention is not None:
        parts += [attention.reduce, *attention.expand]
    return [array for part in parts for array in part.get_weights()]


@pytest.mark.parametrize(
    "name, activate",
    [
        ("relu", lambda x: np.maximum(x, 0.0)),
        ("silu", lambda x: x / (1.0 + np.exp(-x))),
    ],
)
@pytest.mark.parametrize("kernel, strides", [(3, 1), (5, 2)])
@pytest.mark.parametrize("splits", SPLITS)
def test_it_computes_what_its_equations_say(
    splits, kernel, strides, name, activate
):
    layer = SplitAttention(
        kernel, splits, strides, hidden=3, activation=name, name="split"
    )
    model = model_of(layer)
    x = inputs_for(model, batch=3)
    expected = by_hand(arrays_of(layer), x, splits, strides, activate)
    np.testing.assert_allclose(run(model, x)[0], expected, 1e-4, 1e-5)


@pytest.mark.parametrize("splits", SPLITS)
def test_multiply_adds(splits):
    channels, hidden, kernel, positions = 40, 16, 5, 3 * 4
    layer = SplitAttention(kernel, splits, 2)
    model = model_of(layer, channels=channels)
    depthwise = kernel**2 * channels * positions
    expected = max(splits, 1) * depthwise + splits * hidden * channels
    if splits:  # A quarter of 40 channels, in eights.
        assert layer.squeeze_excite.reduce.filters == hidden == 16
        expected += channels * hidden
    assert count_cost(model).macs == expected
    assert macs_of(slice_model(model)) == expected


def test_a_split_costs_as_much_as_the_one_before():
    """As of FP-NAS-S1 in Table 7: 58, 65 and 79 million with 1, 2, 4."""
    macs = {
        splits: count_cost(model_of(SplitAttention(3, splits))).macs
        for splits in (1, 2, 4)
    }
    assert macs[4] - macs[2] == 2 * (macs[2] - macs[1])
    assert 79 - 65 == 2 * (65 - 58)


def test_softmax_is_precise_in_low_precision():
    layer = SplitAttention(3, 2, hidden=3, dtype="mixed_bfloat16", name="split")
    model = model_of(layer)
    assert layer.squeeze_excite.softmax.compute_dtype == "float32"
    assert layer.squeeze_excite.concat.compute_dtype == "bfloat16"
    twin = model_of(SplitAttention(3, 2, hidden=3, name="split"))
    twin.set_weights(model.get_weights())
    x = inputs_for(twin)
    low, exact = run(model, x)[0].astype("float32"), run(twin, x)[0]
    assert np.abs(low - exact).max() < 0.03 * np.abs(exact).max()
    layer = SplitAttention(3, 2, hidden=3, dtype="float64")
    model_of(layer)
    assert layer.squeeze_excite.softmax.compute_dtype == "float64"


def classifier(splits):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 1, name="expand")(inputs)
    act = layers.Activation("silu", name="act")
    x = SplitAttention(3, splits, 2, 4, activation=act, name="split")(x)
    return randomize(keras.Model(inputs, head(layers.Conv2D(4, 1)(x))))


@pytest.mark.parametrize("splits", SPLITS)
def test_it_is_taken_apart_and_saved(splits, tmp_path):
    model = classifier(splits)
    plain = slice_model(model)
    assert_plain(plain)
    assert_same_function(model, plain)
    assert count_cost(plain).macs == count_cost(model).macs
    for name, saved in (("model", model), ("plain", plain)):
        path = str(tmp_path / f"{name}.keras")
        saved.save(path)
        assert_same_function(saved, keras.models.load_model(path))


def test_what_is_taken_apart_is_exported(tmp_path):
    plain = slice_model(classifier(2))
    saved = export_saved_model(plain, tmp_path / "saved_model")
    litert = export_litert(plain, tmp_path / "model.tflite")
    samples = inputs_for(plain, batch=8)
    assert verify_export(plain, [saved, litert], samples).passed


def test_statistics_move_in_training_alone():
    layer = SplitAttention(3, 2, hidden=3)
    model = model_of(layer)
    x = inputs_for(model)
    before = layer.norms[1].moving_mean.numpy()
    layer(x)
    np.testing.assert_array_equal(before, layer.norms[1].moving_mean)
    layer(x, training=True)
    assert np.abs(before - layer.norms[1].moving_mean).min() > 0


@pytest.mark.parametrize("splits", SPLITS)
def test_channels_first_is_taken_apart_like_channels_last(splits):
    """Not run: the CPU has no such convolutions."""
    costs, weights = [], []
    for form, shape in (
        ("channels_last", (6, 5, 8)),
        ("channels_first", (8, 6, 5)),
    ):
        inputs = keras.Input(shape)
        layer = SplitAttention(3, splits, 2, 4, data_format=form, name="split")
        x = layers.Flatten(data_format=form)(layer(inputs))
        model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
        plain = slice_model(model)
        assert_plain(plain)
        costs.append(count_cost(plain).macs)
        weights.append(plain.get_weights())
    assert costs[0] == costs[1]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": (3, 3)}, "kernel_size"),
        ({"splits": -1}, "splits"),
        ({"splits": True}, "splits"),
        ({"strides": 1.0}, "strides"),
        ({"hidden": 0}, "hidden"),
        ({"data_format": "first"}, "data_format"),
    ],
)
def test_arguments_that_are_refused(arguments, name):
    with pytest.raises(
        ValueError, match=f"argument `{name}`.*Received: {name}"
    ):
        SplitAttention(**arguments)


def test_inputs_that_are_refused():
    x = np.ones((2, 4, 4, 8), "float32")
    with pytest.raises(ValueError, match="splits=2 and inputs of the shape"):
        SqueezeExcite(4, splits=2)(x)
    with pytest.raises(ValueError, match="splits=2 and inputs of the shape"):
        SqueezeExcite(4, splits=2)([x, x, x])
    with pytest.raises(ValueError, match="splits=1 and inputs of the shape"):
        SqueezeExcite(4)(x[0])
    with pytest.raises(ValueError, match="splits=1 and inputs of the shape"):
        SqueezeExcite(4)([x])
