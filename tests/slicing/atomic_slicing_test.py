"""The slicer and importance factors: exact, and folded where they can be."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from tests.common import assert_slices
from tests.common import head
from tests.common import masks_of
from tests.slicing.atoms import conv
from tests.slicing.atoms import mbconv
from tests.slicing.atoms import network
from tests.slicing.atoms import norm
from tests.slicing.atoms import random_factors
from tests.slicing.atoms import squeeze_excite
from tests.slicing.atoms import with_atoms
from tests.slicing.networks import types


def plain_conv(x, filters, kernel, name, **kwargs):
    return layers.Conv2D(filters, kernel, padding="same", name=name, **kwargs)(
        x
    )


def dense_block(x):
    joined = [x]
    for _ in range(3):
        y = layers.Concatenate()(joined) if len(joined) > 1 else x
        joined.append(layers.Conv2D(3, 1)(layers.ReLU()(norm(y))))
    y = layers.ReLU()(norm(layers.Concatenate()(joined)))
    return layers.Conv2D(4, 1)(y)


def kernels(x):
    branches = [
        layers.Activation("swish")(
            norm(
                layers.DepthwiseConv2D(k, padding="same")(
                    conv(x, 5, 1, f"expand{k}", "swish")
                )
            )
        )
        for k in (1, 3, 5)
    ]
    return conv(layers.Concatenate()(branches), 4, 1, "project", None)


def hard_swish(x):
    x = norm(layers.Conv2D(6, 1)(x))
    x = x * (layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0))
    return layers.Conv2D(4, 1)(x)


def gated_by_dense(x):
    x = conv(x, 6, 1, "a")
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(6, activation="sigmoid")(
        layers.Dense(2, activation="relu")(gate)
    )
    x = layers.Multiply()([x, layers.Reshape((1, 1, 6))(gate)])
    return conv(x, 4, 1, "b", None)


FOLDED = {
    "mbconv": lambda x: mbconv(x, 8, 4),
    "mbconv swish": lambda x: mbconv(x, 8, 4, "swish"),
    "two 3x3": lambda x: conv(conv(x, 6, 3, "a"), 4, 3, "b", None),
    "bottleneck": lambda x: conv(
        conv(conv(x, 6, 1, "a"), 5, 3, "b"), 4, 1, "c", None
    ),
    "no norm": lambda x: plain_conv(
        plain_conv(x, 6, 3, "a", activation="relu"), 4, 3, "b"
    ),
    "no bias": lambda x: plain_conv(
        plain_conv(x, 6, 3, "a", activation="relu", use_bias=False),
        4,
        1,
        "b",
        use_bias=False,
    ),
    "sigmoid": lambda x: plain_conv(
        plain_conv(x, 6, 3, "a", activation="sigmoid"), 4, 3, "b"
    ),
    "pool": lambda x: layers.UpSampling2D()(
        plain_conv(layers.MaxPooling2D()(conv(x, 6, 3, "a")), 4, 3, "b")
    ),
    "squeeze-excite": lambda x: mbconv(x, 8, 4, "swish", squeeze=3),
    "squeeze-excite in front": lambda x: plain_conv(
        squeeze_excite(conv(x, 6, 1, "a"), 3, "se"), 4, 3, "b"
    ),
    "kernels": kernels,
    "hard swish": hard_swish,
    "transposed": lambda x: layers.Conv2DTranspose(4, 1)(
        layers.ReLU()(layers.Conv2DTranspose(6, 1, name="a")(x))
    ),
    "centered not": lambda x: layers.Conv2D(4, 1)(
        layers.ReLU()(norm(layers.Conv2D(6, 1, name="a")(x), center=False))
    ),
}

# What multiplies or normalizes in between is no layer that takes factors in.
REST = {
    "dense block": dense_block,
    "gated by dense": gated_by_dense,
    "grouped": lambda x: layers.Conv2D(4, 3, padding="same", groups=2)(
        layers.ReLU()(layers.Conv2D(6, 1, name="a")(x))
    ),
    "separable": lambda x: layers.SeparableConv2D(4, 3, padding="same")(
        layers.Activation("swish")(layers.SeparableConv2D(6, 1, name="a")(x))
    ),
    "einsum": lambda x: layers.EinsumDense("...c,cd->...d", 4, bias_axes="d")(
        layers.Dense(6, activation="gelu")(x)
    ),
    "prelu": lambda x: plain_conv(
        layers.PReLU(shared_axes=(1, 2))(plain_conv(x, 6, 3, "a")), 4, 3, "b"
    ),
}


def check(make, seed, dead):
    model = random_factors(with_atoms(network(make)), seed, dead)
    return assert_slices(model)


@pytest.mark.parametrize("make", FOLDED.values(), ids=FOLDED)
def test_sliced_equals_masked_and_factors_are_folded(make):
    for seed, dead in enumerate((0.0, 0.5)):
        sliced, _ = check(make, seed, dead)
        assert "Rescaling" not in types(sliced), dead
    check(make, 2, 1.0)  # All that is left is a constant.


@pytest.mark.parametrize("make", REST.values(), ids=REST)
def test_sliced_equals_masked(make):
    for seed, dead in enumerate((0.0, 0.5, 1.0)):
        check(make, seed, dead)


def test_dead_blocks_are_gone():
    model = with_atoms(network(lambda x: mbconv(x, 8, 4)))
    (mask,) = masks_of(model)
    mask.factor.assign([1, 0, -1, 5e-4, 2, -5e-4, 0.5, 0])
    sliced, _ = assert_slices(model)
    assert sliced.get_layer("mb_expand").filters == 4
    assert sliced.get_layer("mb_dw").get_weights()[0].shape == (3, 3, 4, 1)
    assert sliced.get_layer("mb_project").get_weights()[0].shape[2] == 4
    gamma = sliced.get_layer("mb_dw_bn").get_weights()[0]
    np.testing.assert_allclose(gamma, [1.0, -1.0, 2.0, 0.5])


def test_constants_of_dead_blocks_go_into_what_follows():
    """beta of the dead channel, through swish, times its row of the kernel."""
    inputs = keras.Input((4, 4, 3))
    x = conv(inputs, 2, 1, "a", "swish")
    model = with_atoms(
        keras.Model(inputs, layers.Conv2D(3, 1, use_bias=False, name="b")(x))
    )
    kernel = np.arange(6.0).reshape(1, 1, 2, 3)
    model.get_layer("b").set_weights([kernel])
    model.get_layer("a_bn").gamma.assign([1.0, 0.0])
    model.get_layer("a_bn").beta.assign([0.0, 2.0])
    sliced = keras_nas.slice_model(model)
    bias = sliced.get_layer("b").get_weights()[1]
    swish = 2.0 / (1.0 + np.exp(-2.0))
    np.testing.assert_allclose(bias, swish * kernel[0, 0, 1], rtol=1e-6)


def test_own_factors_go_into_the_rows_of_the_next_kernel():
    inputs = keras.Input((5, 5, 3))
    x = plain_conv(inputs, 3, 3, "a", activation="sigmoid")
    model = with_atoms(keras.Model(inputs, plain_conv(x, 2, 3, "b")))
    (mask,) = masks_of(model)
    mask.factor.assign([2.0, 0.0, -3.0])
    kernel = model.get_layer("b").get_weights()[0]
    sliced, report = assert_slices(model)
    rows = kernel[:, :, [0, 2]] * np.array([2.0, -3.0])[:, None]
    np.testing.assert_allclose(sliced.get_layer("b").get_weights()[0], rows)
    assert ("a_mask", "factors into b") in report.folded


def test_a_constant_operand_is_not_scaled_twice():
    """All of a gate is constant, since what it reads is dead."""
    inputs = keras.Input((4, 4, 3))
    dead = keras_nas.AtomicBlockScale(factor="own", name="dead")
    scale = keras_nas.AtomicBlockScale(factor="own", name="scale")
    x = layers.Conv2D(4, 1, activation="relu")(inputs)
    gate = dead(layers.Conv2D(3, 1)(inputs))
    gate = scale(layers.Conv2D(4, 1, activation="sigmoid")(gate))
    x = layers.Conv2D(2, 1)(layers.Multiply()([x, gate]))
    model = random_factors(keras.Model(inputs, x), dead=0.0)
    dead.factor.assign([0.0] * 3)
    scale.factor.assign([2.0, -3.0, 0.5, 4.0])
    assert_slices(model)


def test_a_product_with_itself_takes_factors_squared():
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, activation="sigmoid")(inputs)
    x = keras_nas.AtomicBlockScale(factor="own")(x)
    x = layers.Conv2D(2, 1)(layers.Multiply()([x, x]))
    assert_slices(random_factors(keras.Model(inputs, x), dead=0.2))


def test_two_masks_in_a_row():
    inputs = keras.Input((4, 4, 3))
    x = norm(layers.Conv2D(6, 1)(inputs))
    x = keras_nas.AtomicBlockScale(name="of_norm")(x)
    x = keras_nas.AtomicBlockScale(factor="own", name="own")(x)
    x = layers.Conv2D(2, 1)(layers.Activation("swish")(x))
    for seed in range(4):
        model = random_factors(keras.Model(inputs, x), seed)
        assert_slices(model)


def test_a_mask_at_two_places():
    scale = keras_nas.AtomicBlockScale(factor="own")
    inputs = keras.Input((4, 4, 3))
    a, b = (
        scale(layers.Conv2D(5, 1, activation="sigmoid")(inputs))
        for _ in range(2)
    )
    outputs = head(layers.Conv2D(2, 1)(layers.Concatenate()([a, b])))
    assert_slices(random_factors(keras.Model(inputs, outputs)))


def test_another_architecture_is_cut_with_the_factors():
    model = random_factors(
        with_atoms(network(FOLDED["no norm"])), seed=1, dead=0.0
    )
    (mask,) = masks_of(model)
    chosen = keras_nas.Architecture(model.name, {mask.name: [0, 4]})
    sliced = keras_nas.slice_model(model, chosen)
    factors = keras.ops.convert_to_numpy(mask.factor)
    mask.factor.assign(np.where(np.isin(np.arange(6), [0, 4]), factors, 0.0))
    expected = keras_nas.slice_model(model)
    for a, b in zip(sliced.weights, expected.weights, strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("make", ["mbconv", "no norm", "sigmoid"])
def test_widths_are_rounded_up_even_if_factors_are_zero(make):
    model = random_factors(with_atoms(network(FOLDED[make])), dead=0.0)
    (mask,) = masks_of(model)
    factors = keras.ops.convert_to_numpy(mask.factor).copy()
    factors[:3] = [0.0, 0.0, 1e-4]
    mask.factor.assign(factors)
    alive = len(factors) - 3
    sliced = keras_nas.slice_model(model, channel_multiple=alive + 1)
    name = mask.name.removesuffix("_mask")
    assert sliced.get_layer(name).filters == alive + 1
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    mask.threshold = 0.0  # With all masks open.
    np.testing.assert_allclose(
        model(x, training=False), sliced(x, training=False), atol=1e-3
    )
