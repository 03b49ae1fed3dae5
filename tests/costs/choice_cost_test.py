"""Expected costs of choices, against formulas with the drawn weights g.

Networks are written by hand, and so are the formulas: Eq. 5, 6 and 10 of
FBNetV2. `g(model, name)` are the Gumbel-softmax weights of the present step.
"""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import BlockChoice
from keras_nas import ChannelMask
from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import ResolutionSubsample
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from tests.common import choose
from tests.common import deciders_of
from tests.common import masks_of
from tests.common import randomize
from tests.costs.gradient_test import difference
from tests.costs.gradient_test import slopes

FLOPS, PARAMS = ExpectedFLOPs(1.0), ExpectedParams(1.0)


def conv(filters, kernel=1, name=None, **kwargs):
    kwargs = {"padding": "same", "use_bias": False, **kwargs}
    return layers.Conv2D(filters, kernel, name=name, **kwargs)


def channels(choices, name, **kwargs):
    return ChannelMask(choices, temperature=1.0, seed=0, name=name, **kwargs)


def choice(options, name, candidates, **kwargs):
    layer = BlockChoice(options, temperature=1.0, seed=0, name=name, **kwargs)
    return layer(candidates)


def drawn(model, seed=0):
    """Gives every mask random logits, and a step of its own."""
    rng = np.random.default_rng(seed)
    for mask in deciders_of(model):
        mask.logits.assign(rng.normal(size=len(mask.options)))
        for _ in range(seed):
            mask.seed_generator.advance()
    return model


def g(model, name):
    (mask,) = [m for m in deciders_of(model) if m.name == name]
    return np.array(mask.weights_of_options(), "float64")


def expected(cost, model):
    return float(cost(model, dtype="float64"))


def agree(value, formula):
    np.testing.assert_allclose(value, formula, rtol=1e-5)


def chosen_kernel(size=6):
    """A 1x1, 3x3 or 5x5 convolution between masks, at three resolutions."""
    inside = x = keras.Input((None, None, 3))
    x = channels([2, 3, 5], "in")(conv(5)(x))
    kernels = [conv(4, k)(x) for k in (1, 3, 5)]
    x = channels([1, 2, 4], "out")(choice(["k1", "k3", "k5"], "k", kernels))
    x = layers.GlobalAveragePooling2D()(x)
    part = keras.Model(inside, x)
    inputs = keras.Input((size, size, 3))
    search = ResolutionSubsample(
        [3, 4, size], part, temperature=1.0, seed=0, name="r"
    )
    return keras.Model(inputs, layers.Dense(2)(search(inputs)))


@pytest.mark.parametrize("seed", range(3))
def test_channels_kernel_and_resolution_as_in_eq_10(seed):
    model = drawn(chosen_kernel(), seed)
    c_in, c_out = g(model, "in") @ [2, 3, 5], g(model, "out") @ [1, 2, 4]
    area = (g(model, "r") @ [3, 4, 6]) ** 2
    kernels = g(model, "k") @ [1, 9, 25]
    agree(
        expected(FLOPS, model),
        area * (3 * c_in + kernels * c_in * c_out) + 2 * c_out,
    )
    agree(
        expected(PARAMS, model),
        3 * c_in + kernels * c_in * c_out + 2 * c_out + 2,
    )


def test_weights_are_those_of_the_layers_call():
    """What is paid for is what is computed: one draw for both."""
    model = drawn(chosen_kernel())
    model(np.zeros((1, 6, 6, 3), "float32"), training=True)
    before = g(model, "k")
    agree(g(model, "k"), before)
    c_in, c_out = g(model, "in") @ [2, 3, 5], g(model, "out") @ [1, 2, 4]
    area = (g(model, "r") @ [3, 4, 6]) ** 2
    kernels = before @ [1, 9, 25]
    agree(
        expected(FLOPS, model),
        area * (3 * c_in + kernels * c_in * c_out) + 2 * c_out,
    )


def residual():
    """x + (nothing, or a block of two convolutions, or one)."""
    inputs = keras.Input((4, 4, 4))
    x = layers.Activation("sigmoid")(conv(4, name="stem")(inputs))
    a = conv(4)(layers.ReLU()(conv(6)(x)))
    b = conv(4, 3)(x)
    y = choice(["zero", "a", "b"], "c", [a, b], zero="zero")
    y = layers.GlobalAveragePooling2D()(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(2, use_bias=False)(y))


@pytest.mark.parametrize("seed", range(2))
def test_residual_with_an_option_for_nothing(seed):
    model = drawn(residual(), seed)
    _, a, b = g(model, "c")
    agree(
        expected(FLOPS, model),
        16 * (16 + a * (24 + 24) + b * 9 * 16) + 8,
    )
    agree(expected(PARAMS, model), 16 + a * 48 + b * 144 + 8)


