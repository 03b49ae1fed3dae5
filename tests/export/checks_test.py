import keras
import pytest
from keras import layers

from keras_nas.export import export_litert
from keras_nas.export import export_saved_model
from keras_nas.export import verify_export

_EXPORTS = [export_litert, export_saved_model]


def _fake_class(module):
    return type("Functional", (), {"__module__": module})()


@pytest.mark.parametrize("export", _EXPORTS)
@pytest.mark.parametrize(
    "model, remedy",
    [
        (_fake_class("tf_keras.src.engine.functional"), "set_weights"),
        (_fake_class("torch.nn.modules.module"), "PyTorch"),
        (None, "type builtins.NoneType"),
    ],
)
def test_other_objects_are_refused(export, model, remedy, tmp_path):
    with pytest.raises(ValueError, match=f"Keras 3 `keras.Model`.*{remedy}"):
        export(model, tmp_path / "model.tflite")


def test_verify_refuses_other_objects():
    with pytest.raises(ValueError, match="Keras 3 `keras.Model`"):
        verify_export(_fake_class("tf_keras.src.engine.training"), "x", [[0]])


@pytest.mark.parametrize("export", _EXPORTS)
def test_model_without_weights_is_refused(export, tmp_path):
    with pytest.raises(ValueError, match="has no weights yet"):
        export(keras.Sequential([layers.Dense(2)]), tmp_path / "x.tflite")


@pytest.mark.parametrize("export", _EXPORTS)
def test_nested_outputs_are_refused(export, tmp_path):
    image = keras.Input((4,))
    model = keras.Model(image, {"heads": [layers.Dense(1)(image)]})
    with pytest.raises(ValueError, match="outputs that are one tensor"):
        export(model, tmp_path / "x.tflite")


def test_other_backends_are_refused(mbconv, monkeypatch, tmp_path):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        export_litert(mbconv, tmp_path / "model.tflite")
