import keras
import pytest
from keras import layers

from keras_nas.export import count_litert_ops
from keras_nas.export import export_litert
from keras_nas.export import litert
from tests.export.conftest import build_mbconv


class CumulativeProduct(layers.Layer):
    """Uses an operation that LiteRT has in its TensorFlow runtime only."""

    def call(self, inputs):
        return keras.ops.cumprod(inputs, axis=-1)


class InverseError(layers.Layer):
    """Uses an operation that LiteRT does not have at all."""

    def call(self, inputs):
        return keras.ops.erfinv(inputs)


def _around(layer):
    return keras.Sequential([keras.Input((4,)), layers.Dense(4), layer])


def test_file_has_batch_1_and_builtin_operations(artifacts):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(artifacts["litert"]))
    (details,) = interpreter.get_input_details()
    assert list(details["shape_signature"]) == [1, 16, 16, 3]
    ops = count_litert_ops(artifacts["litert"])
    assert ops["CONV_2D"] == 5
    assert ops["DEPTHWISE_CONV_2D"] == 1
    assert not any(name.startswith(("Flex", "CUSTOM")) for name in ops)


def test_folder_holds_nothing_but_the_file(mbconv, artifacts, tmp_path):
    path = export_litert(mbconv, tmp_path / "new" / "model.tflite")
    assert path == tmp_path / "new" / "model.tflite"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode == artifacts["keras"].stat().st_mode
    assert path.stat().st_size == artifacts["litert"].stat().st_size


@pytest.mark.parametrize(
    "layer, op", [(CumulativeProduct, "Cumprod"), (InverseError, "Erfinv")]
)
def test_operation_that_is_not_builtin_is_named(layer, op, tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match=rf"with {op}, .*stems from \S*{op}"):
        export_litert(_around(layer()), path)
    assert not list(tmp_path.iterdir())


def test_flex_operation_in_the_file_is_found(monkeypatch, tmp_path):
    def convert_with_flex(model, path, signature):
        model.export(
            path, format="litert", input_signature=signature, verbose=False
        )

    monkeypatch.setattr(litert, "_convert", convert_with_flex)
    with pytest.raises(ValueError, match="FlexCumprod"):
        export_litert(_around(CumulativeProduct()), tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


def test_existing_file_is_replaced_only_on_request(tmp_path):
    model = _around(layers.ReLU())
    path = tmp_path / "model.tflite"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_litert(model, path)
    with pytest.raises(ValueError, match="Cumprod"):
        export_litert(_around(CumulativeProduct()), path, overwrite=True)
    assert path.read_text() == "precious"
    export_litert(model, path, overwrite=True)
    assert count_litert_ops(path) == {"FULLY_CONNECTED": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_size_needs_a_signature(tmp_path):
    model = build_mbconv(image_size=None)
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match=r"shape=\(1, 224, 224, 3\)"):
        export_litert(model, path)
    spec = keras.InputSpec(dtype="float32", shape=(1, 8, 8, 3))
    export_litert(model, path, input_signature=spec)
    assert "CONV_2D" in count_litert_ops(path)


@pytest.mark.parametrize(
    "signature",
    [
        (1, 16, 16, 3),
        keras.InputSpec(dtype="float32", shape=(16, 16, 3)),
        keras.InputSpec(dtype="float32", shape=(1, 16, 16, 1)),
        keras.InputSpec(dtype="uint8", shape=(1, 16, 16, 3)),
        [keras.InputSpec(dtype="float32", shape=(1, 16, 16, 3))] * 2,
    ],
)
def test_signature_that_does_not_fit_is_refused(mbconv, signature, tmp_path):
    with pytest.raises(ValueError, match="argument `input_signature`"):
        export_litert(
            mbconv, tmp_path / "model.tflite", input_signature=signature
        )


def test_subclassed_model_needs_a_signature(tmp_path):
    class Doubled(keras.Model):
        def call(self, inputs):
            return 2 * inputs

    model = Doubled()
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match="is built"):
        export_litert(model, path)
    model(keras.ops.ones((1, 3)))
    with pytest.raises(ValueError, match="subclassed"):
        export_litert(model, path)
    spec = keras.InputSpec(dtype="float32", shape=(1, 3))
    export_litert(model, path, input_signature=spec)
    assert count_litert_ops(path) == {"MUL": 1}


def test_wrong_file_name_is_refused(mbconv, tmp_path):
    with pytest.raises(ValueError, match="ends in '.tflite'"):
        export_litert(mbconv, tmp_path / "model.bin")


def test_file_that_is_not_litert_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_text("something else")
    with pytest.raises(ValueError, match="Expected a `.tflite` file"):
        count_litert_ops(path)
