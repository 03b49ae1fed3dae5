"""Memory and time of a training step, as the resolutions grow in number.

    python -m tools.benchmark_resolution_options --json rows.json --png rows.png

The claim of FBNetV2 (DMaskingNAS, Section 3.2) that a search over input
resolutions costs a constant memory, at a small size. A network of convolutions
with BatchNormalization and ReLU chooses among k resolutions, evenly spread
between the smallest and the largest, in one of three ways:

* `whole`: one `keras_nas.ResolutionSubsample` around the whole network;
* `blocks`: one around each of its convolutions and one around the classifier,
  all decided by the first;
* `naive`: the weighted sum of the whole network's outputs, without running
  anything anew in the backward pass.

A step is forward, backward and the update of all weights and logits by SGD
with momentum, one `tf.function` that XLA does not compile: on CPUs, XLA takes
out the barriers that make the backward passes wait for each other. The memory
is that of a process, one for each row of the table: the largest resident
memory after all steps, less that after a step on two images, which holds
TensorFlow, the traced function and the weights. The seconds are the median over
the steps.

With `--tpu`, the memory that XLA's compiler for TPUs plans for the same step,
in which the barriers stay, under JAX. It needs no TPU, but `pip install libtpu`
and JAX, and about a minute for each row of the table.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings

import keras
import numpy as np
from keras import layers

import keras_nas
from keras_nas.report import figure as figures
from tools import option_benchmarks as shared

RESOLUTIONS = (1, 2, 4, 8)

_NAME = "benchmark_resolution_options"
_STYLES = {
    "whole": ("the whole network wrapped", figures.BLUE, "o"),
    "blocks": ("each block wrapped", figures.DARK, "^"),
    "naive": ("naive sum", figures.ORANGE, "s"),
}
_MEMORY = ("peak", 1e-6, "peak memory, MB")
_SECONDS = ("seconds", 1.0, "time, seconds")
_TPU_MEMORY = ("tpu_peak", 1e-6, "memory planned for a TPU, MB")

# The compiler must not look for a TPU.
_TPU_VARIABLES = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}
_TPU_TOPOLOGY = "v5e:2x2"


class NaiveSum(keras_nas.ResolutionSubsample):
    """Sums vectors of all resolutions, and keeps what each needs.

    Args:
        resolutions: As in `ResolutionSubsample`.
        layer: A layer that returns vectors.
        **kwargs: As in `ResolutionSubsample`.
    """

    def call(self, inputs, training=False):
        weights = self.weights_in_call(training)
        outputs = [
            weights[index]
            * self.layer(
                keras_nas.layers.subsample(inputs, size), training=training
            )
            for index, size in enumerate(self.resolutions)
        ]
        return sum(outputs)


def spread_resolutions(number, smallest, largest):
    """Returns evenly spread sizes, the last of which is the largest."""
    if number == 1:
        return [largest]
    spread = np.linspace(smallest, largest, number)
    return [int(size) for size in np.round(spread)]


def build_supernet(method, resolutions, blocks, channels):
    """Builds a classifier that chooses its input resolution.

    Args:
        method: `"whole"`, `"blocks"` or `"naive"`.
        resolutions: List of integers.
        blocks: Integer, the number of convolutions; that in the middle has
            stride 2.
        channels: Integer, of all convolutions.
    """
    parts = [
        _block(3 if index == 0 else channels, channels, index, blocks)
        for index in range(blocks)
    ]
    parts.append(_classifier(channels))
    x = inputs = keras.Input((resolutions[-1], resolutions[-1], 3))
    if method == "blocks":
        search = None
        for index, part in enumerate(parts):
            search = keras_nas.ResolutionSubsample(
                search.output_resolutions if search else resolutions,
                part,
                decided_by=search,
                seed=0,
                name=f"search{index}",
            )
            x = search(x)
    else:
        y = whole = keras.Input((None, None, 3))
        for part in parts:
            y = part(y)
        kinds = {"whole": keras_nas.ResolutionSubsample, "naive": NaiveSum}
        network = keras.Model(whole, y, name="network")
        x = kinds[method](resolutions, network, seed=0, name="search0")(x)
    return keras.Model(inputs, x, name=f"{method}_{len(resolutions)}")


def _block(inputs, channels, index, blocks):
    stride = 2 if index == blocks // 2 else 1
    name = f"block{index}"
    parts = [
        keras.Input((None, None, inputs)),
        layers.Conv2D(
            channels,
            3,
            stride,
            padding="same",
            use_bias=False,
            name=f"{name}_conv",
        ),
        layers.BatchNormalization(name=f"{name}_norm"),
        layers.ReLU(name=f"{name}_relu"),
    ]
    return keras.Sequential(parts, name=name)


def _classifier(channels):
    parts = [
        keras.Input((None, None, channels)),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(shared.CLASSES, name="logits"),
    ]
    return keras.Sequential(parts, name="classifier")


def measure(flags):
    """Measures a step for each method and number of resolutions.

    Args:
        flags: What `_parse` returns.

    Returns:
        List of rows, plain data.
    """
    cells = [(method, k) for method in _STYLES for k in flags.resolutions]
    planned = _measure_all(flags, cells, _TPU_VARIABLES) if flags.tpu else None
    variables = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    rows = []
    for index, (method, number) in enumerate(cells):
        (row,) = _measure_all(flags, [(method, number)], variables)
        row = {"method": method, "resolutions": number, **row}
        if planned:
            row.update(planned[index])
        first = next((r for r in rows if r["method"] == method), row)
        for kind, _, _ in _panels(flags):
            row[f"{kind}_ratio"] = row[kind] / (first[kind] or 1)
        rows.append(row)
    return rows


def _measure_all(flags, cells, variables):
    """Measures some cells in one process; returns what each one is."""
    process = shared.run_tool(
        _NAME,
        ["--cells", json.dumps({**_sizes(flags), "cells": cells})],
        variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        sys.exit(f"Measuring {cells} failed.")
    return json.loads(process.stdout.splitlines()[-1])


def _sizes(flags):
    names = ("smallest", "largest", "blocks", "channels", "batch_size", "steps")
    return {name: getattr(flags, name) for name in names}


def _print_cells(text):
    """Measures in this process, and prints JSON for the one that asks."""
    sizes = json.loads(text)
    is_tensorflow = keras.backend.backend() == "tensorflow"
    run = run_with_tensorflow if is_tensorflow else plan_for_tpu
    rows = []
    for method, number in sizes["cells"]:
        keras.utils.set_random_seed(0)
        resolutions = spread_resolutions(
            number, sizes["smallest"], sizes["largest"]
        )
        model = build_supernet(
            method, resolutions, sizes["blocks"], sizes["channels"]
        )
        rows.append(run(model, sizes["batch_size"], sizes["steps"]))
    print(json.dumps(rows))


def run_with_tensorflow(model, batch_size, steps):
    """Measures the steps of a model in this process.

    Args:
        model: What `build_supernet` returns.
        batch_size: Integer.
        steps: Integer, the number of steps.

    Returns:
        Dictionary of plain data, in bytes and seconds.
    """
    import tensorflow as tf

    optimizer, loss_of = shared.make_optimizer(model), shared.make_loss()
    # The logit of a single resolution has none.
    warnings.filterwarnings("ignore", message="Gradients do not exist")

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
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
    )
    step = step.get_concrete_function(*signature)
    step(x[:2], y[:2])
    before, seconds = _largest_memory(), []
    for _ in range(steps):
        start = time.perf_counter()
        step(x, y).numpy()
        seconds.append(time.perf_counter() - start)
    return {
        "params": model.count_params(),
        "peak": _largest_memory() - before,
        "peak_of_two_images": before,
        "seconds": statistics.median(seconds),
        "seconds_min": min(seconds),
    }


def _largest_memory():
    """Returns the largest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def plan_for_tpu(model, batch_size, steps):
    """Returns the bytes that the compiler for TPUs plans for a step."""
    import jax
    from jax.experimental import topologies

    del steps
    topology = topologies.get_topology_desc(
        platform="tpu", topology_name=_TPU_TOPOLOGY
    )
    sharding = jax.sharding.SingleDeviceSharding(topology.devices[0])
    optimizer = shared.make_optimizer(model)
    arguments = (
        shared.state_of(model, optimizer),
        *shared.make_batch(batch_size, model.input_shape[1]),
    )
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        arguments,
    )
    step = jax.jit(shared.make_jax_step(model, optimizer), donate_argnums=0)
    plan = step.lower(*shapes).compile().memory_analysis()
    return {"tpu_peak": plan.peak_memory_in_bytes}


