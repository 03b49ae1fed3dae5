"""How often a first step is traced."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas
from keras_nas.training.single_trace import make_variables


def plain(model):
    """Returns a model that is prepared, not a `SingleTrace`."""
    model.compile("adam", "mse", metrics=["mae"])
    make_variables(model, data())
    return model


def search_of(model):
    mask = keras_nas.FiGSMask(name="mask")
    inputs = keras.Input((6,))
    hidden = mask(keras.layers.Dense(4)(inputs))
    masked = keras.Model(inputs, model(hidden))
    search = keras_nas.search.FiGS(masked)
    search.compile("adam", "mse", metrics=["mae"])
    return search


def data():
    x = np.ones((6, 6), "float32")
    return tf.data.Dataset.from_tensor_slices((x, x[:, :2])).batch(4)


@pytest.mark.parametrize("make, features", [(plain, 6), (search_of, 4)])
def test_the_first_step_is_traced_once(make, features):
    network = keras.Sequential(
        [keras.Input((features,)), keras.layers.Dense(2)]
    )
    model, traces = make(network), []
    step = model.train_step

    def train_step(batch):
        traces.append(batch)
        return step(batch)

    model.train_step = train_step
    model.fit(data(), epochs=2, verbose=0)
    assert len(traces) == 1
    assert int(model.optimizer.iterations) == 4


def test_models_that_run_eagerly_are_left_alone():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"], run_eagerly=True)
    make_variables(model, data())
    assert not model.optimizer.built
