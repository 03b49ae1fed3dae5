"""What searching while training costs, over training alone (AtomNAS, 4.3.3).

    python -m tools.benchmark_shrinking --epochs 100 --output_dir=runs/shrinking

trains the small supernet of AtomNAS, which is cut down to the target in its
first two epochs, then the network that is left, from scratch, for as many
epochs; prints what the first costs over what the second costs, in multiply-adds
and in seconds. Both are measured in one process, one after the other.
"""

import argparse
import dataclasses
import json
import pathlib

from experiments import pipeline
from experiments.atomnas import AtomNAS
from experiments.atomnas_presets import ATOMNAS
from keras_nas.environment import environment
from tools import ablation


def measure(preset, seed, folder):
    """Returns what both trainings took, a dictionary.

    Args:
        preset: An `AtomNASPreset`.
        seed: Integer.
        folder: Path of an empty folder.
    """
    context, method = ablation.context_of(preset, seed, folder), AtomNAS()
    search = method.new_search(context)
    history = method.search(context, search)
    found = search.export_model()
    trained = history.history["trained_cost"]
    decided = history.history["decided_cost"][-1]
    again = pipeline.from_scratch(context, found)
    scratch = pipeline.train(context, again, "retrained")
    return {
        "epochs": preset.search_epochs,
        "seed": seed,
        "macs": scratch["macs"],
        "macs_ratio": sum(trained) / (len(trained) * decided),
        "search_seconds": history.seconds,
        "scratch_seconds": scratch["fit_seconds"],
        "seconds_ratio": history.seconds / scratch["fit_seconds"],
        "search_test_accuracy": context.test_accuracy(found),
        "scratch_test_accuracy": scratch["test_accuracy"],
        "trained_cost": trained,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=ATOMNAS)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--json", help="file to write the results to")
    arguments = parser.parse_args()
    epochs = arguments.epochs
    preset = dataclasses.replace(
        ATOMNAS[arguments.preset],
        search_epochs=epochs,
        train_epochs=epochs,
        ramp=2 / epochs,
    )
    results = measure(preset, arguments.seed, arguments.output_dir)
    for key, value in results.items():
        if key != "trained_cost":
            print(f"{key}: {value}")
    if arguments.json:
        command = "python -m tools.benchmark_shrinking"
        results = {"command": command, **results, **environment()}
        text = json.dumps(results, indent=1) + "\n"
        pathlib.Path(arguments.json).write_text(text)


if __name__ == "__main__":
    main()