def test_biases_and_normalizations_are_weighted_too():
    inputs = keras.Input((4, 4, 3))
    a = layers.BatchNormalization()(conv(4)(inputs))
    b = layers.Conv2D(4, 1, use_bias=True)(inputs)
    outputs = choice(["a", "b"], "c", [a, b])
    model = drawn(keras.Model(inputs, outputs))
    p, q = g(model, "c")
    agree(expected(PARAMS, model), p * (12 + 8) + q * (12 + 4))


def test_pooled_elements_are_weighted_too():
    inputs = keras.Input((4, 4, 4))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    a = layers.UpSampling2D(4)(pooled)
    model = choose(
        keras.Model(inputs, choice(["a", "b"], "c", [a, inputs])), c="b"
    )
    assert decided_cost(model).pool == 0
    assert decided_cost(choose(model, c="a")).pool == 64


def test_candidates_that_share_an_input_whose_channels_are_masked():
    """The stem is needed by both, whatever the choice between them is."""
    inputs = keras.Input((4, 4, 3))
    x = channels([1, 3, 5], "m")(conv(5)(inputs))
    outputs = choice(["a", "b"], "c", [conv(2)(x), conv(2, 3)(x)])
    model = drawn(keras.Model(inputs, outputs))
    c_in = g(model, "m") @ [1, 3, 5]
    kernels = g(model, "c") @ [1, 9]
    agree(expected(FLOPS, model), 16 * (3 * c_in + kernels * 2 * c_in))


def test_an_input_that_one_of_two_candidates_reads():
    """The other one reads the input: the stem is paid for with g_a."""
    inputs = keras.Input((4, 4, 3))
    x = channels([1, 3, 5], "m")(conv(5)(inputs))
    outputs = choice(["a", "b"], "c", [conv(2)(x), conv(2, 3)(inputs)])
    model = drawn(keras.Model(inputs, outputs))
    c_in, (a, b) = g(model, "m") @ [1, 3, 5], g(model, "c")
    agree(
        expected(FLOPS, model), 16 * (a * (3 * c_in + 2 * c_in) + b * 9 * 3 * 2)
    )


def test_masks_of_two_candidates_on_their_own_channels():
    """Channels behind the choice are tied: the larger demand counts."""
    inputs = keras.Input((4, 4, 3))
    a = conv(4)(channels([1, 2, 5], "a")(conv(5)(inputs)))
    b = conv(4)(channels([2, 3, 6], "b")(conv(6)(inputs)))
    model = drawn(keras.Model(inputs, choice(["a", "b"], "c", [a, b])))
    (p, q), n, m = (
        g(model, "c"),
        g(model, "a") @ [1, 2, 5],
        g(model, "b") @ [2, 3, 6],
    )
    agree(expected(FLOPS, model), 16 * (p * 7 * n + q * 7 * m))


def test_one_decision_of_two_choices():
    inputs = keras.Input((4, 4, 3))
    leader = BlockChoice(["a", "b"], temperature=1.0, seed=0, name="c")
    x = leader([conv(4)(inputs), conv(4, 3)(inputs)])
    follower = BlockChoice(["p", "q"], decided_by=leader)
    x = follower([conv(2)(x), conv(2, 5)(x)])
    model = drawn(keras.Model(inputs, x))
    p, q = g(model, "c")
    agree(expected(FLOPS, model), 16 * (p * (12 + 8) + q * (9 * 12 + 25 * 8)))


# Enumerations.


def nested():
    """A choice in a candidate of another one, masks, a choice behind."""
    inputs = keras.Input((4, 4, 3))
    x = channels([1, 2, 4], "m")(conv(4)(inputs))
    inner = choice(["a", "b"], "inner", [conv(4)(x), conv(4, 3)(x)])
    inner = conv(4)(inner)
    outer = choice(["n", "c"], "outer", [inner, conv(4, 5)(x)])
    y = choice(["d", "e"], "last", [conv(2)(outer), conv(2, 3)(outer)])
    return keras.Model(inputs, y)


def decisions_of(model):
    """Yields `(probability, {name: option})` of all decisions."""
    masks = deciders_of(model)
    weights = [g(model, mask.name) for mask in masks]
    for indices in itertools.product(*(range(len(w)) for w in weights)):
        p = np.prod([w[i] for w, i in zip(weights, indices, strict=True)])
        yield (
            p,
            {
                mask.name: mask.options[i]
                for mask, i in zip(masks, indices, strict=True)
            },
        )


def scales_of(model, decision):
    return [m.scale_of(decision[m.leader().name]) for m in masks_of(model)]


def enumerated(cost, model):
    """Returns the costs of all decisions, and their mean."""
    pairs = [
        (p, cost.decided(model, scales_of(model, decision)))
        for p, decision in decisions_of(model)
    ]
    return [c for _, c in pairs], sum(p * c for p, c in pairs)


