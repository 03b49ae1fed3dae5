"""MorphNet: its penalty against the paper's formula, and what it finds."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_nas
from keras_nas.graph import flow_of
from keras_nas.layers import MorphNetMask
from tests.layers.layer_checks import check_layer


def residual_network():
    """Two convolutions whose sum a third one reads: 8, 8 tied, 4 channels."""
    inputs = keras.Input((6, 6, 3))
    x = conv_norm(inputs, "first", 8, 3)
    y = conv_norm(layers.ReLU()(x), "second", 8, 1)
    x = layers.ReLU()(layers.Add()([x, y]))
    x = conv_norm(x, "third", 4, 3)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def conv_norm(x, name, width, kernel):
    x = layers.Conv2D(width, kernel, padding="same", use_bias=False, name=name)(
        x
    )
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def masked(factor="auto", model=None):
    mask = functools.partial(MorphNetMask, factor=factor)
    return keras_nas.insert_masks(model or residual_network(), mask)


def scales_of(model, **values):
    for name, value in values.items():
        gamma = model.get_layer(f"{name}_bn").gamma
        gamma.assign(np.array(value, "float32"))


def gradients(search):
    """Returns the penalty's value, and its gradient by every factor."""
    tf = pytest.importorskip("tensorflow")
    variables = search.mask_variables()
    with tf.GradientTape() as tape:
        cost = search.cost()
    found = tape.gradient(cost, variables)
    found = [
        np.zeros(v.shape) if g is None else g.numpy()
        for v, g in zip(variables, found, strict=True)
    ]
    return float(cost), found


def test_gradient_is_that_of_equation_5():
    """c (A_in R_out + A_out R_in), the largest factor of tied channels."""
    rng = np.random.default_rng(0)
    model = masked()
    first, second = rng.uniform(0.2, 1.5, size=(2, 8))
    first[:2], second[1:3] = 1e-4, -1e-4  # Channel 1 is dead in both.
    second[5] *= -1
    third = np.array([0.5, -0.7, 0.0, 2.0])
    scales_of(model, first=first, second=second, third=third)
    search = keras_nas.search.MorphNet(model, keras_nas.ExpectedFLOPs(1e-6))
    cost, (by_first, by_second, by_third) = gradients(search)

    # What `second` reads is the first one's own, of 7 that stay together.
    positions, shared, last = 36, 7, 3
    counted = positions * (3 * 9 * shared + shared * shared)
    counted += positions * 9 * shared * last + last * 2
    assert cost == counted == search.decided_cost()

    # The group is an output of the first two, an input of the last two.
    per_group = positions * (27 + 2 * shared + 9 * last)
    for i in range(8):
        winner, other = by_first[i], by_second[i]
        factor = first[i]
        if abs(second[i]) > abs(first[i]):
            winner, other, factor = by_second[i], by_first[i], second[i]
        expected = 0.0 if i == 1 else np.sign(factor) * per_group
        np.testing.assert_allclose(winner, expected, rtol=1e-5)
        assert other == 0.0
    per_channel = positions * 9 * shared + 2
    expected = np.sign(third) * per_channel
    np.testing.assert_allclose(by_third, expected, rtol=1e-5)


def test_the_masked_network_is_the_sliced_one():
    model = masked()
    rng = np.random.default_rng(1)
    scales_of(model, first=rng.normal(size=8), second=rng.normal(size=8))
    for name in ("first", "second", "third"):
        gamma = model.get_layer(f"{name}_bn").gamma
        beta = model.get_layer(f"{name}_bn").beta
        gamma.assign(ops.where(ops.abs(gamma) < 0.6, 1e-4, gamma))
        beta.assign(rng.normal(size=beta.shape))  # A dead channel has one too.
    x = rng.normal(size=(2, 6, 6, 3)).astype("float32")
    small = keras_nas.slice_model(model)
    np.testing.assert_allclose(
        small(x), model(x), atol=1e-5 * np.abs(model(x)).max()
    )
    search = keras_nas.search.MorphNet(model, keras_nas.ExpectedFLOPs(0.0))
    macs = keras_nas.count_cost(small).macs
    assert macs == search.decided_cost() < search.full_cost


@pytest.mark.parametrize("factor", ["batch_norm", "kernel"])
def test_a_search_meets_its_target(factor):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6, 6, 3)).astype("float32")
    y = (x[..., 0].mean((1, 2)) > 0).astype("int32")
    search = keras_nas.search.MorphNet(
        masked(factor), keras_nas.ExpectedFLOPs(target=0.4), ramp=0.5
    )
    search.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        mask_optimizer=keras.optimizers.Adam(0.05),
    )
    history = search.fit(x, y, batch_size=16, epochs=8, verbose=0).history
    assert history["strength"][-1] > 0
    small = search.export_model()
    macs = keras_nas.count_cost(small).macs
    assert 0.2 < macs / search.full_cost <= 0.4
    assert macs == search.decided_cost()
    np.testing.assert_allclose(
        small(x[:4]), search.model(x[:4]), rtol=1e-4, atol=1e-5
    )


