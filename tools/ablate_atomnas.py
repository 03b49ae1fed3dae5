"""What AtomNAS's costs and its recalibration are worth (Tables 2 and 3).

    python -m tools.ablate_atomnas --seeds 0 1 2 --output_dir=runs/ablation \
        --json=ablation.json

searches with penalties by cost and with equal ones (`cost_aware`), within the
same budget, and takes the test accuracy of what each search has left, with the
running statistics of BatchNormalization and with recalibrated ones. Nothing is
retrained. A search that was interrupted goes on when the command is repeated.
"""

import dataclasses
import statistics

from experiments.atomnas import AtomNAS
from experiments.atomnas_presets import ATOMNAS
from keras_nas import count_cost
from keras_nas import recalibrate_batch_norm
from tools import ablation

VARIANTS = {"by cost": {}, "equal": {"cost_aware": False}}


def measure(preset, seed, folder):
    """Searches once; returns the cost and the accuracies, a dictionary.

    Args:
        preset: An `AtomNASPreset`.
        seed: Integer.
        folder: Path of the folder of this search.
    """
    off = dataclasses.replace(preset, recalibration_images=0)
    context = ablation.context_of(off, seed, folder)
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
    for name, some in ablation.by_variant(rows).items():
        cells = [name, f"{statistics.mean(r['macs'] for r in some):,.0f}"]
        for key in ("without_recalibration", "with_recalibration"):
            values = [row[key] for row in some]
            cells.append(ablation.mean_and_each(values))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    ablation.main("ablate_atomnas", __doc__, ATOMNAS, VARIANTS, measure, table)
