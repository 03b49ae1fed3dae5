import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.export import as_float32
from keras_nas.export import export_litert
from keras_nas.export import verify_export


def _mixed_model():
    block = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layers.DepthwiseConv2D(3, dtype="mixed_bfloat16"),
            layers.BatchNormalization(dtype="mixed_bfloat16"),
        ],
        name="block",
    )
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, dtype="mixed_bfloat16", name="stem")(image)
    x = layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(block(x))
    return keras.Model(image, layers.Dense(3, dtype="float32")(x))


def test_mixed_precision_model_is_exported_in_float32(tmp_path):
    model = _mixed_model()
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match=r"stem \(bfloat16\).*as_float32"):
        export_litert(model, path)
    copy = as_float32(model)
    samples = np.random.default_rng(0).normal(size=(4, 8, 8, 3))
    assert verify_export(copy, export_litert(copy, path), samples).passed
    for weight, other in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    assert model.get_layer("stem").compute_dtype == "bfloat16"


def test_layer_that_keeps_its_precision_is_named():
    class Stubborn(layers.Layer):
        def __init__(self, dtype=None, **kwargs):
            super().__init__(dtype="mixed_float16", **kwargs)

        def call(self, inputs):
            return inputs

    model = keras.Sequential([keras.Input((3,)), Stubborn(name="stubborn")])
    with pytest.raises(ValueError, match=r"stubborn \(float16\)"):
        as_float32(model)
