"""What AtomNAS's costs and its recalibration are worth (Tables 2 and 3).

    python -m tools.ablate_atomnas --seeds 0 1 2 --output_dir=runs/ablation \
        --json=ablation.json

searches with penalties by cost and with equal ones (`cost_aware`), within the
same budget, and takes the test accuracy of what each search has left, with the
running statistics of BatchNormalization and with recalibrated ones. Nothing is
retrained. A search that was interrupted goes on when the command is repeated.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import types

from experiments import pipeline
from experiments.atomnas import AtomNAS
from experiments.atomnas_presets import ATOMNAS
from experiments.run import Run
from keras_nas import count_cost
from keras_nas import recalibrate_batch_norm
from keras_nas.environment import environment


def context_of(preset, seed, folder):
    """Returns the `Context` of a preset without flags."""
    options = types.SimpleNamespace(
        data_dir=None, download=False, seed=seed, strategy="default"
    )
    run = Run(folder, f"{seed} {preset}\n")
    return pipeline.open_context(run, preset, options)


def measure(preset, seed, folder):
    """Searches once; returns the cost and the accuracies, a dictionary.

    Args:
        preset: An `AtomNASPreset`.
        seed: Integer.
        folder: Path of the folder of this search.
    """
    off = dataclasses.replace(preset, recalibration_images=0)
    context = context_of(off, seed, folder)
    method = AtomNAS()
    search = method.new_search(context)
    method.search(context, search)
    network = search.export_model()
    before = context.test_accuracy(network)
    context = dataclasses.replace(context, preset=preset)
    steps = method.recalibration_steps(context)
    data = method.recalibration_data(context).take(steps)
    recalibrate_batch_norm(network, data, steps)
    return {
        "seed": seed,
        "cost_aware": preset.cost_aware,
        "macs": count_cost(network).macs,
        "without_recalibration": before,
        "with_recalibration": context.test_accuracy(network),
    }


def table(rows):
    """Returns measurements as a markdown table."""
    lines = [
        "| penalty | MACs | without recalibration | with recalibration |",
        "| :-- | --: | --: | --: |",
    ]
    for cost_aware, name in ((True, "by cost"), (False, "equal")):
        some = [row for row in rows if row["cost_aware"] is cost_aware]
        cells = [name, f"{statistics.mean(r['macs'] for r in some):,.0f}"]
        for key in ("without_recalibration", "with_recalibration"):
            values = [row[key] for row in some]
            each = ", ".join(f"{100 * value:.1f}" for value in values)
            cells.append(f"{statistics.mean(values):.1%} ({each})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=ATOMNAS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--json", help="file to write the measurements to")
    arguments = parser.parse_args()
    preset, rows = ATOMNAS[arguments.preset], []
    for seed in arguments.seeds:
        for cost_aware in (True, False):
            folder = pathlib.Path(arguments.output_dir, f"{seed}_{cost_aware}")
            chosen = dataclasses.replace(preset, cost_aware=cost_aware)
            rows.append(measure(chosen, seed, folder))
            print(rows[-1], flush=True)
    print(table(rows))
    if arguments.json:
        results = {
            "command": "python -m tools.ablate_atomnas",
            "preset": dataclasses.asdict(preset),
            "rows": rows,
            **environment(),
        }
        text = json.dumps(results, indent=1) + "\n"
        pathlib.Path(arguments.json).write_text(text)


if __name__ == "__main__":
    main()
