"""The BigNAS binary as a user runs it."""

import dataclasses
import functools
import json
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas
from experiments import flags as experiment_flags
from experiments.bignas import BigNAS
from experiments.bignas_presets import BIGNAS
from experiments.patches import PatchContext
from experiments.run import Run
from keras_nas import data
from keras_nas import spaces
from tests.experiments import binaries

run = functools.partial(binaries.run, "bignas")
SPACE = spaces.smoke_big_nas()


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bignas") / "run"
    result = run("--preset=smoke", f"--output_dir={folder}")
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


@pytest.fixture
def results(output_dir):
    return json.loads((output_dir / "results.json").read_text())


def test_smoke_run_leaves_every_file(output_dir):
    binaries.assert_complete(output_dir)
    for name in ("smallest", "0.5", "0.8", "biggest"):
        folder = output_dir / "family" / name
        for file in ("architecture.json", "model.keras", "model.tflite"):
            assert (folder / file).exists(), (name, file)
        assert (folder / "saved_model" / "saved_model.pb").exists()
    assert (output_dir / "pareto.png").exists()
    report = (output_dir / "report.md").read_text()
    assert "| from scratch |" in report and "| budget 0.5 |" in report


def test_every_network_is_of_the_space_and_within_its_budget(
    output_dir, results
):
    family = {child["name"]: child for child in results["family"]}
    assert list(family) == ["smallest", "0.5", "0.8", "biggest"]
    full = SPACE.cost(SPACE.biggest(), 10).macs
    assert family["smallest"]["decisions"] == SPACE.smallest().decisions
    assert family["biggest"]["decisions"] == SPACE.biggest().decisions
    for name, child in family.items():
        architecture = keras_nas.Architecture.load(
            output_dir / "family" / name / "architecture.json"
        )
        cost = SPACE.cost(architecture, 10)
        assert architecture.decisions == child["decisions"]
        assert (cost.macs, cost.params) == (child["macs"], child["params"])
        assert child["input_size"] == child["decisions"]["resolution"]
        assert 0.0 <= child["scratch_test_accuracy"] <= 1.0
        if child["budget"] is not None:
            assert child["budget"] == float(name) * full
            assert child["macs"] == child["cost"] <= child["budget"]
    accuracies = [family[name]["selection_accuracy"] for name in ("0.5", "0.8")]
    assert accuracies == sorted(accuracies)


