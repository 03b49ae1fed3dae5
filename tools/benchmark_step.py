"""What masks and an expected cost add to the time of a training step.

    python -m tools.benchmark_step --image_size 32 --batch_size 64

One network is trained twice in one run, step by step in turn (A B A B ...):
as it is, and with masks after every BatchNormalization and `ExpectedFLOPs`
attached. Reported are the medians, and the median over all turns of masked
over plain time, which a change of the machine's load disturbs least. The
same ratio of CPU time, summed over threads, shows a machine that was not idle.
Also counted is how often the graph was walked and `train_step` was traced:
both must not happen in a timed step.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import time

import keras
import numpy as np
from keras import layers

import keras_nas
from keras_nas.graph import flow

# (expansion, channels, number of blocks, stride of the first)
_STAGES = ((1, 16, 1, 1), (4, 24, 2, 2), (4, 40, 2, 2), (4, 56, 2, 2))


def build_network(image_size, width=1.0, classes=10):
    """Builds a small MobileNetV2-like network, 105k parameters at width 1."""

    def scaled(channels):
        return max(8, int(round(channels * width)))

    x = inputs = keras.Input((image_size, image_size, 3))
    x = _convolution(x, scaled(16), 3)
    for expansion, channels, repeats, stride in _STAGES:
        for i in range(repeats):
            x = _mbconv(x, expansion, scaled(channels), 1 if i else stride)
    x = _convolution(x, scaled(192), 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="mbconv")


def _mbconv(inputs, expansion, channels, stride):
    width = inputs.shape[-1]
    x = inputs
    if expansion > 1:
        x = _convolution(x, width * expansion, 1)
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2D(channels, 1, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Add()([inputs, x]) if x.shape == inputs.shape else x


def _convolution(x, channels, size):
    x = layers.Conv2D(channels, size, padding="same", use_bias=False)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))


class _Counter:
    """Counts the calls of a function."""

    def __init__(self, function):
        self.function = function
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.function(*args, **kwargs)


class _Subject:
    """A compiled model, its traces, and a timed step."""

    def __init__(self, model):
        self.model = model
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.train_step = self.traces = _Counter(model.train_step)
        model.compile(optimizer, loss)
        self.seconds, self.cpu_seconds = [], []

    def step(self, x, y):
        start, cpu_start = time.perf_counter(), time.process_time()
        self.model.train_on_batch(x, y)  # Waits for the loss.
        self.seconds.append(time.perf_counter() - start)
        self.cpu_seconds.append(time.process_time() - cpu_start)


def measure(build, image_size, batch_size, steps, warmup):
    """Times the steps of both models; returns plain data.

    Args:
        build: Callable that returns a classifier with logits as output.
        image_size: Height and width of its input.
        batch_size: Number of images in a step.
        steps: Number of timed steps of each model.
        warmup: Number of steps before them.
    """
    walks = flow.walk = _Counter(flow.walk)
    keras.utils.set_random_seed(0)
    plain = build()
    full = keras_nas.count_cost(plain)
    cost = keras_nas.ExpectedFLOPs(strength=1.0 / full.macs)
    walks.calls = 0
    masked = keras_nas.insert_masks(plain, seed=0, regularizer=cost)
    walks_inserting = walks.calls
    subjects = {"plain": _Subject(plain), "masked": _Subject(masked)}

    generator = np.random.default_rng(0)
    shape = (batch_size, image_size, image_size, 3)
    x = keras.ops.convert_to_tensor(generator.normal(size=shape), "float32")
    y = keras.ops.convert_to_tensor(generator.integers(0, 10, batch_size))

    def run(number):
        for turn in range(number):
            names = ("plain", "masked") if turn % 2 else ("masked", "plain")
            for name in names:
                subjects[name].step(x, y)

    run(warmup)
    traces = {name: s.traces.calls for name, s in subjects.items()}
    walks_warming = walks.calls - walks_inserting
    for subject in subjects.values():
        subject.seconds.clear()
        subject.cpu_seconds.clear()
    run(steps)

    seconds = {name: s.seconds for name, s in subjects.items()}
    low, middle, high = _ratios(seconds)
    applied = [
        call
        for call in keras_nas.graph.walk(masked).nodes
        if isinstance(call.operation, keras_nas.layers.Mask)
    ]
    return {
        "ratio": middle,
        "ratio_quartiles": [low, high],
        "cpu_ratio": _ratios(
            {name: s.cpu_seconds for name, s in subjects.items()}
        )[1],
        "plain_ms": 1e3 * statistics.median(seconds["plain"]),
        "masked_ms": 1e3 * statistics.median(seconds["masked"]),
        "plain_min_ms": 1e3 * min(seconds["plain"]),
        "masked_min_ms": 1e3 * min(seconds["masked"]),
        "network": plain.name,
        "image_size": image_size,
        "batch_size": batch_size,
        "steps": steps,
        "warmup": warmup,
        "params": plain.count_params(),
        "macs": full.macs,
        "masks": len({id(call.operation) for call in applied}),
        "mask_calls": len(applied),
        "traces": traces,
        "traces_in_timed_steps": sum(s.traces.calls for s in subjects.values())
        - sum(traces.values()),
        "walks": {
            "inserting": walks_inserting,
            "tracing": walks_warming,
            "timed_steps": walks.calls - walks_inserting - walks_warming,
        },
    }


def _ratios(seconds):
    """Returns the quartiles of masked over plain time, turn by turn."""
    pairs = zip(seconds["masked"], seconds["plain"], strict=True)
    return statistics.quantiles([m / p for m, p in pairs], n=4)


def describe_machine():
    """Returns the processor, the number of CPUs and the system."""
    processor = platform.processor() or platform.machine()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    return {
        "processor": processor,
        "num_cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def describe_versions():
    """Returns the versions of what the step time depends on."""
    backend = keras.backend.backend()
    versions = {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "keras_nas": keras_nas.__version__,
        "numpy": np.__version__,
        "backend": backend,
    }
    framework = __import__(backend)
    return {**versions, backend: framework.__version__}


def print_results(results):
    """Prints the results as a readable table."""
    size = results["image_size"]
    print(
        f"{results['network']}, {results['params']:,} parameters, "
        f"{results['macs']:,} multiply-adds\n"
        f"{size}x{size}, batch {results['batch_size']}, {results['masks']} "
        f"masks at {results['mask_calls']} places, {results['steps']} steps "
        "each, in turn"
    )
    for name in ("plain", "masked"):
        print(
            f"{name:>8}: {results[f'{name}_ms']:8.1f} ms median, "
            f"{results[f'{name}_min_ms']:8.1f} ms min, "
            f"{results['traces'][name]} trace(s)"
        )
    low, high = results["ratio_quartiles"]
    print(
        f"   ratio: {results['ratio']:.3f} (quartiles {low:.3f} {high:.3f}), "
        f"of CPU time {results['cpu_ratio']:.3f}"
    )
    walks = results["walks"]
    print(
        f"   walks of the graph: {walks['inserting']} to insert and attach, "
        f"{walks['tracing']} in tracing, {walks['timed_steps']} in "
        f"{results['steps']} timed steps"
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "--application", help="a name in keras.applications, instead"
    )
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    parser.add_argument(
        "--max_ratio", type=float, help="fail if the ratio is above this"
    )
    flags = parser.parse_args(arguments)
    if flags.steps < 2:
        parser.error("--steps must be at least 2, for quartiles")

    def build():
        size = flags.image_size
        if not flags.application:
            return build_network(size, flags.width)
        return getattr(keras.applications, flags.application)(
            input_shape=(size, size, 3),
            weights=None,
            classes=10,
            classifier_activation=None,
        )

    results = measure(
        build, flags.image_size, flags.batch_size, flags.steps, flags.warmup
    )
    results["versions"] = describe_versions()
    results["machine"] = describe_machine()
    print_results(results)
    if flags.json:
        flags.json.write_text(json.dumps(results, indent=2) + "\n")
    if results["walks"]["timed_steps"] or results["traces_in_timed_steps"]:
        raise SystemExit("The graph was walked or traced in a timed step.")
    if flags.max_ratio and results["ratio"] > flags.max_ratio:
        raise SystemExit(f"The ratio is above {flags.max_ratio}.")


if __name__ == "__main__":
    main()
