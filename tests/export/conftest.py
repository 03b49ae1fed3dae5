"""One small network and its exports, shared by the tests of this folder."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.export import export_litert
from keras_nas.export import export_saved_model


def build_mbconv(seed=0, image_size=16):
    """Builds an inverted residual with squeeze-excite and lively weights."""
    image = keras.Input((image_size, image_size, 3), name="image")
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(image)
    x = shortcut = layers.BatchNormalization()(x)
    x = layers.Conv2D(24, 1, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(6, 1, activation="relu")(gate)
    gate = layers.Conv2D(24, 1, activation="hard_sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = layers.Conv2D(8, 1, use_bias=False)(x)
    x = layers.Add()([shortcut, layers.BatchNormalization()(x)])
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, layers.Dense(5)(x), name="mbconv")
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        values = generator.uniform(0.2, 0.6, weight.shape)
        if "kernel" in weight.path:
            values = generator.normal(0.0, 0.4, weight.shape)
        weight.assign(values)
    return model


@pytest.fixture(scope="session")
def mbconv():
    return build_mbconv()


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(1).uniform(-1, 1, (10, 16, 16, 3))


@pytest.fixture(scope="session")
def artifacts(mbconv, tmp_path_factory):
    """Paths of the `.keras` file, the SavedModel and the `.tflite` file."""
    folder = tmp_path_factory.mktemp("artifacts")
    mbconv.save(folder / "model.keras")
    return {
        "keras": folder / "model.keras",
        "saved_model": export_saved_model(mbconv, folder / "saved_model"),
        "litert": export_litert(mbconv, folder / "model.tflite"),
    }
