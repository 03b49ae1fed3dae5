"""What adaptive sampling and the mixed distribution of FP-NAS are worth.

    python -m tools.ablate_fpnas --seeds 0 1 2 --output_dir=runs/ablation \
        --json=ablation.json

searches with the preset as it is (adaptive sampling, a distribution that is
factorized first and joint later), with the joint and with the factorized
distribution throughout, and with a fixed number of samples, as many as the
first step of the adaptive one draws, of the joint distribution: PARSEC. Taken
are the samples that were drawn, the seconds of the search, the entropy that is
left, and multiply-adds and test accuracy of the network that was found, trained
from scratch. A search that was interrupted goes on when the command is
repeated; its seconds are then those of the last part.
"""

import math
import statistics

from experiments import pipeline
from experiments.fpnas import FPNASExperiment
from experiments.fpnas_presets import FPNAS
from keras_nas import spaces
from tools import ablation


def variants(preset):
    """Returns what is different from a preset, by names."""
    options = spaces.find_space(preset.space).decisions.values()
    entropy = sum(math.log(len(values)) for values in options)
    first = max(1, math.floor(preset.samples_per_nat * entropy))
    return {
        "adaptive, mixed": {},
        "adaptive, joint": {"distribution": "joint"},
        "adaptive, factorized": {"distribution": "factorized"},
        "fixed, joint": {"distribution": "joint", "samples": first},
        "fixed, mixed": {"samples": first},
    }


def measure(preset, seed, folder):
    """Searches once and trains what was found; returns a dictionary.

    Args:
        preset: An `FPNASPreset`.
        seed: Integer.
        folder: Path of the folder of this search.
    """
    context, method = (
        ablation.context_of(preset, seed, folder),
        FPNASExperiment(),
    )
    search = method.new_search(context)
    history = method.search(context, search)
    architecture = search.architecture()
    network = method.network(context, architecture)
    result = pipeline.train(context, network, "found")
    return {
        "samples": sum(history.history["samples"]),
        "seconds": history.seconds,
        "entropy": history.history["entropy"][-1],
        "macs": result["macs"],
        "test_accuracy": result["test_accuracy"],
        "decisions": architecture.decisions,
        "history": history.history,
    }


def table(rows):
    """Returns measurements as a markdown table."""
    lines = [
        "| search | samples | seconds | entropy | MACs "
        "| test accuracy: mean (each seed) |",
        "| :-- | --: | --: | --: | --: | --: |",
    ]
    for name, some in ablation.by_variant(rows).items():
        mean = {
            key: statistics.mean(row[key] for row in some)
            for key in ("samples", "seconds", "entropy", "macs")
        }
        accuracies = [row["test_accuracy"] for row in some]
        lines.append(
            f"| {name} | {mean['samples']:,.0f} | {mean['seconds']:.0f} "
            f"| {mean['entropy']:.1f} | {mean['macs'] / 1e6:.3f} M "
            f"| {ablation.mean_and_each(accuracies)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    ablation.main("ablate_fpnas", __doc__, FPNAS, variants, measure, table)
