r"""Retrain: train the network of an architecture from scratch, and export it.

    python -m experiments.retrain --architecture=architecture.json \
        --output_dir=runs/retrained

trains the network of an architecture that a search has written, on the
embedded photographs, writes `.keras`, SavedModel and `.tflite` files, proves
that they compute the same, times the last one, and writes report.md. An
architecture of a search space says by its name which. For one of the masks of
a model, --model is that model; for other data and the settings of a paper:

    python -m experiments.retrain --architecture=architecture.json \
        --model=ResNet50 --preset=figs_imagenet2012 --dataset=NAME \
        --data_dir=DIR --output_dir=runs/retrained

A training that was stopped goes on after its last finished epoch when it is
started again with the same folder. Stages, each done once: `train`, `export`,
`verify`.
"""

import dataclasses
import os

import keras
from absl import flags

import keras_nas
from experiments import experiment
from experiments import exporting
from experiments import pipeline
from experiments import retraining
from experiments.decided_network import check_fits
from experiments.decided_network import find_decided
from experiments.decided_network import invalid
from experiments.retrain_presets import RETRAIN
from keras_nas import report

FLAGS = flags.FLAGS


@dataclasses.dataclass
class RetrainContext(pipeline.Context):
    """A `Context` with the network that is to be trained."""

    decided: object = None


class Retrain(experiment.Method):
    """No search: one network, trained from scratch."""

    name, module, presets = "retrain", "retrain", RETRAIN

    def open(self, folder, preset, flags):
        decided = find_decided(preset)
        if preset.image_size not in (0, decided.image_size):
            raise invalid(
                "image_size",
                f"that of the network, {decided.image_size}, or 0 for it",
                preset.image_size,
            )
        _check_same(folder, decided.architecture)
        preset = dataclasses.replace(preset, image_size=decided.image_size)
        context = pipeline.open_context(folder, preset, flags)
        network = decided.build(context)
        # What would fail in the training fails now.
        check_fits(network, context.data)
        preset.recipe()
        retraining.for_training(context, network)
        return RetrainContext(**vars(context), decided=decided)

    def run(self, context):
        folder = context.run
        stages = {
            "train": folder.stage("train", lambda: self.train(context)),
            "export": folder.stage(
                "export",
                lambda: exporting.export_stage(context, ["model"]),
                alone=True,
            ),
        }
        files = ["saved_model", "model.tflite"]
        stages["verify"] = folder.stage(
            "verify",
            lambda: exporting.verify(
                context,
                {
                    "The exported files": [
                        keras.models.load_model(
                            folder.path("model.keras"), compile=False
                        ),
                        *map(folder.path, files),
                    ]
                },
            ),
            alone=True,
        )
        if not folder.is_chief:
            folder.wait_for_results()
            return
        self.write(context, stages)

    def train(self, context):
        """Trains the network; returns the stage's facts."""
        context.run.save(context.decided.architecture, "architecture.json")
        network = context.decided.build(context)
        return pipeline.train(context, network, "model")

    def write(self, context, stages):
        """Writes report.md and, last of all, results.json."""
        trained, exported = stages["train"], stages["export"]["model"]
        decided, preset = context.decided, context.preset
        row = report.NetworkRow(
            name=decided.architecture.name,
            macs=trained["macs"],
            params=trained["params"],
            test_accuracy=trained["test_accuracy"],
            tflite_bytes=exported["tflite_bytes"],
            latency_ms=exported["latency_ms"],
        )
        path = report.write_report(
            context.run.output_dir,
            report.Report(
                title=f"{row.name}, trained from scratch on "
                f"{context.data.name}",
                rows=[row],
                command=f"python -m experiments.{self.module} "
                "--flagfile=flagfile --output_dir=DIR",
                settings={
                    "preset": FLAGS.preset,
                    "seed": context.seed,
                    "splits": context.data.splits,
                },
                decisions=decided.decisions,
                slice_report=decided.slice_report,
                verification=stages["verify"]["text"],
                notes=("One run; another seed moves the accuracy.",),
            ),
        )
        results = {
            "method": self.name,
            "space": decided.architecture.name,
            "model": preset.model or None,
            "dataset": preset.dataset,
            "seed": context.seed,
            **{
                key: trained[key]
                for key in ("macs", "params", "input_size", "test_accuracy")
            },
            "retrain_seconds": trained["seconds"],
            "litert_latency_ms": exported["latency_ms"],
            "tflite_bytes": exported["tflite_bytes"],
            "training": preset.training(),
            "verify": stages["verify"]["links"],
            **report.environment(),
        }
        context.run.write_json(context.run.path("results.json"), results)
        print(f"\n{report.comparison_table([row])}\n\n{path}", flush=True)


def _check_same(folder, architecture):
    """Raises a `ValueError` if a folder's run is of another architecture."""
    path = folder.path("architecture.json")
    if not os.path.exists(path):
        return
    if keras_nas.Architecture.load(path) != architecture:
        raise invalid(
            "architecture",
            f"the one that the run of {folder.output_dir!r} began with",
            "another one; nothing was overwritten. Choose another --output_dir",
        )


if __name__ == "__main__":
    experiment.main(Retrain())
