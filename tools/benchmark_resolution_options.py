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
import warnings

import keras
import numpy as np
from keras import layers

import keras_nas
from keras_nas.report import figure as figures
from tools import option_benchmarks as shared
from tools import step_memory

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
    measured = step_memory.measure(_NAME, _sizes(flags), cells, flags.tpu)
    rows = []
    for (method, number), row in zip(cells, measured, strict=True):
        row = {"method": method, "resolutions": number, **row}
        first = next((r for r in rows if r["method"] == method), row)
        for kind, _, _ in _panels(flags):
            row[f"{kind}_ratio"] = row[kind] / (first[kind] or 1)
        rows.append(row)
    return rows


def _sizes(flags):
    names = ("smallest", "largest", "blocks", "channels", "batch_size", "steps")
    return {name: getattr(flags, name) for name in names}


def _print_cells(text):
    """Measures in this process, and prints JSON for the one that asks."""
    sizes = json.loads(text)
    # The logit of a single resolution has no gradients.
    warnings.filterwarnings("ignore", message="Gradients do not exist")
    rows = []
    for method, number in sizes["cells"]:
        keras.utils.set_random_seed(0)
        resolutions = spread_resolutions(
            number, sizes["smallest"], sizes["largest"]
        )
        model = build_supernet(
            method, resolutions, sizes["blocks"], sizes["channels"]
        )
        rows.append(
            step_memory.measure_here(model, sizes["batch_size"], sizes["steps"])
        )
    print(json.dumps(rows))


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
    step_memory.check_packages(flags.tpu)
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
