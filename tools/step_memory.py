"""Memory and time of a training step, of models one process each.

A step is forward, backward and the update of all weights by SGD with momentum,
one `tf.function` that XLA does not compile. The memory is that of a process:
the largest resident memory during the steps, less that before them, after a
step on two images, when it holds TensorFlow, the traced function and the
weights. What tracing itself takes is in neither. Only Linux tells these.
TensorFlow runs one operation at a time there, and each tensor is given back at
once, which takes time: the seconds, the median over the steps, are measured in
another process.

For TPUs, it is the memory that XLA's compiler plans for the same step under
JAX. That needs no TPU, but the packages jax and libtpu.
"""

import contextlib
import ctypes
import gc
import json
import pathlib
import statistics
import subprocess
import sys
import time

import keras
import numpy as np

from keras_nas.layers import running_child
from tools import option_benchmarks as shared
from tools import tpu_compiler

_VARIABLES = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

# Tensors come from the system, not from the free memory of the process, of
# which more or less stays resident by chance.
_MEMORY_VARIABLES = {
    **_VARIABLES,
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "TF_NUM_INTEROP_THREADS": "1",
}

_TPU_VARIABLES = {"KERAS_BACKEND": "jax", **tpu_compiler.VARIABLES}


def measure(tool, sizes, cells, tpu):
    """Measures a step for each of some cells.

    Args:
        tool: Name of the module in this folder that is run in a process of
            its own with `--cells`, the JSON of `{**sizes, "cells": cells}`,
            and prints the JSON of a list of what `measure_here` returns.
        sizes: Dictionary of plain data.
        cells: List of plain data, each of which says what to measure.
        tpu: Boolean, whether to add the plans for a TPU.

    Returns:
        List of dictionaries of plain data, in bytes and seconds.
    """
    planned = [{}] * len(cells)
    if tpu:
        planned = _run(tool, sizes, cells, _TPU_VARIABLES)
    return [
        _measure_cell(tool, sizes, cell) | plan
        for cell, plan in zip(cells, planned, strict=True)
    ]


def _measure_cell(tool, sizes, cell):
    (timed,) = _run(tool, sizes, [cell], _VARIABLES)
    (held,) = _run(tool, sizes, [cell], _MEMORY_VARIABLES)
    return timed | {key: held[key] for key in ("peak", "before")}


def _run(tool, sizes, cells, variables):
    """Measures some cells in one process; returns what each one is."""
    process = shared.run_tool(
        tool,
        ["--cells", json.dumps({**sizes, "cells": cells})],
        variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        sys.exit(f"Measuring {cells} failed.")
    return json.loads(process.stdout.splitlines()[-1])


def check_packages(tpu):
    """Exits if packages for the plans for TPUs are not installed."""
    for package in ("jax", "libtpu") if tpu else ():
        if not shared.is_installed(package):
            sys.exit(f"{package} is not installed: pip install {package}")


def measure_here(model, batch_size, steps, child=()):
    """Measures the steps of a model in this process.

    Args:
        model: A model of square images that returns logits.
        batch_size: Integer.
        steps: Integer, the number of steps.
        child: List of `(choice, index)`, the child of a supernet to run. What
            it is, the compiled step is told anew each time.

    Returns:
        Dictionary of plain data, in bytes and seconds; under JAX, the bytes
        that the compiler for TPUs plans.
    """
    is_tensorflow = keras.backend.backend() == "tensorflow"
    run = _run_with_tensorflow if is_tensorflow else _plan_for_tpu
    return run(model, batch_size, steps, child)


def _running(child, indices):
    """Runs a child whose indices are tensors; nothing if it has none."""
    if not child:
        return contextlib.nullcontext()
    choices = [choice for choice, _ in child]
    return running_child(
        [(choice, indices[i]) for i, choice in enumerate(choices)]
    )


def _indices(child):
    return np.array([index for _, index in child], "int32")


def _run_with_tensorflow(model, batch_size, steps, child):
    import tensorflow as tf

    optimizer, loss_of = shared.make_optimizer(model), shared.make_loss()

    @tf.function(reduce_retracing=True)
    def step(x, y, indices):
        with tf.GradientTape() as tape, _running(child, indices):
            loss = loss_of(y, model(x, training=True))
        variables = model.trainable_variables
        values = [variable.value for variable in variables]
        optimizer.apply(tape.gradient(loss, values), variables)
        return loss

    size = model.input_shape[1]
    x, y = shared.make_batch(batch_size, size)
    signature = (
        tf.TensorSpec((None, size, size, 3), tf.float32),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((len(child),), tf.int32),
    )
    step = step.get_concrete_function(*signature)
    indices = tf.constant(_indices(child))
    step(x[:2], y[:2], indices)
    before, seconds = _reset_peak(), []
    for _ in range(steps):
        start = time.perf_counter()
        step(x, y, indices).numpy()
        seconds.append(time.perf_counter() - start)
    return {
        "params": model.count_params(),
        "peak": _status("VmHWM") - before,
        "before": before,
        "seconds": statistics.median(seconds),
        "seconds_min": min(seconds),
    }


def _reset_peak():
    """Returns the resident bytes, from which the peak is counted anew."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(key):
    """Returns a number of this process, in bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def _plan_for_tpu(model, batch_size, steps, child):
    import jax
    from jax.experimental import topologies

    del steps
    topology = topologies.get_topology_desc(
        platform="tpu", topology_name=tpu_compiler.TOPOLOGY
    )
    sharding = jax.sharding.SingleDeviceSharding(topology.devices[0])
    optimizer = shared.make_optimizer(model)
    arguments = (
        shared.state_of(model, optimizer),
        *shared.make_batch(batch_size, model.input_shape[1]),
        _indices(child),
    )
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        arguments,
    )
    pure = shared.make_jax_step(model, optimizer)

    def step(state, x, y, indices):
        with _running(child, indices):
            return pure(state, x, y)

    compiled = jax.jit(step, donate_argnums=0).lower(*shapes).compile()
    return {"tpu_peak": compiled.memory_analysis().peak_memory_in_bytes}
