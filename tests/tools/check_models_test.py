"""The check of keras.applications passes, and fails where it must."""

import csv

import keras
import pytest

import keras_nas
from keras_nas import spaces
from tests.common import mask
from tools import check_models
from tools.model_checking import build_model
from tools.model_checking import check_model
from tools.model_checking import find_foreign_layers
from tools.model_checking import find_wrong_costs


@pytest.fixture
def float64():
    """Makes rounding so small that the last stages at 1x1 stay exact."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def test_sliced_model_passes(float64):
    keras.utils.set_random_seed(0)
    size = (32, 32, 3)
    tiny = build_model("MobileNetV2", input_shape=size, alpha=0.35, classes=10)
    row = check_model(tiny, "tiny")
    assert row["result"] == "pass"
    assert row["difference"] <= 1e-10
    assert row["expected_equals_counted"] == "yes"
    assert row["masks"] == 35
    assert 0 < row["macs_after"] < row["macs_before"]
    assert 0 < row["params_after"] < row["params_before"]
    assert row["litert_difference"] is None


def test_perturbed_weights_fail():
    def slicer(masked):
        sliced = keras_nas.slice_model(masked)
        kernel = sliced.get_layer("stem_conv").kernel
        kernel.assign(1.01 * kernel)
        return sliced

    tiny = spaces.residual_network((16, 16, 3), 10, widths=(8, 16))
    row = check_model(tiny, "tiny", slicer=slicer)
    start = "FAIL: the sliced model computes something else"
    assert row["result"].startswith(start)
    assert row["difference"] > 1e-5
    assert row["expected_equals_counted"] == "yes"
    assert check_model(tiny, "tiny")["result"] == "pass"


def test_wrong_costs_and_foreign_layers_are_found():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, name="conv"),
            mask("mask"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    chosen = [keras_nas.Architecture("", {"mask": k}) for k in ([0], [0, 1])]
    model.get_layer("mask").logits.assign([100.0, -100.0, -100.0, -100.0])
    right, wrong = (keras_nas.slice_model(model, c) for c in chosen)
    assert find_wrong_costs(model, right) == []
    right.get_layer("dense").trainable = False
    sentence = "params by shapes 28 but counted 32"
    assert find_wrong_costs(model, right) == [sentence]
    assert len(find_wrong_costs(model, wrong)) > 2
    assert "ExpectedFLOPs 974.0 but counted 1,948" in find_wrong_costs(
        model, wrong
    )
    assert find_foreign_layers(wrong) == []
    foreign = ["layer 'mask' is a LogisticSigmoidMask"]
    assert find_foreign_layers(model) == foreign


@pytest.fixture
def stubs(monkeypatch):
    """Makes VGG19 a network that cannot be built, and all others pass."""

    def check(model, name, seed, litert):
        if name == "VGG19":
            raise ValueError("no such luck\nat all")
        row = dict.fromkeys(check_models.COLUMNS, 1)
        return {**row, "model": name, "result": "pass"}

    monkeypatch.setattr(check_models, "build_model", lambda name: None)
    monkeypatch.setattr(check_models, "check_model", check)


def test_failing_model_leaves_the_others(stubs, tmp_path, capsys):
    path = tmp_path / "made" / "rows.csv"
    with pytest.raises(SystemExit, match="Failed: VGG19$"):
        check_models.main(["VGG19", "VGG16", "--csv", str(path)])
    assert "1 of 2 models pass" in capsys.readouterr().out
    with path.open(newline="") as file:
        failed, passed = csv.DictReader(file)
    assert failed["result"] == "FAIL: ValueError: no such luck"
    assert (passed["model"], passed["result"]) == ("VGG16", "pass")
    assert passed["keras"] == keras.__version__


def test_passing_models_exit_without_error(stubs):
    check_models.main(["VGG16"])


def test_unknown_names_are_told(capsys):
    for arguments in (["VGG17"], ["VGG16", "--litert", "VGG17"]):
        with pytest.raises(SystemExit):
            check_models.main(arguments)
        message = capsys.readouterr().err
        assert "unknown model 'VGG17'; one of ConvNeXtBase, " in message


def test_litert_models_must_be_checked(capsys):
    with pytest.raises(SystemExit):
        check_models.main(["VGG16", "--litert", "ResNet50"])
    assert "not among the models" in capsys.readouterr().err


def test_default_models_exist():
    assert {*check_models.SMALLEST} <= {*check_models.find_models()}
    assert {*check_models.CONVERTED} <= {*check_models.SMALLEST}
