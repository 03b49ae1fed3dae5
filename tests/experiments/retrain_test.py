"""The binary that retrains as a user runs it, and what it refuses."""

import dataclasses
import functools
import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas
from experiments import flags
from experiments import pipeline
from experiments.decided_network import find_decided
from experiments.figs_presets import FIGS
from experiments.retrain import Retrain
from experiments.retrain_presets import RETRAIN
from experiments.run import Run
from keras_nas import spaces
from tests.experiments import binaries

FLAGS = flags.plain()
SPACE = spaces.find_space("smoke_mbconv")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "architecture.json"
    SPACE.smallest().save(path)
    return path


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    """Returns a network with masks, and the file of an architecture of it."""
    path = tmp_path_factory.mktemp("model") / "architecture.json"
    masked = keras_nas.insert_masks(spaces.residual_network((8, 8, 3), 10))
    cost = keras_nas.ExpectedFLOPs(target=0.3)
    keras_nas.search.WidthMultiplier(masked, cost).architecture().save(path)
    masked.get_layer("stem_bn").gamma.assign([2.0] * 16)  # As if trained.
    return masked, path


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory, file):
    folder = tmp_path_factory.mktemp("retrain") / "run"
    result = _run(file, folder)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def _run(file, folder):
    return binaries.run(
        "retrain",
        "--preset=smoke",
        f"--architecture={file}",
        f"--output_dir={folder}",
    )


def _preset(architecture, **options):
    return dataclasses.replace(
        RETRAIN["smoke"], architecture=str(architecture), **options
    )


def _data(classes=10, size=8, channels=3):
    return types.SimpleNamespace(
        name="some_data",
        num_classes=classes,
        input_shape=(size, size, channels),
    )


def _context(preset, data, run=None):
    return pipeline.Context(
        run=run,
        preset=preset,
        seed=0,
        data=data,
        strategy=tf.distribute.get_strategy(),
        load=None,
    )


def _network(preset):
    """Returns the network that a preset names, and what it was found by."""
    decided = find_decided(preset)
    return decided.build(_context(preset, _data())), decided


def test_smoke_run_leaves_every_file(output_dir, file):
    binaries.assert_complete(output_dir)
    results = json.loads((output_dir / "results.json").read_text())
    cost = SPACE.cost(SPACE.smallest(), 10)
    assert (results["macs"], results["params"]) == (cost.macs, cost.params)
    assert results["space"] == "smoke_mbconv"
    assert results["input_size"] == 6
    assert len(results["verify"]) == 2
    assert all(link["passed"] for link in results["verify"])
    assert (output_dir / "architecture.json").read_text() == file.read_text()
    model = keras.models.load_model(output_dir / "model.keras")
    assert keras_nas.count_cost(model).macs == cost.macs
    report = (output_dir / "report.md").read_text()
    assert "| stage1_channels" in report


def test_finished_run_is_left_as_it_is(output_dir, file):
    before = (output_dir / "model.tflite").stat().st_mtime_ns
    again = _run(file, output_dir)
    assert again.returncode == 0
    assert "Finished before" in again.stdout
    assert (output_dir / "model.tflite").stat().st_mtime_ns == before


def test_a_folder_of_another_architecture_is_refused(tmp_path, file):
    SPACE.biggest().save(tmp_path / "architecture.json")
    with pytest.raises(ValueError, match="--architecture.*nothing was over"):
        Retrain().open(Run(str(tmp_path), "x"), _preset(file), FLAGS)


@pytest.mark.parametrize("with_masks", [None, False, True])
def test_networks_of_masks(tmp_path, residual, with_masks):
    masked, path = residual
    name, size = "residual", 8
    if with_masks is not None:
        name, size = str(tmp_path / "net.keras"), 0
        whole = spaces.residual_network((8, 8, 3), 10)
        (masked if with_masks else whole).save(name)
    network, decided = _network(_preset(path, model=name, image_size=size))
    architecture = keras_nas.Architecture.load(path)
    expected = keras_nas.slice_model(masked, architecture)
    assert decided.image_size == 8
    assert [w.shape for w in network.weights] == [
        w.shape for w in expected.weights
    ]
    assert decided.slice_report.layers
    assert (network.get_layer("stem_bn").gamma.numpy() == 1.0).all()


def test_channels_of_atoms(tmp_path):
    path = tmp_path / "architecture.json"
    whole = spaces.mobile_network((8, 8, 3), 10, rows=((8, 2, 1),), head=16)
    whole.save(tmp_path / "net.keras")
    masked = keras_nas.insert_masks(whole, keras_nas.AtomicBlockScale)
    masks = keras_nas.graph.flow_of(masked).masks
    decisions = {mask.name: [0, 2, 3] for mask in masks}
    keras_nas.Architecture("mobile", decisions).save(path)
    network, _ = _network(_preset(path, model=str(tmp_path / "net.keras")))
    widths = [
        layer.filters
        for layer in network.layers
        if layer.name.endswith("_expand_conv")
    ]
    assert widths == [3, 3]


