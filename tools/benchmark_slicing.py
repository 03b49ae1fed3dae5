"""Seconds that inserting masks and slicing take.

    python -m tools.benchmark_slicing --repeat 3 --json slicing.json

First for networks of `keras.applications` at full size, masks closed at
random; for some of them a limit is printed beside. Then for residual networks
of more and more blocks, whose seconds per layer stay the same if the time
grows linearly.
"""

import argparse
import datetime
import gc
import json
import pathlib
import statistics
import time

import keras
import numpy as np

import keras_nas
from keras_nas import spaces
from keras_nas.report import environment
from tools.model_checking import build_model
from tools.model_checking import close_masks

# Network -> limit of the seconds to insert and slice, if there is one.
NETWORKS = {
    "MobileNetV2": 2.0,
    "ResNet50": 4.0,
    "DenseNet121": 6.0,
    "EfficientNetB0": None,
    "InceptionV3": None,
}
BLOCKS = (50, 100, 200, 400)


def measure(model, repeat, seed=0):
    """Times `insert_masks` and `slice_model`; returns plain data.

    Args:
        model: A Keras model.
        repeat: Integer, how often.
        seed: Integer seed of the channels that are closed.
    """
    seconds = {"insert": [], "slice": []}
    for _ in range(repeat):
        gc.collect()
        start = time.perf_counter()
        masked = keras_nas.insert_masks(model, seed=seed)
        seconds["insert"].append(time.perf_counter() - start)
        close_masks(masked, np.random.default_rng(seed))
        start = time.perf_counter()
        keras_nas.slice_model(masked)
        seconds["slice"].append(time.perf_counter() - start)
    seconds["total"] = [
        a + b for a, b in zip(seconds["insert"], seconds["slice"], strict=True)
    ]
    row = {"layers": len(model.layers)}
    for part, values in seconds.items():
        row[f"{part}_min"] = min(values)
        row[f"{part}_median"] = statistics.median(values)
    return row


def _measure_network(name, repeat):
    keras.utils.set_random_seed(0)
    row = {"network": name, **measure(build_model(name), repeat)}
    row["limit"] = NETWORKS[name]
    keras.utils.clear_session()
    return row


def _measure_chain(blocks, repeat):
    keras.utils.set_random_seed(0)
    model = spaces.residual_network((16, 16, 3), 10, (8,), blocks)
    row = {"network": f"{blocks} residual blocks", **measure(model, repeat)}
    row["ms_per_layer"] = 1e3 * row["total_min"] / row["layers"]
    keras.utils.clear_session()
    return row


def _heading(last):
    parts = [f"{part:^17}" for part in ("insert", "slice", "both")]
    times = "  ".join([f"{'min':>8} {'median':>8}"] * 3)
    return (
        f"{'':<20}  {'':>6}  {'  '.join(parts)}\n"
        f"{'network':<20}  {'layers':>6}  {times}  {last}"
    )


def _line(row, last):
    times = [
        f"{row[f'{part}_min']:>8.2f} {row[f'{part}_median']:>8.2f}"
        for part in ("insert", "slice", "total")
    ]
    return (
        f"{row['network']:<20}  {row['layers']:>6}  {'  '.join(times)}  {last}"
    )


def _verdict(row):
    if row["limit"] is None:
        return "-"
    verdict = "within" if row["total_min"] <= row["limit"] else "ABOVE"
    return f"{verdict} {row['limit']:g}"


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    flags = parser.parse_args(arguments)
    if flags.repeat < 1:
        parser.error("--repeat must be at least 1")

    networks, chains = [], []
    print("Seconds, the smallest and the median of the repeats.\n")
    print(_heading("limit of both"), flush=True)
    for name in NETWORKS:
        networks.append(_measure_network(name, flags.repeat))
        print(_line(networks[-1], _verdict(networks[-1])), flush=True)
    print(f"\n{_heading('ms per layer')}", flush=True)
    for blocks in BLOCKS:
        chains.append(_measure_chain(blocks, flags.repeat))
        last = f"{chains[-1]['ms_per_layer']:.2f}"
        print(_line(chains[-1], last), flush=True)
    growth = chains[-1]["ms_per_layer"] / chains[0]["ms_per_layer"]
    print(
        f"\n{BLOCKS[-1]} blocks take {growth:.2f} times as long per layer as "
        f"{BLOCKS[0]} blocks."
    )
    facts = environment()
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    machine = facts["machine"]
    print(
        f"{datetime.date.today()}, {versions}, {machine['num_cpus']} cores of "
        f"{machine['processor']}, {machine['system']}"
    )
    if flags.json:
        results = {
            "date": datetime.date.today().isoformat(),
            "repeat": flags.repeat,
            "networks": networks,
            "chains": chains,
            "growth": growth,
            **facts,
        }
        flags.json.parent.mkdir(parents=True, exist_ok=True)
        flags.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
