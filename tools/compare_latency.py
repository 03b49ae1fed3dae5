"""Compares a latency table with the latencies of whole networks.

    python -m tools.compare_latency --space=small_mbconv --json=latency.json

measures the layers of a space's supernet by themselves, then networks that
are sampled from the space as whole files, and prints how well the sum over
layers, and multiply-adds alone, go with the measured latency.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np

import keras_nas
from keras_nas import spaces
from keras_nas.environment import environment
from keras_nas.export import benchmark_litert
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales


def compare(space, number, classes, turns):
    """Returns a row for each network: architecture, sum, MACs, latency.

    Args:
        space: A search space.
        number: Integer, the number of networks.
        classes: Integer, the number of classes.
        turns: Integer; of so many medians the smallest counts.
    """
    supernet = space.supernet(classes)
    table = keras_nas.measure_latency(supernet)
    cost = keras_nas.ExpectedLatency(1.0, table)
    flow, rows = flow_of(supernet), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(number):
            architecture = space.sample(seed)
            network = space.build(architecture, classes)
            path = pathlib.Path(folder) / f"{seed}.tflite"
            keras_nas.export_litert(network, path)
            times = [
                benchmark_litert(path, num_runs=100, method="interpreter")
                for _ in range(turns)
            ]
            scales = mask_scales(flow, architecture)
            rows.append(
                {
                    "seed": seed,
                    "table_us": cost.decided(supernet, scales),
                    "macs": keras_nas.count_cost(network).macs,
                    "measured_us": 1000 * min(t.median_ms for t in times),
                }
            )
    return rows


def agreement(rows, name):
    """Returns how well a prediction goes with the measured latency."""
    predicted = np.array([row[name] for row in rows], "float64")
    measured = np.array([row["measured_us"] for row in rows])
    ratio = measured / predicted
    return {
        "correlation": float(np.corrcoef(predicted, measured)[0, 1]),
        "mean_ratio": float(ratio.mean()),
        "spread_of_ratio": float(ratio.std() / ratio.mean()),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--space", default="small_mbconv")
    parser.add_argument("--number", type=int, default=30)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", help="File to write the rows to.")
    arguments = parser.parse_args(argv)
    space = spaces.find_space(arguments.space)
    rows = compare(space, arguments.number, arguments.classes, arguments.turns)
    results = {
        "space": arguments.space,
        "table": agreement(rows, "table_us"),
        "macs": agreement(rows, "macs"),
        "rows": rows,
        **environment(),
    }
    for name in ("table", "macs"):
        facts = results[name]
        print(
            f"{name:<6} correlation {facts['correlation']:.3f}, measured per "
            f"predicted {facts['mean_ratio']:.3g}, which varies by "
            f"{100 * facts['spread_of_ratio']:.1f}%"
        )
    if arguments.json:
        text = json.dumps(results, indent=1) + "\n"
        pathlib.Path(arguments.json).write_text(text)


if __name__ == "__main__":
    main()
