"""Compares a latency table with the latencies of whole networks.

    python -m tools.compare_latency --space=small_mbconv --json=latency.json
    python -m tools.compare_latency --model=residual --image_size=16

measures the layers of a space's supernet, or of a model, by themselves, then
networks that are sampled from the space, or random slices of the model, as
whole files, and prints how well the sum over layers, and multiply-adds alone,
go with the measured latency.
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


def sampled(space, number, classes):
    """Yields the table's sum and the network of each sampled architecture."""
    supernet = space.supernet(classes)
    cost = keras_nas.ExpectedLatency(1.0, keras_nas.measure_latency(supernet))
    flow = flow_of(supernet)
    for seed in range(number):
        architecture = space.sample(seed)
        decided = cost.decided(supernet, mask_scales(flow, architecture))
        yield decided, space.build(architecture, classes)


def sliced(model, number):
    """Yields the same for slices of a model.

    Each mask keeps 0.1, 0.3, 0.5, 0.7 or 0.9 of its channels, on average.
    """
    cost = keras_nas.ExpectedLatency(1.0, keras_nas.measure_latency(model))
    masked = keras_nas.insert_masks(model)
    rng = np.random.default_rng(0)
    for _ in range(number):
        for mask in flow_of(masked).masks:
            keep = rng.choice([0.1, 0.3, 0.5, 0.7, 0.9])
            logits = keep - rng.uniform(size=mask.logits.shape)
            logits[0] = abs(logits[0])
            mask.logits.assign(logits)
        yield cost.decided(masked), keras_nas.slice_model(masked)


def compare(networks, turns):
    """Returns a row for each network: its sum, multiply-adds and latency.

    Args:
        networks: Iterable of `(sum in microseconds, model)`.
        turns: Integer; of so many medians the smallest counts.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (decided, network) in enumerate(networks):
            path = pathlib.Path(folder) / f"{number}.tflite"
            keras_nas.export_litert(network, path)
            times = [
                benchmark_litert(path, num_runs=100, method="interpreter")
                for _ in range(turns)
            ]
            rows.append(
                {
                    "table_us": decided,
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
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--space", help="Space, as --space of dmasking.")
    what.add_argument("--model", help="Network, as --model of figs.")
    parser.add_argument(
        "--image_size", type=int, default=224, help="With --model."
    )
    parser.add_argument("--number", type=int, default=30)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", help="File to write the rows to.")
    arguments = parser.parse_args(argv)
    number, classes = arguments.number, arguments.classes
    if arguments.space:
        networks = sampled(spaces.find_space(arguments.space), number, classes)
    else:
        shape = (arguments.image_size, arguments.image_size, 3)
        model = spaces.find_network(arguments.model, shape, classes)
        networks = sliced(model, number)
    rows = compare(networks, arguments.turns)
    results = {
        "networks": arguments.space or arguments.model,
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
