"""An experiment: a method's search, and the same stages around it.

Stages, each done once: `full` trains the full network; `search` is the
method's own; `retrain` trains the network that it found; `width_multiplier`
trains a uniformly narrowed network of the same budget the same way; `export`
writes and times files; `verify` proves that they compute the same.
"""

import json
import sys

import keras
from absl import app
from absl import flags

import keras_nas
from experiments import flags as common_flags
from experiments import pipeline
from experiments.run import Run
from keras_nas import report

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # They are the binary's, so that --help lists them.


class Method:
    """What one method has of its own; a binary is a subclass and `main`.

    Attributes:
        name: String, as in tables.
        module: String, the name of the binary's module.
        presets: Dictionary from name to preset.
    """

    name = module = ""
    presets = {}

    def new_search(self, context):
        """Returns the search, not compiled yet."""
        raise NotImplementedError

    def full_network(self, context):
        """Returns the full network with its initial weights."""
        raise NotImplementedError

    def search(self, context, search):
        """Compiles and fits a search; returns its `History`."""
        raise NotImplementedError

    def networks(self, context, architecture):
        """Returns the network that was found and the one to compare it with,
        both ready to be trained the same way."""
        raise NotImplementedError

    def comparable(self, context, sliced):
        """Returns the sliced network as one of the full network's input."""
        return sliced

    def decisions(self, context):
        """Returns the decisions to list in the report, a dictionary."""
        return {}

    def notes(self, context, stages):
        """Returns what a reader of the report must know."""
        return ()


def run(method, context):
    """Runs every stage that is not finished, then writes the report."""
    folder, preset = context.run, context.preset
    stages = {}
    stages["full"] = folder.stage(
        "full",
        lambda: pipeline.train(context, method.full_network(context), "full"),
    )
    stages["search"] = folder.stage(
        "search", lambda: _search_stage(method, context)
    )
    masked = keras.models.load_model(folder.path("masked.keras"))
    architecture = keras_nas.Architecture.load(folder.path("architecture.json"))
    searched, slice_report = keras_nas.slice_model(
        masked, architecture, return_report=True
    )
    found, narrow = method.networks(context, architecture)
    for name, file, network in (
        ("retrain", "model", found),
        ("width_multiplier", "width_multiplier", narrow),
    ):
        stages[name] = folder.stage(
            name,
            lambda network=network, file=file: pipeline.train(
                context, network, file
            ),
        )
    files = ("model", "full", "width_multiplier")
    stages["export"] = folder.stage(
        "export",
        lambda: pipeline.export_stage(
            context, {name: f"{name}.tflite" for name in files}
        ),
    )
    stages["verify"] = folder.stage(
        "verify",
        lambda: pipeline.verify(
            context,
            {
                "The search's weights": [
                    masked,
                    method.comparable(context, searched),
                ],
                "The retrained weights": [
                    keras.models.load_model(
                        folder.path("model.keras"), compile=False
                    ),
                    folder.path("saved_model"),
                    folder.path("model.tflite"),
                ],
            },
        ),
    )
    budget = preset.budget().budget(masked)
    _write_report(method, context, stages, slice_report, budget)


def _search_stage(method, context):
    """Trains the network with masks; saves it and the architecture."""
    folder = context.run
    search = method.new_search(context)
    history = method.search(context, search)
    folder.save_model(search.model, "masked.keras")
    search.architecture().save(folder.path("architecture.json"))
    return {
        "history": {
            key: [float(v) for v in values]
            for key, values in history.history.items()
        },
        "inherited_test_accuracy": context.test_accuracy(search.export_model()),
    }


def _write_report(method, context, stages, slice_report, target):
    """Prints the table; writes report.md and, last of all, results.json."""
    networks = {
        "full": ("full", "full"),
        method.name: ("retrain", "model"),
        "width multiplier": ("width_multiplier", "width_multiplier"),
    }
    rows = [
        report.NetworkRow(
            name=name,
            macs=stages[stage]["macs"],
            params=stages[stage]["params"],
            test_accuracy=stages[stage]["test_accuracy"],
            tflite_bytes=stages["export"][file]["tflite_bytes"],
            latency_ms=stages["export"][file]["latency_ms"],
        )
        for name, (stage, file) in networks.items()
    ]
    path = report.write_report(
        context.run.output_dir,
        report.Report(
            title=f"{method.name}: {context.preset.space} on "
            f"{context.data.name}",
            rows=rows,
            command=f"python -m experiments.{method.module} "
            "--flagfile=flagfile --output_dir=DIR",
            settings={
                "preset": FLAGS.preset,
                "seed": context.seed,
                "splits": context.data.splits,
            },
            history=stages["search"]["history"],
            target=target / stages["full"][context.preset.cost],
            decisions=method.decisions(context),
            slice_report=slice_report,
            verification=stages["verify"]["text"],
            notes=_notes(method, context, stages),
        ),
    )
    pipeline.write_results(context, method.name, stages, target)
    print(f"\n{report.comparison_table(rows)}\n\n{path}", flush=True)


def _notes(method, context, stages):
    inherited = 100 * stages["search"]["inherited_test_accuracy"]
    return (
        "One run; another seed moves each accuracy. Compare several before "
        "you conclude anything from small differences.",
        "With the search's own weights, before any further training, the "
        f"searched network has a test accuracy of {inherited:.1f}%.",
        *method.notes(context, stages),
    )


def main(method):
    """Runs a binary: flags in, an experiment out.

    Args:
        method: A `Method`.
    """
    common_flags.define(method.presets)
    flags.adopt_module_key_flags(common_flags)
    app.run(lambda argv: _main(method, argv))


def _main(method, argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    try:
        preset = common_flags.chosen_preset(method.presets)
        folder = Run(FLAGS.output_dir, common_flags.flagfile(preset))
        if folder.is_finished():
            with open(folder.path("results.json")) as file:
                results = json.load(file)
            print(
                f"Finished before: {folder.path('report.md')} (test accuracy "
                f"{results['test_accuracy']:.3f}, {results['macs']:,} MACs)."
            )
            return
        context = pipeline.open_context(folder, preset, FLAGS)
        method.new_search(context)  # Fails now, if it must.
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    run(method, context)
