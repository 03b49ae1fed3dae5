"""Times a network in LiteRT with widths as decided and rounded up.

    python -m tools.benchmark_rounding --model MobileNetV2 --multiples 1 4 8 16

Masks close at random; the same decisions are sliced with each
`channel_multiple`, converted and timed in turns.
"""

import argparse
import pathlib
import statistics
import tempfile

import keras
import numpy as np

import keras_nas
from keras_nas.export import benchmark_litert
from keras_nas.graph import flow_of


def close_masks(masked, keep, seed):
    """Sets logits at random so that about a share `keep` of them is open."""
    rng = np.random.default_rng(seed)
    for mask in flow_of(masked).masks:
        uniform = rng.uniform(size=mask.logits.shape)
        mask.logits.assign(keep - uniform)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="MobileNetV2")
    parser.add_argument("--multiples", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build = getattr(keras.applications, arguments.model)
    masked = keras_nas.insert_masks(build(weights=None))
    close_masks(masked, arguments.keep, arguments.seed)
    macs, times = {}, {m: [] for m in arguments.multiples}
    with tempfile.TemporaryDirectory() as folder:
        for multiple in arguments.multiples:
            sliced = keras_nas.slice_model(masked, channel_multiple=multiple)
            macs[multiple] = keras_nas.count_cost(sliced).macs
            path = pathlib.Path(folder) / f"{multiple}.tflite"
            keras_nas.export_litert(sliced, path)
        for _ in range(arguments.turns):
            for multiple in arguments.multiples:
                path = pathlib.Path(folder) / f"{multiple}.tflite"
                result = benchmark_litert(
                    path, num_threads=1, num_runs=arguments.runs
                )
                times[multiple].append(result.median_ms)
    first = arguments.multiples[0]
    print("multiple            MACs    ratio  median ms    ratio")
    for multiple in arguments.multiples:
        ms = [statistics.median(times[m]) for m in (multiple, first)]
        print(
            f"{multiple:8} {macs[multiple]:15,} "
            f"{macs[multiple] / macs[first]:8.3f} {ms[0]:10.3f} "
            f"{ms[0] / ms[1]:8.3f}"
        )


if __name__ == "__main__":
    main()