def test_results_are_those_of_the_target_and_the_biggest(output_dir, results):
    found, full = results["family"][1], results["family"][-1]
    for key in ("macs", "params", "input_size", "test_accuracy"):
        assert results[key] == found[key]
    assert results["target"] == found["budget"]
    assert results["full_macs"] == full["macs"]
    assert results["full_test_accuracy"] == full["test_accuracy"]
    assert all(link["passed"] for link in results["verify"])
    assert len(results["verify"]) == 4 + 2 * 5
    files = [
        folder / "model.tflite"
        for folder in (output_dir, output_dir / "family" / "0.5")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_supernet_comes_back_from_its_file(output_dir):
    supernet = keras.models.load_model(output_dir / "supernet.keras")
    sliced = keras_nas.slice_model(supernet, SPACE.biggest())
    model = keras.models.load_model(
        output_dir / "family" / "biggest" / "model.keras"
    )
    for a, b in zip(
        sliced.trainable_weights, model.trainable_weights, strict=True
    ):
        assert np.array_equal(a, b)


def test_second_run_says_that_it_is_finished(output_dir):
    before = (output_dir / "model.tflite").stat().st_mtime_ns
    result = run("--preset=smoke", f"--output_dir={output_dir}")
    assert result.returncode == 0
    assert "Finished before" in result.stdout
    assert (output_dir / "model.tflite").stat().st_mtime_ns == before


def test_another_worker_does_its_share_of_the_selection(output_dir, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(output_dir, folder)
    (folder / "results.json").unlink()
    (folder / "stages" / "select.json").unlink()
    file = folder / "evaluations_0.jsonl"
    header, first, second, *others = file.read_text().splitlines()
    file.write_text("\n".join([header, first, *others]) + "\n")
    flags = ["--preset=smoke", f"--output_dir={folder}"]
    result = run(*flags, "--worker=1", "--workers=2")
    assert result.returncode == 0, result.stderr[-3000:]
    assert "the share of worker 1 is done" in result.stdout
    _, line = (folder / "evaluations_1.jsonl").read_text().splitlines()
    before, after = json.loads(second), json.loads(line)
    for key in ("decisions", "macs", "accuracy"):
        assert before[key] == after[key]
    assert not (folder / "results.json").exists()
    assert not (folder / "stages" / "select.json").exists()
    # And the first goes on, from what both have evaluated.
    result = run(*flags)
    assert result.returncode == 0, result.stderr[-3000:]
    for name in ("search", "cut", "scratch_biggest", "export", "verify"):
        assert f"{name}: done before" in result.stdout
    assert (folder / "results.json").exists()


REFUSED = [
    (["--budgets=0.01,0.5"], "flag --budgets"),
    (["--budgets=half"], "flag --budgets"),
    (["--workers=2", "--worker=2"], "--worker"),
]


def test_bad_flags_fail_before_anything_is_trained(tmp_path):
    binaries.assert_refused("bignas", tmp_path, REFUSED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "smoke_mbconv"}, "flag --space"),
        ({"space": "no_such_space"}, "no_such_space"),
        ({"cost": "joules"}, "flag --cost"),
        ({"selection": "random"}, "flag --selection"),
        ({"selection_split": "test"}, "flag --selection_split"),
        ({"selection_images": 0}, "flag --selection_images"),
        ({"recalibration_images": 0}, "flag --recalibration_images"),
        ({"budgets": ()}, "flag --budgets"),
        ({"budgets": (0.5, 0.0)}, "flag --budgets"),
        ({"budgets": (0.5, 0.5)}, "flag --budgets"),
        ({"budgets": (0.5, 1000)}, "at least 16,784 macs"),
        ({"target": 0.7}, "flag --target"),
        ({"train_resolutions": (7, 8)}, "argument `resolutions`"),
        ({"regularize": "none"}, "argument `regularize`"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    preset = dataclasses.replace(BIGNAS["smoke"], **change)
    context = types.SimpleNamespace(
        preset=preset,
        seed=0,
        data=types.SimpleNamespace(num_classes=10),
        strategy=tf.distribute.get_strategy(),
    )
    with pytest.raises(ValueError, match=message):
        BigNAS().new_search(context)


def test_images_are_resized_as_the_supernet_does(tmp_path):
    load = functools.partial(data.load, batch_size=250)
    context = PatchContext(
        Run(tmp_path, ""), BIGNAS["smoke"], 0, load(image_size=8), None, load
    )
    small = context.at(6)
    assert small.data.input_shape == (6, 6, 3)
    assert small.at(8).data.input_shape == (8, 8, 3)
    patches, labels = next(iter(context.data.test))
    images, same = next(iter(small.data.test))
    assert np.array_equal(labels, same)
    supernet = SPACE.supernet(10, input_size=8)
    keras_nas.search.BigNAS(supernet).choose(SPACE.smallest())
    network = keras_nas.slice_model(supernet, SPACE.smallest())
    np.testing.assert_allclose(network(images), supernet(patches), atol=1e-6)
    stream, _ = next(iter(small.data.stream("train")))
    assert stream.shape == (250, 6, 6, 3)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.1,0.5", (0.1, 0.5)),
        ("192,224", (192, 224)),
        ("242e6", (242e6,)),
        ("", ()),
    ],
)
def test_numbers_of_flags(text, numbers):
    read = experiment_flags._Numbers().parse(text)
    assert read == numbers
    assert list(map(type, read)) == list(map(type, numbers))


def test_a_budget_is_a_share_or_a_number():
    preset = BIGNAS["smoke"]
    assert preset.absolute(0.5, 200) == 100
    assert preset.absolute(1, 200) == 200
    assert preset.absolute(150, 200) == 150
    assert preset.recipe().weight_decay == 0.0  # It is the supernet's loss's.


def test_a_stage_of_another_process_is_waited_for(tmp_path):
    folder = Run(tmp_path, "")
    facts = folder.stage("search", lambda: {"history": [1]})
    assert folder.wait("search") == facts
