"""An experiment: a method's search, and the same stages around it.

Stages, each done once: `full` trains the full network; `search` is the
method's own; `retrain` trains the network that it found from scratch;
`width_multiplier` trains a uniformly narrowed network of the same budget the
same way; `export` writes and times files; `verify` proves that they compute
the same. Where a search trains its network to the end, that is the result, and
the retrained one stands beside it.
"""

import sys

import keras
from absl import app
from absl import flags

import keras_nas
from experiments import exporting
from experiments import fitting
from experiments import flags as common_flags
from experiments import pipeline
from experiments.run import Run
from keras_nas import report
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales
from keras_nas.training import is_chief

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # They are the binary's, so that --help lists them.


class Method:
    """What one method has of its own; a binary is a subclass and `main`.

    Attributes:
        name: String, as in tables.
        module: String, the name of the binary's module.
        presets: Dictionary from name to preset.
        trains_to_the_end: Boolean, whether what the search has found needs no
            training of its own.
    """

    name = module = ""
    presets = {}
    trains_to_the_end = False

    def open(self, folder, preset, flags):
        """Returns the `Context` of a run, if all fits together.

        Args:
            folder: The `Run`.
            preset: The preset, with the overrides given by flags.
            flags: Has the values of the other flags as attributes.

        Raises:
            ValueError: If it does not.
        """
        context = pipeline.open_context(folder, preset, flags)
        self.new_search(context)  # Fails now, if it must.
        return context

    def run(self, context):
        """Runs every stage that is not finished, then writes the report."""
        run(self, context)

    def search_stage(self, context):
        """Searches; saves masked.keras and architecture.json.

        Returns:
            The facts of the stage: `fit_seconds`, the `history` of the epochs,
            and what `pipeline.facts` says of the network that was found, with
            the search's weights.
        """
        search = self.new_search(context)
        history = self.search(context, search)
        context.run.save(search.model, "masked.keras")
        context.run.save(search.architecture(), "architecture.json")
        found = search.export_model()
        if self.trains_to_the_end:
            context.run.save(found, "model.keras")
        return {
            "history": fitting.plain_history(history),
            "fit_seconds": history.seconds,
            **pipeline.facts(context, found),
        }

    def new_search(self, context):
        """Returns the search, not compiled yet."""
        raise NotImplementedError

    def full_network(self, context):
        """Returns the full network with its initial weights."""
        raise NotImplementedError

    def compile(self, context, search):
        """Compiles a search with what the preset trains it by."""
        raise NotImplementedError

    def search(self, context, search):
        """Compiles and fits a search; returns its `History`."""
        raise NotImplementedError

    def search_macs(self, context, stage):
        """Returns the multiply-adds of the forward passes that the search
        trained with, over all images, an integer.

        Args:
            context: The `Context`.
            stage: The facts of `search_stage`.
        """
        images = context.images("search") * context.preset.search_epochs
        return self.supernet_macs(context) * images

    def supernet_macs(self, context):
        """Returns the multiply-adds of all that masked.keras computes."""
        path = context.run.path("masked.keras")
        return keras_nas.count_cost(keras.models.load_model(path)).macs

    def network(self, context, architecture):
        """Returns the network of an architecture, ready to be trained."""
        raise NotImplementedError

    def narrowed(self, context, architecture=None):
        """Returns the network to compare with: the full one, narrowed to the
        budget, ready to be trained the same way.

        Args:
            context: The `Context`.
            architecture: What was found, where the budget is what that costs.
        """
        raise NotImplementedError

    def whole(self, context, masked):
        """Returns the model that architectures are of.

        Args:
            context: The `Context`.
            masked: The model that the search has left.
        """
        return masked

    def sliced(self, context, masked, architecture):
        """Returns the network that a search has found, with its weights, and
        the `SliceReport`."""
        return keras_nas.slice_model(masked, architecture, return_report=True)

    def atoms(self, context, architecture):
        """Returns the `AtomBlock`s to show in the report."""
        return ()

    def comparable(self, context, sliced):
        """Returns the sliced network as one of the full network's input."""
        return sliced

    def decisions(self, context):
        """Returns the decisions to list in the report, a dictionary."""
        return {}

    def results(self, context, stages):
        """Returns further entries of `results.json`, a dictionary."""
        return {}

    def notes(self, context, stages):
        """Returns what a reader of the report must know."""
        return ()


