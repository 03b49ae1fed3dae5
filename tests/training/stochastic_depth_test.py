"""Stochastic depth: where it goes, what it does, and what it leaves alone."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import slice_model
from keras_nas.training import add_stochastic_depth


def _block(x, name, by_operator=False, shortcut_first=True):
    branch = layers.Conv2D(4, 3, padding="same", name=f"{name}_conv")(x)
    pair = [x, branch] if shortcut_first else [branch, x]
    if by_operator:
        return pair[0] + pair[1]
    return layers.Add(name=f"{name}_add")(pair)


def _network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 4))
    x = _block(inputs, "one")
    x = _block(x, "two", shortcut_first=False)
    left = layers.Conv2D(4, 1, name="left")(x)
    x = layers.Add(name="neither")([left, layers.Conv2D(4, 1, name="right")(x)])
    x = _block(x, "three", by_operator=True)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def _dropouts(model):
    return [x for x in model.layers if isinstance(x, layers.Dropout)]


def _images(count):
    random = np.random.default_rng(1)
    return random.normal(size=(count, 6, 6, 4)).astype("float32")


def test_rates_grow_in_a_line_over_the_residual_branches_only():
    dropouts = _dropouts(add_stochastic_depth(_network(), 0.6))
    rates = [layer.rate for layer in dropouts]
    np.testing.assert_allclose(rates, [0.2, 0.4, 0.6])
    assert all(layer.noise_shape == (None, 1, 1, 1) for layer in dropouts)
    assert [layer.name for layer in dropouts[:2]] == [
        "one_add_stochastic_depth",
        "two_add_stochastic_depth",
    ]


@pytest.mark.parametrize("shortcut_first", [True, False])
@pytest.mark.parametrize("by_operator", [True, False])
def test_the_branch_is_dropped_and_the_shortcut_never(
    by_operator, shortcut_first
):
    inputs = keras.Input((6, 6, 4))
    x = _block(inputs, "one", by_operator, shortcut_first)
    plain, x = keras.Model(inputs, x), _images(400)
    deep = add_stochastic_depth(plain, 0.25, seed=3)
    changes = np.array(deep(x, training=True)) - x
    branch = np.array(plain(x)) - x
    is_dropped = np.abs(changes).max((1, 2, 3)) < 1e-6
    assert 60 < is_dropped.sum() < 140
    np.testing.assert_allclose(
        changes[~is_dropped], branch[~is_dropped] / 0.75, atol=1e-4
    )


def test_inference_and_costs_are_those_of_the_model():
    plain, x = _network(), _images(5)
    deep = add_stochastic_depth(plain, 0.5)
    np.testing.assert_array_equal(np.array(deep(x)), np.array(plain(x)))
    costs = [count_cost(model) for model in (plain, deep)]
    assert costs[0].macs == costs[1].macs
    assert costs[0].params == costs[1].params
    np.testing.assert_allclose(
        np.array(slice_model(insert_masks(deep))(x)),
        np.array(plain(x)),
        atol=1e-5,
    )


def test_training_trains_the_model_which_stays_as_it_was(tmp_path):
    plain, x = _network(), _images(8)
    config, before = plain.to_json(), plain.get_weights()
    deep = add_stochastic_depth(plain, 0.5, seed=0)
    deep.compile("sgd", "mse")
    deep.fit(x, np.ones((8, 3), "float32"), verbose=0)
    after = plain.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert plain.to_json() == config
    plain.save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    assert not _dropouts(loaded)
    np.testing.assert_array_equal(np.array(loaded(x)), np.array(deep(x)))


def test_draws_follow_the_seed_and_differ_between_branches():
    plain, x = _network(), _images(64)
    first, again, other = (
        np.array(add_stochastic_depth(plain, 0.5, s)(x, training=True))
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    seeds = [d.seed for d in _dropouts(add_stochastic_depth(plain, 0.5, 1))]
    assert len(set(seeds)) == 3


def test_it_reaches_into_nested_models():
    inner = keras.Input((6, 6, 4))
    nested = keras.Model(inner, _block(inner, "one"))
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, nested(inputs))
    assert len(_dropouts(add_stochastic_depth(model, 0.5))) == 1


def test_errors_are_clear():
    for rate in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"argument `rate`.*\[0, 1\)"):
            add_stochastic_depth(_network(), rate)
    plain = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="no residual branch"):
        add_stochastic_depth(plain, 0.1)
