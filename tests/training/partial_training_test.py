"""Two models that train one network's variables in turns."""

import keras
import numpy as np

from keras_nas.training.partial_training import PartialTraining


class Part(PartialTraining, keras.Model):
    def __init__(self, network, variables):
        super().__init__()
        self.network = network
        self._own = {id(variable) for variable in variables}

    def trains(self, variable):
        return id(variable) in self._own

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)


def test_each_trains_its_part_alone():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(8)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    network = keras.Model(inputs, keras.layers.Dense(2)(x))
    first, norm, last = network.layers[1:]
    x = np.random.default_rng(0).normal(3.0, 1.0, (32, 4)).astype("float32")
    y = np.ones((32, 2), "float32")
    for own, other in ((first, last), (last, first)):
        part = Part(network, own.trainable_variables)
        part.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        before = {v.path: v.numpy() for v in network.variables}
        part.fit(x, y, epochs=2, verbose=0)
        changed = {
            v.path
            for v in network.variables
            if np.abs(v.numpy() - before[v.path]).max() > 0
        }
        statistics = {norm.moving_mean.path, norm.moving_variance.path}
        assert changed == {v.path for v in own.variables} | statistics
        assert not changed & {v.path for v in other.variables}


def test_variables_are_sorted_and_complete():
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
    kernel, bias = network.trainable_variables
    part = Part(network, [kernel])
    assert part.trainable_variables == part.trainable_weights == [kernel]
    assert any(v is bias for v in part.non_trainable_variables)
    assert any(v is bias for v in part.non_trainable_weights)
    assert {id(v) for v in part.variables} >= {id(kernel), id(bias)}
