"""Distillation against its formula, with tiny teachers."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.training import make_distiller

IMAGES = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype("float32")
LABELS = np.array([0, 1, 2, 3, 0, 1])


def _network(seed, size=4, activation=None, classes=4, channels=3):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((size, size, channels)),
            layers.Flatten(),
            layers.Dense(classes, activation),
        ]
    )


def _log_softmax(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def _formula(teacher, student, temperature, weight):
    """The loss, from the logits of both."""
    t = _log_softmax(teacher / temperature)
    s = _log_softmax(student / temperature)
    divergence = (np.exp(t) * (t - s)).sum(-1).mean()
    labels = -_log_softmax(student)[np.arange(6), LABELS].mean()
    return (1 - weight) * labels + weight * temperature**2 * divergence


def _loss(distiller):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("sgd", loss, metrics=["accuracy"])
    return distiller.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_formula(temperature, weight):
    student, teacher = _network(0), _network(1)
    expected = _formula(
        np.array(teacher(IMAGES)),
        np.array(student(IMAGES)),
        temperature,
        weight,
    )
    logs = _loss(make_distiller(student, teacher, temperature, weight))
    assert logs["total_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("which", ["student", "teacher", "both"])
def test_probabilities_count_as_the_logits_that_they_come_from(which):
    """Models of the same weights, with and without a softmax at the end."""
    teach = "softmax" if which != "student" else None
    learn = "softmax" if which != "teacher" else None
    expected = _formula(
        np.array(_network(1)(IMAGES)), np.array(_network(0)(IMAGES)), 3.0, 0.4
    )
    distiller = make_distiller(
        _network(0, activation=learn), _network(1, activation=teach), 3.0, 0.4
    )
    assert _loss(distiller)["total_loss"] == pytest.approx(expected, rel=1e-3)


def test_a_teacher_of_another_size_sees_resized_images():
    student, teacher = _network(0), _network(1, size=8)
    resized = keras.ops.image.resize(IMAGES, (8, 8), interpolation="bilinear")
    expected = _formula(
        np.array(teacher(resized)), np.array(student(IMAGES)), 2.0, 0.5
    )
    logs = _loss(make_distiller(student, teacher, 2.0, 0.5))
    assert logs["total_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_only_the_student_learns_and_it_stays_a_plain_model(
    activation, tmp_path
):
    student, teacher = _network(0, activation=activation), _network(1, size=8)
    config = student.to_json()
    taught, learned = teacher.get_weights(), student.get_weights()
    distiller = make_distiller(student, teacher, 2.0, 1.0)
    before = _loss(distiller)["distillation_loss"]
    distiller.fit(IMAGES, LABELS, epochs=5, verbose=0)
    assert _loss(distiller)["distillation_loss"] < before
    for old, new in zip(taught, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert (student.get_weights()[0] != learned[0]).any()
    assert student.to_json() == config
    student.save(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(
        np.array(loaded(IMAGES)), np.array(student(IMAGES))
    )


def test_errors_are_clear():
    student = _network(0)
    for options, message in [
        ({"temperature": 0.0}, "argument `temperature`.*above 0"),
        ({"weight": 1.5}, r"argument `weight`.*\[0, 1\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            make_distiller(student, _network(1), **options)
    with pytest.raises(ValueError, match="`teacher`.*4 classes"):
        make_distiller(student, _network(1, classes=5))
    with pytest.raises(ValueError, match="`teacher`.*3 channels"):
        make_distiller(student, _network(1, channels=1))