def run(method, context):
    """Runs every stage that is not finished, then writes the report."""
    folder, stages = context.run, {}
    stages["full"] = folder.stage(
        "full",
        lambda: pipeline.train(context, method.full_network(context), "full"),
    )
    stages["search"] = folder.stage(
        "search", lambda: method.search_stage(context)
    )
    masked = keras.models.load_model(folder.path("masked.keras"))
    architecture = keras_nas.Architecture.load(folder.path("architecture.json"))
    searched, slice_report = method.sliced(context, masked, architecture)
    retrained = "retrained" if method.trains_to_the_end else "model"
    for name, file, network in (
        ("retrain", retrained, method.network),
        ("width_multiplier", "width_multiplier", method.narrowed),
    ):
        stages[name] = folder.stage(
            name,
            lambda network=network, file=file: pipeline.train(
                context, network(context, architecture), file
            ),
        )
    files = dict.fromkeys(["model", "full", retrained, "width_multiplier"])
    stages["export"] = folder.stage(
        "export",
        lambda: exporting.export_stage(context, files),
        alone=True,
    )
    stages["verify"] = folder.stage(
        "verify",
        lambda: exporting.verify(
            context,
            {
                "The search's weights": [
                    masked,
                    method.comparable(context, searched),
                ],
                "The exported files": [
                    keras.models.load_model(
                        folder.path("model.keras"), compile=False
                    ),
                    folder.path("saved_model"),
                    folder.path("model.tflite"),
                ],
            },
        ),
        alone=True,
    )
    if not folder.is_chief:
        folder.wait_for_results()
        return
    whole = method.whole(context, masked)
    costs = _costs(context.preset.budget(), whole, architecture)
    atoms = method.atoms(context, architecture)
    _write_report(method, context, stages, slice_report, atoms, costs)


def _costs(cost, whole, architecture):
    """Returns what is budgeted of the networks: target, full and decided."""
    flow = flow_of(whole)
    decided = cost.decided(whole, mask_scales(flow, architecture))
    has_target = cost.target is not None
    return {
        "target": cost.budget(whole) if has_target else decided,
        "full": cost.full(whole),
        "decided": decided,
    }


def _write_report(method, context, stages, slice_report, atoms, costs):
    """Prints the table; writes report.md and, last of all, results.json."""
    networks = {"full": ("full", "full")}
    if method.trains_to_the_end:
        networks[method.name] = "search", "model"
        networks["the same, from scratch"] = "retrain", "retrained"
    else:
        networks[method.name] = "retrain", "model"
    networks["width multiplier"] = "width_multiplier", "width_multiplier"
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
            target=costs["target"] / costs["full"],
            decisions=method.decisions(context),
            slice_report=slice_report,
            atoms=atoms,
            verification=stages["verify"]["text"],
            notes=_notes(method, context, stages, costs),
        ),
    )
    pipeline.write_results(context, method, stages, costs["target"])
    print(f"\n{report.comparison_table(rows)}\n\n{path}", flush=True)


def _notes(method, context, stages, costs):
    budgeted = ()
    if context.preset.cost == "latency":
        budgeted = (
            "The budget is of the sum over layers in the latency table: "
            f"{costs['decided']:,.1f} of {costs['full']:,.1f} microseconds "
            "for the network that was found. The latency above is that of "
            "the whole network.",
        )
    inherited = 100 * stages["search"]["test_accuracy"]
    weights = (
        "With the search's own weights, before any further training, the "
        f"searched network has a test accuracy of {inherited:.1f}%."
    )
    if method.trains_to_the_end:
        weights = (
            "The network that was found has the weights that the search has "
            "trained. Beside it stands the same network trained from scratch."
        )
    taught = ()
    if context.preset.teacher:
        taught = (
            "Every training but the search also learned from the teacher "
            f"'{context.teacher.name}', by distillation.",
        )
    return (
        "One run; another seed moves each accuracy. Compare several before "
        "you conclude anything from small differences.",
        weights,
        *budgeted,
        *taught,
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
        strategy = common_flags.strategy_of(FLAGS)
        folder = Run(
            FLAGS.output_dir, common_flags.flagfile(preset), is_chief(strategy)
        )
        results = folder.results()
        if results is not None:
            print(
                f"Finished before: {folder.path('report.md')} (test accuracy "
                f"{results['test_accuracy']:.3f}, {results['macs']:,} MACs)."
            )
            return
        context = method.open(folder, preset, FLAGS)
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    fitting.run_or_exit(lambda: method.run(context))
