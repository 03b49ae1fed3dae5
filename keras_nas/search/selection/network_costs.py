"""What has to be built, or measured, to know what a network costs."""

import os
import tempfile

from keras_nas.costs import count_cost
from keras_nas.export import benchmark_litert
from keras_nas.export import export_litert

_BYTES = 4  # Of an element in float32.


def count_memory(model):
    """Returns the bytes that a model takes in float32, for one image.

    It is a count and no measurement: the parameters, and the tensors that are
    alive at the same time, at most, as `Cost.peak_activations` counts them.

    Args:
        model: A built Keras model with a fixed input size.

    Returns:
        Integer.
    """
    cost = count_cost(model)
    return _BYTES * (cost.params + cost.peak_activations)


def measure_litert_latency(model):
    """Returns how long a model takes for one image in LiteRT, on this machine.

    Args:
        model: A built Keras model with a fixed input size.

    Returns:
        Float, milliseconds on one thread, the median.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = export_litert(model, os.path.join(folder, "model.tflite"))
        return benchmark_litert(path).median_ms
