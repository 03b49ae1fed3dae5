"""Prints, as JSON, what a fresh process with two CPU devices draws.

Run by `processes_test.py`, since the devices of a process cannot be changed
once TensorFlow has started.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_nas import LogisticSigmoidMask
from keras_nas.training import find_strategy


def _mask(name):
    return LogisticSigmoidMask(0.0, temperature=1.0, seed=5, name=name)


def _single():
    """Draws of two steps of a mask, outside of any strategy."""
    mask = _mask("mask")
    draws = [mask(np.ones((1, 8)), training=True) for _ in range(2)]
    return [keras.ops.convert_to_numpy(d)[0].tolist() for d in draws]


def _replicated(strategy, synchronized):
    """Draws by step, place and replica of a mask that is applied twice.

    A synchronized BatchNormalization between the two places makes the
    replicas take turns in the middle of a call.
    """
    with strategy.scope():
        mask = _mask("mask")
        inputs = keras.Input((8,))
        first = mask(inputs)
        norm = keras.layers.BatchNormalization(synchronized=synchronized)
        model = keras.Model(inputs, [first, mask(inputs + 0.0 * norm(first))])

    @tf.function
    def step():
        return strategy.run(lambda: model(tf.ones((2, 8)), training=True))

    return [
        [[v.numpy()[0].tolist() for v in place.values] for place in step()]
        for _ in range(2)
    ]


def _fitted(strategy):
    """Seed states and logits by replica after stock `fit`."""
    with strategy.scope():
        mask = _mask("mask")
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8),
                mask,
                keras.layers.Dense(1),
            ]
        )
        model.compile("sgd", "mse")
    x, y = np.ones((12, 4), "float32"), np.ones((12, 1), "float32")
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    values = strategy.experimental_local_results
    return {
        "states": [
            v.numpy().tolist() for v in values(mask.seed_generator.state.value)
        ],
        "logits": [v.numpy().tolist() for v in values(mask.logits.value)],
    }


def main():
    strategy = find_strategy("mirrored", replicas=2)
    results = {
        "single": _single(),
        "replicated": _replicated(strategy, synchronized=False),
        "synchronized": _replicated(strategy, synchronized=True),
        "fitted": _fitted(strategy),
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
