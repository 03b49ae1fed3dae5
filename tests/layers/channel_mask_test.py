"""ChannelMask against the paper's equations, written out."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_nas import Architecture
from keras_nas import ChannelMask
from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import insert_masks
from keras_nas import slice_model
from keras_nas import spaces
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import head
from tests.common import masks_of
from tests.common import randomize
from tests.layers.layer_checks import check_layer
from tests.layers.layer_checks import to_numpy


def test_basics():
    check_layer(
        ChannelMask,
        {"choices": [2, 4, 6], "temperature": 0.7, "seed": 3},
        input_shape=(2, 4, 4, 6),
        trainable_weights=1,
        non_trainable_weights=1,
        seed_generators=1,
    )


def built(mask, channels):
    mask.build((None, channels))
    return mask


def steps(mask, number):
    """Returns the weights g of some training steps, `(number, options)`."""
    ones = np.ones((1, mask.options[-1]), "float32")

    @tf.function
    def step():
        mask(ones, training=True)
        return mask.weights_of_options()

    return np.array([to_numpy(step()) for _ in range(number)])


def test_the_largest_weight_is_a_draw_of_the_softmax():
    """The Gumbel-max trick: P(argmax g = i) = softmax(alpha)_i."""
    mask = built(ChannelMask([1, 2, 4], seed=0), 4)
    alpha = np.array([0.0, 1.0, -0.5])
    mask.logits.assign(alpha)
    number = 3000
    winners = steps(mask, number).argmax(1)
    shares = np.bincount(winners, minlength=3) / number
    p = np.exp(alpha) / np.exp(alpha).sum()
    assert (np.abs(shares - p) < 4 * np.sqrt(p * (1 - p) / number)).all()


def test_temperature():
    mask = built(ChannelMask([1, 2, 4], seed=0), 4)
    mask.temperature.assign(1e-3)
    assert np.sort(steps(mask, 20))[:, :2].max() < 1e-6
    mask.temperature.assign(1e6)
    np.testing.assert_allclose(steps(mask, 20), 1 / 3, atol=1e-4)


def test_the_mask_is_the_weighted_sum_of_prefixes():
    mask = built(ChannelMask([1, 3, 4], seed=1), 4)
    (g,) = steps(mask, 1)
    expected = [g.sum(), g[1] + g[2], g[1] + g[2], g[2]]
    np.testing.assert_allclose(to_numpy(mask.sample()), expected, rtol=1e-6)
    # The effective number of channels, Eq. 5.
    effective = to_numpy(mask.probabilities()).sum()
    np.testing.assert_allclose(effective, g @ [1, 3, 4], rtol=1e-6)


def test_output_is_the_sum_of_padded_outputs():
    """Eq. 1, with the weights of the options shared."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 5, 3)).astype("float32")
    conv = layers.Conv2D(8, 3, padding="same")
    conv.build(x.shape)
    kernel, bias = rng.normal(size=(3, 3, 3, 8)), rng.normal(size=8)
    conv.set_weights([kernel, bias])
    mask = ChannelMask([2, 5, 8], seed=0)
    y = to_numpy(mask(conv(x), training=True))
    expected = 0.0
    for k, g in zip(
        [2, 5, 8], to_numpy(mask.weights_of_options()), strict=True
    ):
        option = layers.Conv2D(k, 3, padding="same")
        option.build(x.shape)
        option.set_weights([kernel[..., :k], bias[:k]])
        padding = [(0, 0), (0, 0), (0, 0), (0, 8 - k)]
        expected = expected + g * np.pad(to_numpy(option(x)), padding)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def network(channels=(8, 6)):
    """Conv, mask, depthwise, the same mask, conv, mask, classifier."""
    a, b = ChannelMask(4, seed=0, name="a"), ChannelMask([2, 6], name="b")
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(channels[0], 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(a(layers.BatchNormalization()(x)))
    x = layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False)(x)
    x = a(layers.BatchNormalization()(x))
    x = layers.Conv2D(channels[1], 1, use_bias=False)(x)
    x = layers.ReLU()(b(layers.BatchNormalization()(x)))
    return randomize(keras.Model(inputs, head(x)))


def choose(model, **channels):
    """Sets the logits so that no noise matters: `choose(model, a=4)`."""
    for mask in masks_of(model):
        chosen = np.equal(mask.options, channels[mask.name])
        mask.logits.assign(np.where(chosen, 100.0, -100.0))
        mask.temperature.assign(1.0)
    return model


def test_expected_cost_is_equation_10():
    model = network()
    x = np.zeros((1, 6, 6, 3), "float32")
    model(x, training=True)
    a, b = (
        to_numpy(m.weights_of_options()) @ m.options for m in masks_of(model)
    )
    flops = 9 * 36 * 3 * a + 9 * 9 * a + 9 * a * b + 3 * b
    np.testing.assert_allclose(ExpectedFLOPs(1.0)(model), flops, rtol=1e-5)
    params = 9 * 3 * a + 9 * a + a * b + 3 * b + 3 + 2 * (a + a + b)
    np.testing.assert_allclose(ExpectedParams(1.0)(model), params, rtol=1e-5)


def test_both_places_of_a_shared_mask_draw_once():
    model = network()
    mask = model.get_layer("a")
    before = to_numpy(mask.seed_generator.state.value)[1]
    model(np.zeros((1, 6, 6, 3), "float32"), training=True)
    assert to_numpy(mask.seed_generator.state.value)[1] == before + 1


