"""BlockChoice against the weighted sum, written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_nas import BlockChoice
from keras_nas import ChannelMask
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import head
from tests.common import masks_of
from tests.common import randomize
from tests.layers.layer_checks import check_serialization
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy

_SKIP = {"options": ["skip", "k3", "k5"], "zero": "skip", "seed": 3}


def maps(number, shape=(2, 4, 4, 3), seed=0):
    """Returns `number` different arrays."""
    rng = np.random.default_rng(seed)
    return list(rng.normal(size=(number, *shape)).astype("float32"))


def built(choice, logits=None):
    """Builds a choice, perhaps with given logits."""
    choice.build([(None, 3)] * len(choice.input_options))
    if logits is not None:
        choice.logits.assign(logits)
    return choice


@pytest.mark.parametrize("zero", [None, "skip"])
def test_comes_back_from_json(zero):
    check_serialization(BlockChoice(**{**_SKIP, "zero": zero}))


def test_weights_and_shapes():
    choice = BlockChoice(**_SKIP)
    inputs = [keras.Input((4, 4, 3)) for _ in range(2)]
    assert choice(inputs).shape == (None, 4, 4, 3)
    assert choice.compute_output_shape([(2, 4, 3)] * 2) == (2, 4, 3)
    assert to_numpy(choice(maps(2))).shape == (2, 4, 4, 3)
    assert [tuple(v.shape) for v in choice.trainable_weights] == [(3,)]
    assert [v.name for v in choice.non_trainable_weights] == ["temperature"]
    assert len(choice.variables) == 3  # With the seed.
    assert float(choice.temperature) == 5.0
    choice.trainable = False
    assert not choice.trainable_weights


@pytest.mark.parametrize("zero", [None, "a", "b", "c"])
def test_training_output_is_the_weighted_sum(zero):
    choice = BlockChoice(["a", "b", "c"], zero, temperature=0.8, seed=1)
    names = [name for name in ("a", "b", "c") if name != zero]
    inputs = dict(zip(names, maps(len(names)), strict=True))
    seen = []
    for _ in range(2):
        y = to_numpy(choice(list(inputs.values()), training=True))
        weights = to_numpy(choice.weights_of_options())
        np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-6)
        weights = dict(zip(("a", "b", "c"), weights, strict=True))
        expected = sum(weights[name] * x for name, x in inputs.items())
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
        seen.append(list(weights.values()))
    assert np.abs(np.subtract(*seen)).min() > 1e-4


@pytest.mark.parametrize("zero", [None, "a", "c"])
@pytest.mark.parametrize("best", ["a", "b", "c"])
def test_inference_takes_the_option_of_the_largest_logit(best, zero):
    options = ["a", "b", "c"]
    choice = BlockChoice(options, zero, seed=1)
    names = [name for name in options if name != zero]
    inputs = maps(len(names))
    choice(inputs)
    choice.logits.assign([0.1 * (name == best) for name in options])
    expected = dict(zip(names, inputs, strict=True))
    expected = expected.get(best, np.zeros_like(inputs[0]))
    for y in (choice(inputs), choice(inputs, training=False)):
        np.testing.assert_array_equal(y, expected)
    assert choice.decision() == best
    switches = [float(name == best) for name in options]
    assert to_numpy(choice.inference_scale()).tolist() == switches
    assert choice.scale_of(best).tolist() == switches
    assert step_of(choice) == 0


def test_gradients():
    """dy/dx_i = g_i; dL/dalpha as of a softmax, Eq. 4."""
    choice = built(BlockChoice(**_SKIP, temperature=0.7), [0.2, -0.3, 0.5])
    inputs = [tf.constant(x) for x in maps(2, (2, 3))]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(choice(inputs, training=True))
    *by_input, by_logit = tape.gradient(loss, [*inputs, choice.logits.value])
    g = to_numpy(choice.weights_of_options())
    for gradient, weight in zip(by_input, g[1:], strict=True):
        np.testing.assert_allclose(gradient, np.full((2, 3), weight), 1e-6)
    values = np.array([0.0, *(to_numpy(x).sum() for x in inputs)])
    expected = g * (values - g @ values) / 0.7
    np.testing.assert_allclose(by_logit, expected, rtol=1e-4, atol=1e-6)


def network():
    """A residual block of two kernel sizes or none, which is used twice."""
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="first")(inputs)
    choice = BlockChoice(**_SKIP, name="kind")
    for index in range(2):
        blocks = [
            layers.DepthwiseConv2D(k, padding="same", name=f"{index}_{k}")(x)
            for k in (3, 5)
        ]
        x = layers.Add()([x, choice(blocks)])
    return randomize(keras.Model(inputs, head(x)))


def test_a_choice_that_is_used_twice_draws_once():
    model, x = network(), maps(1, (2, 6, 6, 3))[0]
    (choice,) = masks_of(model)
    for step in (1, 2):
        y = model(x, training=True)
        assert step_of(choice) == step
        _, *g = to_numpy(choice.weights_of_options())
        z = model.get_layer("first")(x)
        for index in range(2):
            blocks = [model.get_layer(f"{index}_{k}")(z) for k in (3, 5)]
            z = z + g[0] * blocks[0] + g[1] * blocks[1]
        z = model.get_layer("classifier")(np.mean(z, axis=(1, 2)))
        np.testing.assert_allclose(y, z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["skip", "k3", "k5"])
def test_one_option_is_the_network_built_directly(kind):
    model = network()
    (choice,) = masks_of(model)
    choice.logits.assign([100.0 * (name == kind) for name in choice.options])
    choice.temperature.assign(1.0)
    sliced, _ = assert_slices(model)
    kernels = [
        layer.kernel.shape[0]
        for layer in sliced.layers
        if isinstance(layer, layers.DepthwiseConv2D)
    ]
    assert kernels == {"skip": [], "k3": [3, 3], "k5": [5, 5]}[kind]
    x = maps(1, (2, 6, 6, 3))[0]
    np.testing.assert_allclose(
        model(x, training=True), sliced(x, training=True), rtol=1e-4, atol=1e-5
    )


def test_a_follower_takes_over_draws_and_decision():
    leader = built(BlockChoice(**_SKIP, name="leader"))
    follower = BlockChoice(["none", "a", "b"], "none", decided_by=leader)
    inputs = keras.Input((3,))
    first = leader([inputs, 2.0 * inputs])
    model = keras.Model(inputs, [first, follower([inputs, 3.0 * inputs])])
    assert len(model.trainable_weights) == 1
    for _ in range(2):
        a, b = model(np.ones((1, 3), "float32"), training=True)
        _, g1, g2 = to_numpy(leader.weights_of_options())
        np.testing.assert_allclose(a, np.full((1, 3), g1 + 2 * g2), rtol=1e-6)
        np.testing.assert_allclose(b, np.full((1, 3), g1 + 3 * g2), rtol=1e-6)
    assert step_of(leader) == 2
    leader.logits.assign([0.0, 0.0, 1.0])
    assert (leader.decision(), follower.decision()) == ("k5", "b")
    assert to_numpy(model(np.ones((1, 3)))[1]).tolist() == [[3.0] * 3]
    # It is given what its leader decided.
    assert follower.scale_of("k3").tolist() == [0, 1, 0]


def test_a_channel_mask_can_be_the_leader():
    leader = ChannelMask([1, 3], seed=0)
    leader.build((None, 3))
    choice = built(BlockChoice(["a", "b"], decided_by=leader))
    leader.logits.assign([0.0, 1.0])
    assert (leader.decision(), choice.decision()) == (3, "b")


def test_saved_and_loaded(tmp_path):
    model, x = network(), maps(1, (2, 6, 6, 3))[0]
    (choice,) = masks_of(model)
    choice.logits.assign([0.0, 0.4, 0.1])
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_function(model, loaded)
    (again,) = masks_of(loaded)
    assert (again.decision(), again.zero, step_of(again)) == ("k3", "skip", 1)
    a, b = (to_numpy(m(x, training=True)) for m in (model, loaded))
    np.testing.assert_array_equal(a, b)


def test_works_in_fit():
    model, x = network(), maps(1, (4, 6, 6, 3))[0]
    (choice,) = masks_of(model)
    model.compile("sgd", "mse")
    history = model.fit(x, np.ones((4, 3)), batch_size=2, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert (to_numpy(choice.logits) != 0).all()
    assert step_of(choice) == 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_only_the_output_is_in_low_precision(dtype):
    choice = BlockChoice(**_SKIP, name="kind", dtype=f"mixed_{dtype}")
    exact = BlockChoice(**_SKIP, name="kind")
    for training in (True, False):
        y = choice(maps(2), training=training)
        exact(maps(2), training=training)
        assert keras.backend.standardize_dtype(y.dtype) == dtype
        np.testing.assert_array_equal(choice.sample(), exact.sample())
    assert {v.dtype for v in choice.weights} == {"float32"}


def test_costs_have_no_smallest_option():
    smallest, largest = built(BlockChoice(**_SKIP)).scale_limits()
    assert smallest.tolist() == largest.tolist() == [1, 1, 1]
    assert BlockChoice.is_exclusive


@pytest.mark.parametrize(
    "options", [[], "ab", ["a", "a"], ["a", 1], [1, 2], None, {"a": 1}]
)
def test_options_that_are_not_different_names(options):
    with pytest.raises(ValueError, match="argument `options`.*different str"):
        BlockChoice(options)


@pytest.mark.parametrize("zero", ["d", 0, "", ["a"]])
def test_zero_must_be_an_option(zero):
    with pytest.raises(ValueError, match="argument `zero`.*'a', 'b'"):
        BlockChoice(["a", "b"], zero)


@pytest.mark.parametrize("zero, number", [(None, 1), (None, 3), ("a", 2)])
def test_another_number_of_inputs(zero, number):
    choice = BlockChoice(["a", "b"], zero, name="kind")
    expected = r"choice 'kind' among \['a', 'b'\] takes a list of "
    with pytest.raises(ValueError, match=expected + str(2 - bool(zero))):
        choice(maps(number))


def test_inputs_of_different_shapes():
    choice = BlockChoice(["a", "b"])
    with pytest.raises(ValueError, match=r"equal shapes.*\(2, 4\), \(2, 1\)"):
        choice([np.ones((2, 4)), np.ones((2, 1))])


@pytest.mark.parametrize("zero", [None, "a"])
def test_one_tensor_is_no_list(zero):
    choice = BlockChoice(["a", "b"], zero)
    with pytest.raises(ValueError, match=r"takes a list of .*\(2, 4\)"):
        choice(np.ones((2, 4)))


def test_zero_alone_is_no_choice():
    with pytest.raises(ValueError, match="argument `options`.*besides"):
        BlockChoice(["a"], "a")


@pytest.mark.parametrize("decision", ["d", 0, None, ["a"], True])
def test_decisions_that_are_no_option(decision):
    choice = built(BlockChoice(**_SKIP, name="kind"))
    with pytest.raises(ValueError, match="mask 'kind'.*'skip', 'k3', 'k5'"):
        choice.scale_of(decision)
