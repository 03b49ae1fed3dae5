"""What single channels cost, by hand and against networks without them."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from keras_nas.costs.marginal import channel_costs
from tests.common import head
from tests.common import mask
from tests.common import masks_of
from tests.slicing.atoms import conv
from tests.slicing.atoms import mbconv
from tests.slicing.atoms import network
from tests.slicing.atoms import with_atoms

MACS, PARAMS = keras_nas.ExpectedFLOPs(1.0), keras_nas.ExpectedParams(1.0)


def costs_of(model, regularizer):
    """Returns the costs by name of the layer that makes the channels."""
    names = [m.name.removesuffix("_mask") for m in masks_of(model)]
    costs = channel_costs(model, regularizer)
    assert {c.dtype for c in costs} == {np.dtype("float64")}
    return dict(zip(names, costs, strict=True))


def atoms(make, shape=(8, 8, 4)):
    inputs = keras.Input(shape)
    x = make(inputs)
    return with_atoms(keras.Model(inputs, x))


def ending(make):
    """Puts a convolution of 5 channels at the end, which is the output."""
    return lambda x: layers.Conv2D(5, 1, name="end")(make(x))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("hidden", [2, 7, 8])
def test_an_mbconv_costs_what_the_paper_says(stride, hidden):
    model = atoms(
        lambda x: layers.Conv2D(3, 1, name="c")(
            mbconv(x, hidden, 6, stride=stride)
        )
    )
    size = 8 // stride
    macs = 8 * 8 * 4 + 3 * 3 * size**2 + 6 * size**2
    found = costs_of(model, MACS)
    np.testing.assert_allclose(found["mb_expand"], [macs] * hidden)
    params = 4 + 3 * 3 + 6 + 2 * 2  # Scales and offsets of two norms.
    found = costs_of(model, PARAMS)
    np.testing.assert_allclose(found["mb_expand"], [params] * hidden)


def test_the_last_channel_beside_a_shortcut_costs_what_any_does():
    model = with_atoms(network(lambda x: mbconv(x, 1, 4), (8, 8, 3)))
    (cost,) = costs_of(model, MACS)["mb_expand"]
    assert cost == 6 * 6 * (4 + 9 + 4)


def test_two_convolutions():
    model = atoms(
        ending(
            lambda x: layers.Conv2D(6, 3, activation="relu", name="a")(x),
        )
    )
    found = costs_of(model, MACS)
    np.testing.assert_allclose(found["a"], [6 * 6 * (3 * 3 * 4 + 5)] * 6)
    found = costs_of(model, PARAMS)
    np.testing.assert_allclose(found["a"], [3 * 3 * 4 + 1 + 5] * 6)


def test_two_dense_layers():
    inputs = keras.Input((3,))
    x = layers.Dense(7, activation="relu", name="a")(inputs)
    model = with_atoms(keras.Model(inputs, layers.Dense(2)(x)))
    assert costs_of(model, MACS)["a"].tolist() == [3 + 2] * 7
    assert costs_of(model, PARAMS)["a"].tolist() == [3 + 1 + 2] * 7


def test_neighbours_in_a_chain_pay_for_their_common_kernel():
    model = atoms(
        ending(
            lambda x: layers.Conv2D(4, 1, activation="relu", name="b")(
                layers.Conv2D(6, 1, activation="relu", name="a")(x)
            )
        )
    )
    found = costs_of(model, MACS)
    np.testing.assert_allclose(found["a"], [64 * (4 + 4)] * 6)
    np.testing.assert_allclose(found["b"], [64 * (6 + 5)] * 4)


def test_a_squeeze_excite_is_part_of_the_block():
    model = atoms(ending(lambda x: mbconv(x, 8, 6, squeeze=2)))
    found = costs_of(model, MACS)
    gate = 2 * 2  # A row of the reduction and a column of the expansion.
    block = 64 * (4 + 9 + 6)
    expected = [block + gate] * 8
    np.testing.assert_allclose(found["mb_expand"], expected)
    np.testing.assert_allclose(found["mb_se_reduce"], [2 * 8] * 2)


def tiny(hidden=(4, 6)):
    """Two blocks one after the other, without BatchNormalization."""
    inputs = x = keras.Input((5, 5, 2))
    for index, width in enumerate(hidden):
        x = layers.Conv2D(width, 3, activation="relu", name=f"a{index}")(x)
        x = layers.Conv2D(3, 1, activation="relu", name=f"b{index}")(x)
    return keras.Model(inputs, head(x))


@pytest.mark.parametrize(
    "regularizer, part", [(MACS, "macs"), (PARAMS, "params")]
)
def test_each_cost_is_that_of_a_network_with_one_channel_less(
    regularizer, part
):
    found = costs_of(with_atoms(tiny(), skip=["b0", "b1"]), regularizer)
    full = getattr(keras_nas.count_cost(tiny()), part)
    for name, smaller in (("a0", (3, 6)), ("a1", (4, 5))):
        less = full - getattr(keras_nas.count_cost(tiny(smaller)), part)
        np.testing.assert_allclose(found[name], less)


def test_costs_add_up_where_blocks_share_no_kernel():
    """All that goes with the hidden channels, but one of each block."""
    found = costs_of(with_atoms(tiny(), skip=["b0", "b1"]), MACS)
    full, least = (keras_nas.count_cost(m).macs for m in (tiny(), tiny((1, 1))))
    total = sum(cost[1:].sum() for cost in found.values())
    np.testing.assert_allclose(total, full - least)


def test_kernels_of_other_sizes_cost_more():
    def block(x):
        branches = []
        for k in (3, 5):
            y = conv(x, 6, 1, f"expand{k}")
            y = layers.DepthwiseConv2D(
                k, padding="same", use_bias=False, name=f"dw{k}"
            )(y)
            y = layers.BatchNormalization(name=f"bn{k}")(y)
            branches.append(layers.ReLU(name=f"relu{k}")(y))
        return layers.Concatenate()(branches)

    found = costs_of(atoms(ending(block)), MACS)
    for k in (3, 5):
        expected = [64 * (4 + k * k + 5)] * 6
        np.testing.assert_allclose(found[f"expand{k}"], expected)


def test_channels_that_something_tells_apart():
    """A channel that two layers read costs more than one that one reads."""
    inputs = keras.Input((4, 4, 2))
    x = mask("m")(layers.Conv2D(6, 1, name="a")(inputs))
    y = mask("other")(layers.Conv2D(3, 1, name="b")(x))
    joined = layers.Concatenate()([x, y])
    model = keras.Model(inputs, layers.Conv2D(5, 1)(joined))
    found = costs_of(model, MACS)
    np.testing.assert_allclose(found["m"], [16 * (2 + 3 + 5)] * 6)
    np.testing.assert_allclose(found["other"], [16 * (6 + 5)] * 3)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_tied_channels_of_a_group_share_its_cost(groups):
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(6, 1, name="a")(inputs)
    x = keras_nas.AtomicBlockScale(factor="own", name="m")(x)
    x = layers.GroupNormalization(groups)(x)
    y = layers.Conv2D(5, 1)(x)
    model = keras.Model(inputs, layers.Add()([y, layers.Conv2D(5, 1)(inputs)]))
    found = costs_of(model, MACS)
    np.testing.assert_allclose(found["m"], [16 * (2 + 5)] * 6)


def test_a_grouped_convolution_goes_with_its_group():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(6, 1, name="a")(inputs)
    x = keras_nas.AtomicBlockScale(factor="own", name="m")(x)
    x = layers.Conv2D(6, 1, groups=3, name="g")(x)
    model = keras.Model(inputs, layers.Conv2D(5, 1)(x))
    found = costs_of(model, MACS)
    # Of a group: 2 filters, 2 x 2 weights, 2 rows of the last kernel.
    np.testing.assert_allclose(found["m"], [16 * (2 + 2 + 5)] * 6)


def test_costs_do_not_depend_on_decisions():
    model = with_atoms(tiny(), skip=["b0", "b1"])
    before = channel_costs(model, MACS)
    masks_of(model)[0].factor.assign([0.0] * 3 + [1.0])
    for a, b in zip(before, channel_costs(model, MACS), strict=True):
        np.testing.assert_array_equal(a, b)
