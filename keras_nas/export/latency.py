"""How long each layer of a model takes on this machine."""

import pathlib
import tempfile

import keras
from keras import tree

from keras_nas.costs import LatencyTable
from keras_nas.costs.counting import node_costs
from keras_nas.environment import environment
from keras_nas.export._checks import check_model
from keras_nas.export._checks import check_tensorflow_backend
from keras_nas.export.benchmark import benchmark_litert
from keras_nas.export.float32 import as_float32
from keras_nas.export.litert import export_litert
from keras_nas.graph import flow_of
from keras_nas.graph.reading import Whole
from keras_nas.slicing.rebuild import Rebuilder
from keras_nas.slicing.rebuild import get_config

_METHOD = "interpreter"  # The other one rounds to 10 microseconds.


def measure_latency(model, num_threads=1, num_runs=200, num_warmup_runs=20):
    """Measures each layer of a model by itself, in LiteRT on the CPU.

    Use it once for a model or supernet, save the table, and pass it to
    `keras_nas.ExpectedLatency`. Each call of a layer with multiply-adds is
    exported as a `.tflite` file of its own, in float32 and with batch 1, and
    timed; equal layers on inputs of equal shapes are timed once. Layers count
    at their full size, as if masks kept everything, and every candidate of a
    `BlockChoice` counts. That takes up to a second for each different layer.
    Nothing else should run meanwhile. Every time includes that of starting
    LiteRT once, about half a microsecond, which shows in the smallest layers.

    Args:
        model: A built Keras model with a fixed input size, with masks or
            without.
        num_threads: Integer, the number of CPU threads.
        num_runs: Integer, the number of timed runs of each layer, of which
            the median counts.
        num_warmup_runs: Integer, the number of runs before them.

    Returns:
        A `keras_nas.LatencyTable`.

    Raises:
        RuntimeError: If Keras does not run on TensorFlow.
        ValueError: If an argument is not what is described here, or LiteRT
            cannot express a layer; its name is in the message.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, name="conv"),
    ...     keras.layers.ReLU(),
    ... ])
    >>> table = keras_nas.measure_latency(model, num_runs=20)
    >>> list(table.layers), table.layers["conv"]["macs"]
    (['conv'], 15552)
    >>> table.microseconds > 0
    True
    """
    return measure_latencies([model], num_threads, num_runs, num_warmup_runs)


def measure_latencies(models, num_threads=1, num_runs=200, num_warmup_runs=20):
    """Measures the layers of several models, equal ones of all models once.

    Args:
        models: List of models as `measure_latency` takes them.
        num_threads: As for `measure_latency`.
        num_runs: As for `measure_latency`.
        num_warmup_runs: As for `measure_latency`.

    Returns:
        A `keras_nas.LatencyTable` with the layers of all models. Where several
        know a layer, the first counts.
    """
    check_tensorflow_backend("measure_latency")
    for model in models:
        check_model(model)
    settings = {
        "num_threads": num_threads,
        "num_runs": num_runs,
        "num_warmup_runs": num_warmup_runs,
        "method": _METHOD,
    }
    layers, known = {}, {}
    for model in models:
        layers = {**_layers_of(model, settings, known), **layers}
    facts = environment()
    return LatencyTable(layers, facts["machine"], facts["versions"], settings)


def _layers_of(model, settings, known):
    """Returns the entries of a model's layers.

    Args:
        model: A Keras model.
        settings: Keyword arguments of `benchmark_litert`.
        known: Dictionary from descriptions of calls to microseconds, which is
            added to.
    """
    layers, flow = {}, flow_of(model)
    with tempfile.TemporaryDirectory() as folder:
        for node, parts in node_costs(flow, Whole()):
            if not parts["macs"]:
                continue
            key = _describe(node)
            if key not in known:
                path = pathlib.Path(folder) / f"{len(known)}.tflite"
                export_litert(_alone(flow.graph, node), path)
                known[key] = 1000 * benchmark_litert(path, **settings).median_ms
            entry = layers.setdefault(
                node.name, {"macs": 0, "microseconds": 0.0}
            )
            entry["macs"] += parts["macs"]
            entry["microseconds"] += known[key]
    return layers


def _arguments(node):
    """Returns the arguments of a call that matter at inference."""
    kwargs = {
        key: value
        for key, value in node.kwargs.items()
        if key not in ("mask", "training")
    }
    return node.args, kwargs


def _describe(node):
    """Returns what the time of a call depends on, to compare calls by."""
    config = dict(get_config(node.operation))
    config.pop("name", None)
    numbers = {}

    def describe(value):
        if isinstance(value, keras.KerasTensor):
            number = numbers.setdefault(id(value), len(numbers))
            return f"{number}: {value.dtype} {value.shape[1:]}"
        return repr(value)

    arguments = tree.map_structure(describe, _arguments(node))
    return type(node.operation), repr(config), repr(arguments)


def _alone(graph, node):
    """Returns a model of one call, with a copy of its layer."""
    inputs = {}

    def replace(value):
        if not isinstance(value, keras.KerasTensor):
            return value
        if id(value) not in inputs:
            is_half = value.dtype in ("float16", "bfloat16")
            inputs[id(value)] = keras.Input(
                batch_shape=(1, *value.shape[1:]),
                dtype="float32" if is_half else value.dtype,
            )
        return inputs[id(value)]

    arguments = tree.map_structure(replace, _arguments(node))
    outputs = Rebuilder(graph).call(node.operation, arguments)
    model = keras.Model(list(inputs.values()), outputs, name=node.name)
    dtype = getattr(node.operation, "compute_dtype", None)
    return as_float32(model) if dtype in ("float16", "bfloat16") else model
