"""Training some variables: what moves, and what is counted where."""

import keras
import numpy as np
import pytest

from keras_nas.training.partial_training import PartialTraining


def layer_of(path):
    return path.split("/")[-2]


class Partly(PartialTraining, keras.Model):
    """Trains the variables of some of a model's layers."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def trains(self, variable):
        return layer_of(variable.path) in self.names

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)


def new(names, momentum=0.0):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, name="first"),
            keras.layers.BatchNormalization(momentum=momentum, name="norm"),
            keras.layers.Dense(2, name="last"),
        ]
    )
    partly = Partly(model, names)
    partly.compile(keras.optimizers.SGD(0.1), "mse")
    return partly


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(2.0, 3.0, size=(32, 3)).astype("float32")
    return x, x[:, :2]


def paths(variables):
    return sorted("/".join(v.path.split("/")[-2:]) for v in variables)


def moved(partly):
    """Returns the names of the trainable variables that a training moves."""
    before = {v.path: v.numpy() for v in partly.model.trainable_variables}
    partly.fit(*data(), epochs=1, verbose=0)
    return {
        v.path
        for v in partly.model.trainable_variables
        if np.any(v.numpy() != before[v.path])
    }


@pytest.mark.parametrize("names", [{"first"}, {"norm", "last"}, {"last"}])
def test_only_its_variables_move(names):
    partly = new(names)
    expected = {
        v.path
        for v in partly.model.trainable_variables
        if layer_of(v.path) in names
    }
    assert expected and moved(partly) == expected


def test_variables_are_trainable_or_not():
    partly = new({"last"})
    assert paths(partly.trainable_variables) == ["last/bias", "last/kernel"]
    assert paths(partly.trainable_weights) == ["last/bias", "last/kernel"]
    others = [
        "first/bias",
        "first/kernel",
        "norm/beta",
        "norm/gamma",
        "norm/moving_mean",
        "norm/moving_variance",
    ]
    assert set(others) <= set(paths(partly.non_trainable_variables))
    assert paths(partly.non_trainable_weights) == others
    assert len(partly.weights) == len(partly.model.weights)


def test_layers_keep_their_flags():
    partly = new(set())
    assert all(layer.trainable for layer in partly.model.layers)
    assert len(partly.model.trainable_variables) == 6


def test_normalization_of_what_is_not_trained_sees_the_batch():
    """Its moving mean, without momentum, is the mean of the last batch."""
    partly = new({"last"})
    x, y = data()
    partly.fit(x, y, batch_size=32, epochs=1, verbose=0)
    first, norm = partly.model.layers[:2]
    np.testing.assert_allclose(
        norm.moving_mean.numpy(), np.array(first(x)).mean(0), rtol=1e-4
    )


def test_two_views_train_a_model_in_turns():
    one = new({"first"})
    other = Partly(one.model, {"last"})
    other.compile(keras.optimizers.Adam(0.1), "mse")
    for partly, name in ((one, "first"), (other, "last"), (one, "first")):
        assert {layer_of(path) for path in moved(partly)} == {name}


def test_what_a_layer_freezes_stays_frozen():
    partly = new({"first", "last"})
    partly.model.get_layer("first").trainable = False
    assert paths(partly.trainable_variables) == ["last/bias", "last/kernel"]
