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

from experiments.bignas import BigNAS
from experiments.bignas_presets import BIGNAS
from keras_nas import Architecture
from tools import ablation

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
    context, method = ablation.context_of(preset, seed, folder), BigNAS()
    search = method.new_search(context)
    history = method.search(context, search).history
    batches = method.recalibration_data(context)
    row = {"history": history}
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
    for variant, some in ablation.by_variant(rows).items():
        cells = [variant]
        for name in NETWORKS:
            values = [row[f"test_{name}"] for row in some]
            cells.append(ablation.mean_and_each(values))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    ablation.main("ablate_bignas", __doc__, BIGNAS, VARIANTS, measure, table)
