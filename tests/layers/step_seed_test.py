"""Draws are a pure function of (seed, layer name, step)."""

import keras
import numpy as np
import pytest

from keras_nas import LogisticSigmoidMask
from keras_nas.layers.step_seed import StepSeedGenerator
from tests.layers.layer_checks import build_mask
from tests.layers.layer_checks import draw
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy

_CHANNELS = 4096


def _mask(seed=0, name="mask", channels=_CHANNELS):
    mask = LogisticSigmoidMask(0.0, temperature=1.0, seed=seed, name=name)
    return build_mask(mask, channels)


def _correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_the_seed_moves_only_when_told_to():
    generator = StepSeedGenerator(3, "mask")
    before = to_numpy(generator.next()).tolist()
    assert to_numpy(generator.next()).tolist() == before
    generator.advance()
    after = to_numpy(generator.next()).tolist()
    assert after == [before[0], before[1] + 1]


def test_draws_of_another_layer_or_seed_or_step_are_independent():
    first = _mask()
    draws = [
        draw(first),
        draw(first),
        draw(_mask(name="mask_1")),
        draw(_mask(seed=1)),
        draw(_mask(seed=1, name="mask_1")),
    ]
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert abs(_correlation(a, b)) < 4 / np.sqrt(_CHANNELS)


def test_draws_within_a_step_and_across_steps_are_uncorrelated():
    mask = _mask(channels=64)
    table = np.stack([draw(mask) for _ in range(500)])
    off_diagonal = np.corrcoef(table.T) - np.eye(64)
    assert np.abs(off_diagonal).max() < 5.5 / np.sqrt(500)
    lagged = np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]
    assert abs(lagged) < 4 / np.sqrt(table.size)


def test_draws_do_not_depend_on_anything_else():
    expected = [draw(mask) for mask in [_mask(channels=32)] for _ in range(3)]
    keras.utils.set_random_seed(1234)
    other, mask = _mask(name="other"), _mask(channels=32)
    for draws in expected:
        draw(other)
        keras.random.normal((3,))
        np.testing.assert_array_equal(draw(mask), draws)


def test_any_step_can_be_drawn_again():
    mask = _mask(channels=32)
    seen = [draw(mask) for _ in range(5)]
    key = to_numpy(mask.seed_generator.state.value)[0]
    mask.seed_generator.state.assign([key, 3])
    np.testing.assert_array_equal(draw(mask), seen[3])


def test_a_default_seed_is_chosen_once_and_kept():
    keras.utils.set_random_seed(7)
    mask, other = (LogisticSigmoidMask(name="mask") for _ in range(2))
    assert mask.seed != other.seed
    again = LogisticSigmoidMask.from_config(mask.get_config())
    assert again.seed == mask.seed
    keras.utils.set_random_seed(7)
    assert LogisticSigmoidMask(name="mask").seed == mask.seed


@pytest.mark.parametrize("seed", [0, -5, 2**63, np.int32(4)])
def test_any_integer_is_a_seed(seed):
    mask = _mask(seed=seed, channels=8)
    assert mask.get_config()["seed"] == seed
    assert np.isfinite(draw(mask)).all()


@pytest.mark.parametrize("seed", [1.5, "1", True, [1]])
def test_bad_seed_is_refused(seed):
    with pytest.raises(
        ValueError,
        match="argument `seed`. Expected an integer or None. Received: seed=",
    ):
        LogisticSigmoidMask(seed=seed)


def _model(seed=0):
    """A small network with two masks, one of them applied twice."""
    keras.utils.set_random_seed(11)
    masks = [
        LogisticSigmoidMask(0.0, 0.5, seed=seed, name=name)
        for name in ("mask_a", "mask_b")
    ]
    x = inputs = keras.Input((8, 8, 3))
    x = masks[0](keras.layers.Conv2D(6, 3, padding="same")(x))
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = masks[0](keras.layers.BatchNormalization()(x))
    x = masks[1](keras.layers.Conv2D(5, 1, activation="relu")(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def _fit(model, steps, first_step):
    """Trains on `steps` batches of an endless stream, from `first_step`."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(12, 4, 8, 8, 3)).astype("float32")
    y = generator.normal(size=(12, 4, 3)).astype("float32")
    stop = first_step + steps
    model.fit(
        x[first_step:stop].reshape(-1, 8, 8, 3),
        y[first_step:stop].reshape(-1, 3),
        batch_size=4,
        shuffle=False,
        verbose=0,
    )


def _assert_equal(model, other):
    for a, b in zip(model.variables, other.variables, strict=True):
        if "loss" not in a.path:
            np.testing.assert_array_equal(to_numpy(a), to_numpy(b), a.path)


@pytest.fixture(scope="module")
def unbroken():
    model = _model()
    _fit(model, 6, first_step=0)
    for name in ("mask_a", "mask_b"):
        assert np.abs(to_numpy(model.get_layer(name).logits)).min() > 0
    return model


def test_resuming_a_saved_model_equals_an_unbroken_run(unbroken, tmp_path):
    model = _model()
    _fit(model, 3, first_step=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert step_of(loaded.get_layer("mask_a")) == 3
    _fit(loaded, 3, first_step=3)
    _assert_equal(loaded, unbroken)


def test_resuming_saved_weights_equals_an_unbroken_run(unbroken, tmp_path):
    model = _model()
    _fit(model, 3, first_step=0)
    model.save_weights(tmp_path / "model.weights.h5")
    resumed = _model(seed=99)
    resumed.optimizer.build(resumed.trainable_variables)
    resumed.load_weights(tmp_path / "model.weights.h5")
    _fit(resumed, 3, first_step=3)
    _assert_equal(resumed, unbroken)


def test_weights_saved_without_a_step_can_be_loaded():
    mask = _mask(channels=3)
    store = {}
    mask.save_own_variables(store)
    assert store.pop("seed_state")[1] == 0
    draw(mask)
    mask.load_own_variables({**store, "0": np.array([1.0, 2.0, 3.0])})
    assert to_numpy(mask.logits).tolist() == [1, 2, 3]
    assert step_of(mask) == 1


def test_clones_draw_the_same():
    model = _model()
    clone = keras.models.clone_model(model)
    for name in ("mask_a", "mask_b"):
        a, b = model.get_layer(name), clone.get_layer(name)
        x = np.ones((1, 6, 6, a.logits.shape[0]))
        np.testing.assert_array_equal(
            to_numpy(a(x, training=True)), to_numpy(b(x, training=True))
        )
