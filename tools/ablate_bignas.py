"""What each part of BigNAS' training is worth (Section 4.3), in small.

    python -m tools.ablate_bignas --seeds 0 1 2 --output_dir=runs/ablation \
        --json=ablation.json

trains the supernet as it is and with one part left out at a time: plain
initialization of the last BatchNormalization of blocks, no constant ending of
the learning rate, regularization of all networks, and labels in place of
distillation. Taken are the accuracies of the smallest, a middle and the
biggest network with the supernet's weights. A training that was interrupted
goes on when the command is repeated.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics

from experiments.bignas import BigNAS
from experiments.bignas_presets import BIGNAS
from keras_nas import Architecture
from keras_nas.environment import environment
from tools.ablate_atomnas import context_of

VARIANTS = {
    "base": {},
    "plain initialization": {"zero_gamma": False},
    "without constant ending": {"constant_ending": 0.0},
    "all regularized": {"regularize": "all"},
    "without distillation": {"distillation": False},
}
NETWORKS = ("smallest", "middle", "biggest")


def networks(space):
    """Returns the architectures to evaluate, by their names."""
    middle = {
        name: options[len(options) // 2]
        for name, options in space.decisions.items()
    }
    ends = space.smallest(), Architecture(space.name, middle), space.biggest()
    return dict(zip(NETWORKS, ends, strict=True))


def measure(preset, seed, folder):
    """Trains one supernet; returns accuracies of networks, a dictionary.

    Args:
        preset: A `BigNASPreset`.
        seed: Integer.
        folder: Path of the folder of this training.
    """
    context, method = context_of(preset, seed, folder), BigNAS()
    search = method.new_search(context)
    history = method.search(context, search).history
    batches = method.recalibration_data(context)
    row = {"seed": seed, "history": history}
    for name, architecture in networks(method.space(context)).items():
        accuracies = {
            split: search.evaluate_child(architecture, batches, data)
            for split, data in (
                ("val", context.data.validation),
                ("test", context.data.test),
            )
        }
        for split, results in accuracies.items():
            row[f"{split}_{name}"] = results["accuracy"]
    return row


def table(rows):
    """Returns test accuracies as a markdown table."""
    lines = [
        f"| training | {' | '.join(NETWORKS)} |",
        "| :-- | --: | --: | --: |",
    ]
    for variant in dict.fromkeys(row["variant"] for row in rows):
        some = [row for row in rows if row["variant"] == variant]
        cells = [variant]
        for name in NETWORKS:
            values = [row[f"test_{name}"] for row in some]
            each = ", ".join(f"{100 * value:.1f}" for value in values)
            cells.append(f"{statistics.mean(values):.1%} ({each})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=BIGNAS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS
    )
    parser.add_argument(
        "--learning_rate", type=float, help="in place of the preset's"
    )
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--json", help="file to write the measurements to")
    arguments = parser.parse_args()
    preset, rows = BIGNAS[arguments.preset], []
    if arguments.learning_rate is not None:
        preset = dataclasses.replace(
            preset, learning_rate=arguments.learning_rate
        )
    for seed in arguments.seeds:
        for variant in arguments.variants:
            name = f"{seed}_{variant.replace(' ', '_')}"
            folder = pathlib.Path(arguments.output_dir, name)
            chosen = dataclasses.replace(preset, **VARIANTS[variant])
            row = {"variant": variant, **measure(chosen, seed, folder)}
            rows.append(row)
            shown = {k: v for k, v in row.items() if k != "history"}
            print(shown, flush=True)
    print(table(rows))
    if arguments.json:
        results = {
            "command": "python -m tools.ablate_bignas",
            "preset": dataclasses.asdict(preset),
            "rows": rows,
            **environment(),
        }
        text = json.dumps(results, indent=1) + "\n"
        pathlib.Path(arguments.json).write_text(text)


if __name__ == "__main__":
    main()