@pytest.mark.parametrize("a, b", [(2, 2), (4, 6), (8, 2), (8, 6)])
def test_one_choice_is_the_network_built_directly(a, b):
    model = choose(network(), a=a, b=b)
    sliced, _ = assert_slices(model)
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    kernels = [x.kernel.shape for x in sliced.layers if isinstance(x, kinds)]
    assert kernels == [(3, 3, 3, a), (3, 3, a, 1), (1, 1, a, b)]
    # In training, too: BatchNorm comes before the mask.
    x = np.random.default_rng(0).normal(size=(4, 6, 6, 3)).astype("float32")
    np.testing.assert_allclose(
        model(x, training=True), sliced(x, training=True), atol=1e-5
    )


def test_architecture():
    model = choose(network(), a=4, b=2)
    chosen = Architecture(model.name, {"a": 4, "b": 2})
    other = choose(network(), a=8, b=6)
    assert_same_function(
        slice_model(model),
        slice_model(model, Architecture.from_json(chosen.to_json())),
    )
    other.set_weights(model.get_weights())
    assert_same_function(slice_model(other, chosen), slice_model(model))
    for wrong in (3, "4", [0, 1], True):
        with pytest.raises(ValueError, match="mask 'a'.*2, 4, 6, 8"):
            slice_model(model, Architecture("", {"a": wrong, "b": 2}))


def test_choices_are_not_rounded():
    model = choose(network(), a=2, b=2)
    assert slice_model(model, channel_multiple=8).layers[1].filters == 2


@pytest.mark.parametrize("name", ["residual", "mobile"])
def test_inserted(name):
    model = spaces.find_network(name, (8, 8, 3), 4)
    mask = functools.partial(ChannelMask, 3)
    masked = insert_masks(randomize(model), mask, seed=0)
    assert_same_function(
        model,
        choose(masked, **{m.name: m.options[-1] for m in masks_of(masked)}),
    )
    rng = np.random.default_rng(0)
    chosen = {m.name: rng.choice(m.options) for m in masks_of(masked)}
    assert_slices(choose(masked, **chosen))


def test_evenly_spaced_choices():
    assert built(ChannelMask(4), 16).options == [4, 8, 12, 16]
    assert built(ChannelMask(4), 6).options == [2, 3, 5, 6]
    assert built(ChannelMask(8), 3).options == [1, 2, 3]


def test_saved_and_loaded(tmp_path):
    model = choose(network(), a=4, b=6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_function(model, loaded)
    assert [m.decision() for m in masks_of(loaded)] == [4, 6]


@pytest.mark.parametrize(
    "choices", [[], 0, -1, [0, 4], [4, 2], [2, 2], [2.0, 4], "48", None, True]
)
def test_other_choices_are_refused(choices):
    with pytest.raises(ValueError, match="argument `choices`"):
        ChannelMask(choices)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), "5"])
def test_other_temperatures_are_refused(temperature):
    with pytest.raises(ValueError, match="argument `temperature`"):
        ChannelMask([4], temperature)


def test_choices_that_do_not_fit_the_input():
    with pytest.raises(ValueError, match="number of channels of its input, 6"):
        built(ChannelMask([2, 4]), 6)


def test_one_option_has_weight_1():
    mask = built(ChannelMask([4], temperature=0.1, seed=0), 4)
    assert steps(mask, 2).tolist() == [[1.0], [1.0]]
    assert mask.decision() == 4


def test_choices_may_repeat_where_another_mask_decides():
    leader = built(ChannelMask([2, 4, 6], seed=0), 6)
    follower = built(ChannelMask([1, 1, 2], decided_by=leader), 2)
    y = to_numpy(follower(np.ones((1, 2), "float32"), training=True))
    g = to_numpy(leader.weights_of_options())
    np.testing.assert_allclose(y[0], [1.0, g[2]], rtol=1e-6)
    leader.logits.assign([0.0, 1.0, 0.0])
    assert follower.decision() == 1
    assert follower.scale_of(6).tolist() == [1, 1]
    with pytest.raises(ValueError, match="Invalid decision for mask"):
        follower.scale_of(1)


@pytest.mark.parametrize("choices", [[2, 1], [0, 2], [1, 2.0], []])
def test_other_choices_are_refused_where_another_mask_decides(choices):
    leader = ChannelMask([1, 2])
    with pytest.raises(ValueError, match="argument `choices`"):
        ChannelMask(choices, decided_by=leader)


def test_the_leader_must_be_built_and_have_as_many_options():
    leader = ChannelMask([2, 4, 6], name="leader")
    follower = ChannelMask([1, 2], name="follower", decided_by=leader)
    with pytest.raises(ValueError, match="'leader', which is not built yet"):
        built(follower, 2)
    built(leader, 6)
    message = r"'follower' is decided by 'leader'.* Expected 3.*\[1, 2\]"
    with pytest.raises(ValueError, match=message):
        built(follower, 2)


def expansion():
    """An expansion whose squeeze-excite is decided with it."""
    inputs = keras.Input((6, 6, 3))
    mask = ChannelMask([4, 8], seed=0, name="wide")
    x = mask(layers.Conv2D(8, 1, use_bias=False)(inputs))
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = ChannelMask([1, 2], decided_by=mask)(layers.Conv2D(2, 1)(s))
    s = layers.Conv2D(8, 1, activation="sigmoid")(layers.ReLU()(s))
    return randomize(keras.Model(inputs, head(layers.Multiply()([x, s]))))


@pytest.mark.parametrize("wide, narrow", [(4, 1), (8, 2)])
def test_numbers_that_belong_together_are_cut_together(wide, narrow):
    model = expansion()
    mask = model.get_layer("wide")
    mask.logits.assign([100.0 * (k == wide) for k in mask.options])
    mask.temperature.assign(1.0)
    sliced, _ = assert_slices(model)
    filters = [x.filters for x in sliced.layers if hasattr(x, "filters")]
    assert filters == [wide, narrow, wide]
    chosen = Architecture("", {"wide": wide})
    assert_same_function(slice_model(expansion(), chosen), sliced)
