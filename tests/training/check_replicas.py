"""Prints, as JSON, recalibrated statistics of each of two CPU devices.

Run by `batch_norm_test.py`, since the devices of a process cannot be changed
once TensorFlow has started.
"""

import contextlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_nas import recalibrate_batch_norm


def _recalibrated(strategy, synchronized, inside):
    """Statistics by replica of the numbers from 0 to 11 in two batches."""
    with strategy.scope():
        norm = keras.layers.BatchNormalization(
            momentum=0.9, synchronized=synchronized
        )
        model = keras.Sequential([keras.Input((1,)), norm])
        model.compile("sgd", "mse")
    x = np.arange(12, dtype="float32")[:, None]
    model.fit(x, x, batch_size=6, verbose=0)
    with strategy.scope() if inside else contextlib.nullcontext():
        count = recalibrate_batch_norm(model, [x[:8], x[8:]], 2)
    values = strategy.experimental_local_results
    return {
        "count": count,
        "momentum": norm.momentum,
        "mean": [v.numpy().item() for v in values(norm.moving_mean.value)],
        "variance": [
            v.numpy().item() for v in values(norm.moving_variance.value)
        ],
    }


def main():
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    results = [
        _recalibrated(strategy, synchronized, inside)
        for synchronized in (False, True)
        for inside in (False, True)
    ]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