@pytest.mark.parametrize("plus", [False, True])
def test_channels_of_a_space_of_atoms(tmp_path, plus):
    space, path = spaces.find_space("smoke_atom_nas"), tmp_path / "a.json"
    architecture = space.sample(seed=0)
    space.to_channels(architecture).save(path)
    network, decided = _network(_preset(path, plus=plus))
    expected = space.build(architecture, 10, plus=plus)
    assert keras_nas.count_cost(network) == keras_nas.count_cost(expected)
    assert decided.decisions == architecture.decisions


def test_channels_of_a_space_of_masks(tmp_path):
    space, path = spaces.find_space("smoke_one_shot"), tmp_path / "a.json"
    architecture = space.sample(seed=0)
    expected = keras_nas.count_cost(space.build(architecture, 10))
    for given in (architecture, space.to_channels(architecture)):
        given.save(path)
        network, decided = _network(_preset(path))
        assert keras_nas.count_cost(network) == expected
        assert decided.image_size == 8
    assert decided.slice_report.layers and not decided.decisions


def _bad_files(folder, residual):
    """Yields presets that do not fit, and what is said."""
    masked, of_residual = residual
    of_space, other = folder / "space.json", folder / "other.json"
    SPACE.smallest().save(of_space)
    keras_nas.Architecture("smoke_mbconv", {"resolution": 7}).save(other)
    yield _preset(""), "--architecture.*there is none"
    yield _preset(other), "--architecture.*space 'smoke_mbconv'.*'resolution'"
    (folder / "text").write_text("no JSON")
    yield _preset(folder / "text"), "--architecture.*Expected JSON"
    yield _preset(of_residual), "--model.*'residual'.*Received: nothing"
    yield _preset(of_space, plus=True), "--plus.*a space of AtomNAS"
    in_8 = functools.partial(_preset, of_residual, image_size=8)
    yield in_8(model="residual", plus=True), "--plus.*no such flag"
    yield in_8(model="mobile"), "--model.*'residual'.*decisions without a mask"
    yield in_8(model="no_such_net"), "--model.*no_such_net"
    yield in_8(model="missing.keras"), "--model.*there is none"
    yield _preset(of_residual, model="residual"), "--image_size.*above 0"
    small = spaces.residual_network((8, 8, 3), 10, widths=(4, 8, 16))
    small.save(folder / "small.keras")
    path = str(folder / "small.keras")
    yield in_8(model=path), "--model.*the search began with"


def test_what_does_not_fit_is_refused(tmp_path, residual):
    for preset, message in _bad_files(tmp_path, residual):
        with pytest.raises(ValueError, match=f"(?s)flag {message}"):
            _network(preset)


def test_data_that_do_not_fit_are_refused(tmp_path, file, residual):
    masked, path = residual
    masked.save(tmp_path / "net.keras")
    model = str(tmp_path / "net.keras")
    cases = [
        (_preset(file, image_size=8), {}, "--image_size.*network, 6, or 0"),
        (_preset(file), {"channels": 1}, "--dataset.*3 channels.*with 1"),
        (_preset(path, model=model), {"classes": 7}, "--dataset.*with.*7"),
    ]
    for preset, change, message in cases:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                pipeline.data,
                "load",
                lambda name, image_size, change=change, **kwargs: _data(
                    size=image_size, **change
                ),
            )
            with pytest.raises(ValueError, match=f"(?s)flag {message}"):
                Retrain().open(Run(str(tmp_path), "x"), preset, FLAGS)


def test_settings_of_searches_are_no_flags():
    names = {field.name for field in dataclasses.fields(RETRAIN["small"])}
    assert not names & {"target", "search_epochs", "cost", "train_augment"}
    searched, preset = FIGS["one_shot_b"], RETRAIN["figs_imagenet2012"]
    assert preset.recipe() == searched.recipe()
    assert preset.training() == searched.training()
    assert (preset.batch_size, preset.train_epochs) == (1024, 400)
    assert RETRAIN["fpnas_imagenet2012"].augment == "rand_augment"


def _small_network():
    keras.utils.set_random_seed(0)
    images = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(3, 3, padding="same")(images)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Add(name="sum")([images, x])  # Draws go by names.
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(10)(x))


def _stream(split, epoch=0, input_context=None):
    """Returns the batches of a split, two an epoch, from an epoch on."""
    random = np.random.default_rng(0)
    images = random.normal(size=(4, 8, 6, 6, 3)).astype("float32")
    labels = random.integers(10, size=(4, 8))
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    return batches.skip(2 * epoch)


def test_a_training_goes_on_as_if_never_interrupted(tmp_path, file):
    preset = _preset(
        file,
        train_epochs=2,
        validation_freq=3,
        algorithm="rmsprop",
        ema_momentum=0.9,
        stochastic_depth=0.5,
    )
    data = _data(size=6)
    data.steps, data.stream = lambda split: 2, _stream
    data.validation = data.test = _stream("test", 1)

    def train():
        run = Run(str(tmp_path), "x")
        context = _context(preset, data, run)
        network = _small_network()
        pipeline.train(context, network, "model")
        return network.get_weights()

    unbroken = train()
    before, last = sorted((tmp_path / "checkpoints" / "model").iterdir())
    last.unlink()  # As if it had been killed in the last epoch.
    time = before.stat().st_mtime_ns
    for a, b in zip(unbroken, train(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert last.exists() and before.stat().st_mtime_ns == time
