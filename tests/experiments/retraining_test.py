"""What trainings do besides the optimizer, and that files stay plain."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from experiments import flags
from experiments import pipeline
from experiments.atomnas_presets import ATOMNAS
from experiments.bignas_presets import BIGNAS
from experiments.dmasking_presets import DMASKING
from experiments.figs_presets import FIGS
from experiments.fpnas_presets import FPNAS
from experiments.morphnet_presets import MORPHNET
from experiments.retrain_presets import RETRAIN
from experiments.run import Run
from keras_nas import data
from keras_nas.training import SmoothedCrossentropy

PRESET = dataclasses.replace(
    FIGS["smoke"], algorithm="rmsprop", warmup_epochs=0.5, ema_momentum=0.9
)
OPTIONS = {
    "label_smoothing": 0.1,
    "stochastic_depth": 0.5,
    "train_augment": "rand_augment",
    "train_batch_size": 50,
    "distillation_temperature": 2.0,
}


def _network(classes=10):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 3, padding="same")(inputs)
    x = keras.layers.Add()([inputs, x])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def _context(folder, **options):
    preset = dataclasses.replace(PRESET, **options)
    run = Run(str(folder), "x")
    return pipeline.open_context(run, preset, flags.plain())


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    _network().save(path)
    return str(path)


@pytest.mark.parametrize("with_options", [False, True])
def test_the_file_of_a_training_is_the_plain_network(
    tmp_path, teacher, with_options
):
    options = {**OPTIONS, "teacher": teacher} if with_options else {}
    context, network = _context(tmp_path, **options), _network()
    before, config = network.get_weights(), network.get_config()
    facts = pipeline.train(context, network, "net")
    assert network.get_config() == config
    assert any(
        (a != b).any()
        for a, b in zip(before, network.get_weights(), strict=True)
    )
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert [type(x) for x in loaded.layers] == [type(x) for x in network.layers]
    # Nothing of keras_nas: neither the loss, nor the schedule of the optimizer.
    assert "keras_nas" not in json.dumps(loaded.get_compile_config())
    test = context.data.test
    accuracy = np.mean(
        np.concatenate(
            [np.argmax(loaded.predict_on_batch(x), -1) == y for x, y in test]
        )
    )
    assert facts["test_accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_labels_are_smoothed_for_trainings_alone(tmp_path):
    context = _context(tmp_path, label_smoothing=0.1)
    network = _network()
    assert type(context.loss(network)) is (
        keras.losses.SparseCategoricalCrossentropy
    )
    assert type(context.loss(network, 0.1)) is SmoothedCrossentropy


def test_results_say_what_was_done():
    plain = PRESET.training()
    assert plain["teacher"] is None and "distillation_weight" not in plain
    assert plain["augment"] == PRESET.augment
    training = dataclasses.replace(
        PRESET, **OPTIONS, teacher="t.keras"
    ).training()
    assert training == {
        "augment": "rand_augment",
        "crop": "resize",
        "batch_size": 50,
        "ema_momentum": 0.9,
        "label_smoothing": 0.1,
        "stochastic_depth": 0.5,
        "teacher": "t.keras",
        "distillation_temperature": 2.0,
        "distillation_weight": 0.5,
    }


@pytest.mark.parametrize(
    "name, value",
    [
        ("label_smoothing", 1.0),
        ("stochastic_depth", -0.1),
        ("distillation_weight", 1.1),
        ("distillation_temperature", 0.0),
        ("train_augment", "cutmix"),
        ("crop", "centre"),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"flag --{name}"):
        dataclasses.replace(PRESET, **{name: value})


def test_presets_of_papers_have_the_crops_and_colours_of_the_papers():
    for presets in (FIGS, MORPHNET, DMASKING, ATOMNAS, FPNAS, BIGNAS, RETRAIN):
        for name, preset in presets.items():
            paper = preset.dataset.startswith("imagenet")
            assert preset.crop == ("inception" if paper else "resize"), name
            data.check_augmentation(preset.augment, preset.crop)
            data.check_augmentation(preset.training_augment(), preset.crop)
    assert FIGS["imagenet2012"].augment == "flip_color"
    assert FIGS["fbnet_b"].augment == FIGS["one_shot_c"].augment == "flip_color"
    assert RETRAIN["figs_imagenet2012"].augment == "flip_color"
    assert ATOMNAS["imagenet2012"].augment == "flip"


def test_an_augmentation_that_does_not_fit_the_crop_is_refused_at_the_start(
    tmp_path,
):
    with pytest.raises(ValueError, match="`augment`.*crop='inception'"):
        _context(tmp_path, crop="inception", train_augment="flip_crop")


def test_a_teacher_that_cannot_teach_is_refused_at_the_start(tmp_path):
    with pytest.raises(ValueError, match="--teacher.*there is none"):
        _context(tmp_path, teacher=str(tmp_path / "missing.keras"))
    path = tmp_path / "other.keras"
    _network(classes=7).save(path)
    with pytest.raises(ValueError, match="`teacher`.*10 classes"):
        _context(tmp_path, teacher=str(path))
