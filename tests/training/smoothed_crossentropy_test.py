"""Smoothed labels against the formula and Keras's own for one-hot labels."""

import keras
import numpy as np
import pytest

from keras_nas.training import SmoothedCrossentropy

LOGITS = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
LABELS = np.array([0, 4, 2, 2, 1, 3])


def _formula(smoothing):
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
    targets = (1 - smoothing) * np.eye(5)[LABELS] + smoothing / 5
    return -(targets * log_p).sum(-1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_it_is_the_formula_and_that_of_one_hot_labels(smoothing):
    expected = _formula(smoothing)
    ours = SmoothedCrossentropy(smoothing, from_logits=True)
    one_hot = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )
    assert float(ours(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-5)
    column = LABELS[:, None]
    assert float(ours(column, LOGITS)) == pytest.approx(expected, rel=1e-5)
    targets = np.eye(5, dtype="float32")[LABELS]
    assert float(one_hot(targets, LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_probabilities_have_the_same_loss_as_their_logits():
    probabilities = keras.ops.softmax(LOGITS)
    loss = SmoothedCrossentropy(0.1)
    expected = pytest.approx(_formula(0.1), rel=1e-5)
    assert float(loss(LABELS, probabilities)) == expected


def test_it_is_saved_and_restored():
    loss = SmoothedCrossentropy(0.3, from_logits=True, reduction="sum")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(restored, SmoothedCrossentropy)
    assert restored.get_config() == loss.get_config()
    assert float(restored(LABELS, LOGITS)) == pytest.approx(
        6 * _formula(0.3), rel=1e-5
    )


def test_a_share_out_of_range_is_refused():
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"`label_smoothing`.*\[0, 1\)"):
            SmoothedCrossentropy(share)