@pytest.mark.parametrize("cost", [FLOPS, PARAMS])
@pytest.mark.parametrize("build", [nested, residual])
def test_where_costs_are_multilinear_they_are_the_mean(build, cost):
    """Decisions are independent, and no layer counts one of them twice."""
    model = drawn(build(), seed=2)
    _, mean = enumerated(cost, model)
    agree(expected(cost, model), mean)


def test_where_a_choice_counts_twice_they_are_not():
    """Heights and widths are one choice, and so are inputs and outputs."""
    model = drawn(chosen_kernel(), seed=1)
    _, mean = enumerated(FLOPS, model)
    value = expected(FLOPS, model)
    assert value < 0.99 * mean  # The mean of squares is larger.


def every_network():
    return [nested(), residual(), chosen_kernel(), gated()]


def gated():
    """Squeeze-excite that follows the channels it gates, in a candidate."""
    inputs = keras.Input((4, 4, 3))
    decides = channels([2, 4], "m")
    x = decides(conv(4)(inputs))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    follows = ChannelMask([1, 2], decided_by=decides, name="f")
    gate = follows(conv(2, activation="relu")(gate))
    gate = conv(4, activation="sigmoid")(gate)
    y = conv(4)(layers.Multiply()([x, gate]))
    y = choice(["z", "y"], "c", [y], zero="z")
    return keras.Model(inputs, layers.Add()([conv(4, 3)(inputs), y]))


@pytest.mark.parametrize("network", range(4))
def test_decided_costs_are_those_of_the_slices(network):
    """At the corners, by every way there is to say it."""
    keras.utils.clear_session()
    model = randomize(every_network()[network])
    rng = np.random.default_rng(0)
    decisions = [decision for _, decision in decisions_of(model)]
    picked = rng.choice(len(decisions), min(6, len(decisions)), False)
    for decision in (decisions[i] for i in picked):
        counted = count_cost(slice_model(choose(model, **decision)))
        decided = decided_cost(model)
        for cost, count in ((FLOPS, counted.macs), (PARAMS, counted.params)):
            assert cost.decided(model) == count
            assert cost.decided(model, scales_of(model, decision)) == count
            assert expected(cost, model) == count
        assert (decided.macs, decided.params) == (counted.macs, counted.params)


@pytest.mark.parametrize("cost", [FLOPS, PARAMS])
@pytest.mark.parametrize("network", range(4))
def test_limits_are_those_of_the_enumeration(network, cost):
    model = every_network()[network]
    costs, _ = enumerated(cost, model)
    assert cost.full(model) == max(costs)
    assert cost.smallest(model) == min(costs)


def test_limits_of_nested_choices():
    """The inner candidates together cost more than the outer one."""
    inputs = keras.Input((4, 4, 4))
    inner = [conv(4)(inputs), conv(4, 3)(inputs), conv(4, 3)(inputs)]
    inner = choice(["a", "b", "c"], "inner", inner)
    model = keras.Model(
        inputs,
        choice(["n", "d"], "outer", [inner, conv(4, (2, 5))(inputs)]),
    )
    assert FLOPS.smallest(model) == 16 * 16
    assert FLOPS.full(model) == 16 * 16 * 10


def test_options_need_not_be_in_the_order_of_their_costs():
    inputs = keras.Input((4, 4, 3))
    kernels = [conv(4, k)(inputs) for k in (3, 5, 1)]
    model = keras.Model(inputs, choice(["a", "b", "c"], "k", kernels))
    assert FLOPS.smallest(model) == 16 * 12
    assert FLOPS.full(model) == 16 * 12 * 25


def test_limits_without_masks_are_the_cost():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, conv(4)(inputs))
    assert FLOPS.full(model) == FLOPS.smallest(model) == 16 * 12


def test_a_target_is_a_share_of_the_most_expensive_network():
    model = residual()
    full = 16 * (16 + 144) + 8
    assert ExpectedFLOPs(target=0.5).budget(model) == 0.5 * full
    with pytest.raises(ValueError, match=f"between {16 * 16 + 8:,}"):
        ExpectedFLOPs(target=0.05).budget(model)


# Gradients.


@pytest.mark.parametrize("cost", [FLOPS, PARAMS], ids=["macs", "params"])
@pytest.mark.parametrize("network", range(4))
def test_gradient_equals_central_differences(network, cost):
    """The noise is a function of the step, so it is the same each time."""
    model = drawn(every_network()[network], seed=3)
    value, gradient = slopes(cost, model)
    differences = [
        difference(cost, model, mask.logits, index, 2.0**-5)
        for mask in deciders_of(model)
        for index in range(len(mask.options))
    ]
    assert value > 0
    np.testing.assert_allclose(
        gradient, differences, rtol=3e-3, atol=1e-3 * np.abs(gradient).max()
    )
    # Of each mask but the resolution's, which params do not depend on.
    assert (np.abs(gradient) > 1e-6).sum() >= len(gradient) - 3