def _panels(flags):
    return [_MEMORY, _SECONDS, *([_TPU_MEMORY] if flags.tpu else [])]


def print_rows(rows, flags):
    """Prints the rows as a readable table."""
    tops, heads = f"{'':<8}  {'':>11}  {'':>9}", ""
    for title in ("memory", "time", *(["TPU's plan"] if flags.tpu else [])):
        tops += f"  {title:^17}"
        heads += f"  {'ms' if title == 'time' else 'MB':>9} {'ratio':>7}"
    print(f"{tops}\n{'method':<8}  {'resolutions':>11}  {'params':>9}{heads}")
    for row in rows:
        text = f"{row['method']:<8}  {row['resolutions']:>11}"
        text += f"  {row['params']:>9,}"
        for kind, unit, _ in _panels(flags):
            value = row[kind] * (1e3 if kind == "seconds" else unit)
            text += f"  {value:>9.1f} {row[f'{kind}_ratio']:>7.2f}"
        print(text)


def _parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "--resolutions",
        type=int,
        nargs="+",
        default=list(RESOLUTIONS),
        metavar="K",
        help="numbers of resolutions",
    )
    parser.add_argument("--smallest", type=int, default=18, help="in pixels")
    parser.add_argument("--largest", type=int, default=32, help="in pixels")
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument(
        "--tpu",
        action="store_true",
        help="add the memory that the compiler for TPUs plans",
    )
    parser.add_argument("--cells", help=argparse.SUPPRESS)
    shared.add_files(parser)
    flags = parser.parse_args(arguments)
    flags.resolutions = sorted({*flags.resolutions})
    shared.check_sizes(
        parser, flags, "smallest", "blocks", "channels", "batch_size", "steps"
    )
    room = flags.largest - flags.smallest + 1
    if flags.resolutions[0] < 1 or flags.resolutions[-1] > room:
        parser.error(
            f"--resolutions must be from 1 to {room}, as there are sizes from "
            "--smallest to --largest"
        )
    return flags


def main(arguments=None):
    flags = _parse(arguments)
    if flags.cells:
        _print_cells(flags.cells)
        return
    for package in ("jax", "libtpu") if flags.tpu else ():
        if not shared.is_installed(package):
            sys.exit(f"{package} is not installed: pip install {package}")

    rows = measure(flags)
    print_rows(rows, flags)
    facts = shared.facts()
    shared.print_facts(
        f"{flags.blocks} convolutions of {flags.channels} channels, "
        f"{flags.smallest} to {flags.largest} pixels, batch "
        f"{flags.batch_size}, {flags.steps} steps",
        facts,
    )
    if flags.json:
        shared.write_json(flags.json, flags, rows, **facts)
    if flags.png:
        shared.plot(
            rows,
            _STYLES,
            "resolutions",
            "resolutions",
            _panels(flags),
            flags.png,
        )


if __name__ == "__main__":
    main()
