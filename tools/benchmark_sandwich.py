"""What a step of BigNAS' sandwich rule costs, against separate networks.

    python -m tools.benchmark_sandwich --space small_big_nas --batch_size 64

A step trains the biggest network, two random ones and the smallest one. Three
things are timed in one run, in turn: that step in sliced execution, the same in
masked execution, and one step each of four plain networks with an optimizer of
their own. Of these, one is the biggest and one the smallest; the two others
have a random network's resolution and, as near as can be, its mean
multiply-adds, since a step draws others each time. Reported are medians, and
the medians of ratios turn by turn, which a change of the machine's load
disturbs least. Functions are traced before.
"""

import argparse
import json
import pathlib
import statistics
import time

import keras
import numpy as np
from keras import ops

from keras_nas import search
from keras_nas import spaces
from keras_nas.environment import environment

_DRAWS = 10_000
_CLASSES = 10
_RANDOM = 2  # N of the sandwich rule.
_RATIOS = (
    ("sliced", "separate"),
    ("masked", "separate"),
    ("masked", "sliced"),
)


def children(space, classes=_CLASSES):
    """Returns the four architectures whose networks are trained one by one.

    The second and third have the resolutions of the random children of a
    step, and the multiply-adds that random networks have on average.

    Args:
        space: A `BigNASSpace`.
        classes: Integer, the number of logits.
    """
    sizes = space.resolutions
    between = sizes[1:-1] or sizes
    step = max(1, len(between) / _RANDOM)
    middle = [
        _average(space, between[int(i * step) % len(between)], classes)
        for i in range(_RANDOM)
    ]
    return [space.biggest(), *middle, space.smallest()]


def _average(space, resolution, classes):
    rows = space.sample_indices(_DRAWS, seed=0)
    if "resolution" in space.decisions:
        place = list(space.decisions).index("resolution")
        rows[:, place] = space.resolutions.index(resolution)
    macs, _ = space.costs(rows, classes)
    nearest = int(np.abs(macs - macs.mean()).argmin())
    return space.from_indices(rows[nearest : nearest + 1])[0]


class _Subject:
    """Models that are trained one after the other, and the seconds."""

    def __init__(self, models, batches):
        self.models, self.batches, self.seconds = models, batches, []
        for model in models:
            model.compile(
                keras.optimizers.SGD(0.01, momentum=0.9),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )

    def step(self):
        start = time.perf_counter()
        for model, (x, y) in zip(self.models, self.batches, strict=True):
            model.train_on_batch(x, y)  # Waits for the loss.
        self.seconds.append(time.perf_counter() - start)


def measure(space, batch_size, steps, warmup):
    """Times the three; returns plain data.

    Args:
        space: A `BigNASSpace`.
        batch_size: Integer, images of a step.
        steps: Integer, timed steps of each.
        warmup: Integer, steps before them.
    """
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    size = space.resolutions[-1]
    x = generator.normal(size=(batch_size, size, size, 3))
    x = ops.convert_to_tensor(x, "float32")
    y = ops.convert_to_tensor(generator.integers(0, _CLASSES, batch_size))
    plain = [space.build(a, _CLASSES) for a in children(space)]
    resized = [
        ops.image.resize(x, model.input_shape[1:3], interpolation="bicubic")
        for model in plain
    ]
    subjects = {
        execution: _Subject(
            [
                search.BigNAS(
                    space.supernet(
                        _CLASSES, dropout=0.0, execution=execution, seed=0
                    ),
                    _RANDOM,
                )
            ],
            [(x, y)],
        )
        for execution in ("sliced", "masked")
    }
    subjects["separate"] = _Subject(plain, [(image, y) for image in resized])
    names = list(subjects)
    for turn in range(warmup + steps):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            subjects[name].step()
    seconds = {name: s.seconds[warmup:] for name, s in subjects.items()}
    return {
        "space": space.name,
        "batch_size": batch_size,
        "steps": steps,
        "macs": [space.cost(a, _CLASSES).macs for a in children(space)],
        "milliseconds": {
            name: 1e3 * statistics.median(values)
            for name, values in seconds.items()
        },
        "ratios": {
            f"{a} / {b}": _quartiles(seconds[a], seconds[b]) for a, b in _RATIOS
        },
    }


def _quartiles(numerators, denominators):
    """Returns the quartiles of ratios, the median in the middle."""
    pairs = zip(numerators, denominators, strict=True)
    return statistics.quantiles([a / b for a, b in pairs], n=4)


def table(results):
    """Returns the results as a markdown table."""
    lines = ["| step | median | ratio (quartiles) |", "| :-- | --: | --: |"]
    for name, value in results["milliseconds"].items():
        lines.append(f"| {name} | {value:.1f} ms | |")
    for name, (low, middle, high) in results["ratios"].items():
        lines.append(f"| {name} | | {middle:.2f} ({low:.2f}, {high:.2f}) |")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="small_big_nas")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    flags = parser.parse_args(arguments)
    if flags.steps < 2:
        parser.error("--steps must be at least 2, for quartiles")
    results = {
        "command": "python -m tools.benchmark_sandwich",
        **measure(
            spaces.find_space(flags.space),
            flags.batch_size,
            flags.steps,
            flags.warmup,
        ),
        **environment(),
    }
    print(table(results))
    if flags.json:
        flags.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