def test_thresholds_are_set_to_the_best_common_shift():
    model = masked()
    first = np.array([8, 7, 6, 5, 4, 3, 2, 1]) / 8
    scales_of(model, first=first, second=np.zeros(8), third=[1, 1, 1, 1])
    search = keras_nas.search.MorphNet(
        model, keras_nas.ExpectedFLOPs(target=5000)
    )
    search.finish()
    kept = search.architecture().decisions["first_mask"]

    def cost(n):  # `second` and the addition are gone: it is always 0.
        return 36 * (27 * n + 9 * n * 4) + 8

    best = max(n for n in range(9) if cost(n) <= 5000)
    assert kept == list(range(best)) and search.decided_cost() == cost(best)


def test_rounding_adds_the_largest_factors_back():
    model = masked()
    first = np.array([1, 0.1, 0.9, 1e-4, 2e-4, 0.8, 9e-4, 0.7])
    scales_of(model, first=first, second=np.zeros(8))
    search = keras_nas.search.MorphNet(
        model, keras_nas.ExpectedFLOPs(0.0), channel_multiple=3
    )
    search.finish()
    decisions = search.architecture().decisions
    assert decisions["first_mask"] == [0, 1, 2, 5, 6, 7]
    assert keras_nas.slice_model(model).get_layer("first").filters == 6


def test_kernels_are_group_lasso():
    model = masked("kernel")
    mask = model.get_layer("first_mask")
    kernel = np.asarray(model.get_layer("first").kernel)
    expected = np.sqrt((kernel**2).mean((0, 1, 2)))
    np.testing.assert_allclose(mask.importance(), expected, rtol=1e-4)
    search = keras_nas.search.MorphNet(model, keras_nas.ExpectedFLOPs(0.0))
    names = [v.path for v in search.mask_variables()]
    assert names == [f"{n}/kernel" for n in ("first", "second", "third")]


@pytest.mark.parametrize("factor", ["batch_norm", "kernel", "own"])
def test_masks_come_back_from_a_file(factor, tmp_path):
    model = masked(factor)
    mask = model.get_layer("third_mask")
    mask.shift(np.array([-2.0, 0.0, 0.0, -2.0]))
    path = tmp_path / "masked.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    again = loaded.get_layer("third_mask")
    assert again.decision() == mask.decision() == [1, 2]
    np.testing.assert_allclose(again.importance(), mask.importance())
    x = np.ones((1, 6, 6, 3), "float32")
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-6)
    assert again.factor is not mask.factor


def test_depthwise_kernels_have_a_factor_for_each_channel():
    inputs = keras.Input((5, 5, 3))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep")(inputs)
    mask = MorphNetMask(factor="kernel")
    outputs = layers.Dense(1)(mask(x))
    model = keras.Model(inputs, outputs)
    kernel = np.asarray(model.get_layer("deep").kernel)
    expected = np.sqrt((kernel**2).mean((0, 1))).reshape(-1)
    np.testing.assert_allclose(mask.importance(), expected, rtol=1e-4)


def test_transposed_kernels_are_read_by_outputs():
    inputs = keras.Input((5, 5, 3))
    x = layers.Conv2DTranspose(4, 2, name="up")(inputs)
    mask = MorphNetMask(factor="kernel")
    keras.Model(inputs, mask(x))
    kernel = np.random.default_rng(0).normal(size=(2, 2, 4, 3))
    layer = mask._source()
    layer.kernel.assign(kernel)
    expected = np.sqrt((kernel**2).mean((0, 1, 3)))
    np.testing.assert_allclose(mask.importance(), expected, rtol=1e-4)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`threshold`. Expected a float >= 0"):
        MorphNetMask(threshold=-1)
    with pytest.raises(ValueError, match="`factor`.*'kernel'"):
        MorphNetMask(factor="gamma")
    inputs = keras.Input((4, 4, 3))
    with pytest.raises(ValueError, match="from the kernel.*Received: ReLU"):
        MorphNetMask(factor="kernel")(layers.ReLU()(inputs))
    with pytest.raises(ValueError, match="cannot train masks of other kinds"):
        keras_nas.search.MorphNet(
            keras_nas.insert_masks(residual_network()),
            keras_nas.ExpectedFLOPs(1e-6),
        )


def test_inserted_behind_every_normalization_of_a_mobile_network():
    network = keras_nas.spaces.find_network("mobile", (16, 16, 3), 10)
    model = masked(model=network)
    masks = flow_of(model).masks
    assert all(m.factor_kind == "batch_norm" for m in masks)
    for i, mask in enumerate(masks):  # Tied channels differ, so one wins.
        rng = np.random.default_rng(i)
        mask.factor.assign(rng.uniform(0.5, 1.5, size=mask.factor.shape))
    search = keras_nas.search.MorphNet(model, keras_nas.ExpectedFLOPs(1e-6))
    cost, found = gradients(search)
    assert cost == search.full_cost
    assert all((g > 0).any() for g in found)


def test_the_layer_is_one_as_any_other():
    check_layer(
        MorphNetMask,
        {"seed": 3},
        input_shape=(2, 4, 4, 6),
        trainable_weights=1,
        non_trainable_weights=1,
        seed_generators=1,
    )
