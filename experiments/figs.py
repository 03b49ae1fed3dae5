r"""FiGS: search the widths of a network, retrain, export, verify, report.

    python -m experiments.figs --output_dir=runs/figs

trains a small ResNet on the embedded photographs, searches which of its
channels are worth their multiply-adds, trains the network that was found
beside a uniformly narrowed one of the same budget, writes `.keras`,
SavedModel and `.tflite` files, proves that they compute the same, and writes
report.md. For your own network and data:

    python -m experiments.figs --output_dir=runs/mine --model=net.keras \
        --dataset=NAME --data_dir=DIR --image_size=96 --target=0.3
"""

import dataclasses
import functools
import json
import os
import sys

import keras
from absl import app
from absl import flags

import keras_nas
from experiments import flags as common_flags
from experiments import pipeline
from experiments import presets
from experiments.run import Run
from keras_nas import report

FLAGS = flags.FLAGS


def insert(context):
    """Returns the full network with masks, ready to be searched."""
    preset = context.preset
    mask = functools.partial(
        keras_nas.LogisticSigmoidMask,
        temperature=preset.temperature,
        initial_logit=preset.initial_logit,
    )
    path = context.run.path("full.keras")
    if preset.warm_start and os.path.exists(path):
        network = keras.models.load_model(path, compile=False)
    else:
        network = context.network()
    with context.strategy.scope():
        return keras_nas.insert_masks(network, mask, seed=context.seed)


def new_search(context, masked):
    """Returns the search, not compiled yet."""
    preset = context.preset
    budget = keras_nas.ExpectedFLOPs(target=preset.target)
    with context.strategy.scope():
        return keras_nas.search.FiGS(
            masked, budget, preset.ramp, preset.channel_multiple
        )


def search_stage(context):
    """Trains the masked network; saves it and the architecture."""
    preset, run = context.preset, context.run
    masked = insert(context)
    steps = context.data.steps("search")
    recipe = dataclasses.replace(
        preset.recipe(), learning_rate=preset.search_learning_rate
    )
    search = new_search(context, masked)
    with context.strategy.scope():
        mask_optimizer = None
        if preset.mask_learning_rate:
            mask_optimizer = keras.optimizers.Adam(preset.mask_learning_rate)
        search.compile(
            recipe.optimizer(steps, preset.search_epochs),
            context.loss(masked),
            metrics=["accuracy"],
            mask_optimizer=mask_optimizer,
        )
    history = search.fit(
        context.data.search,
        epochs=preset.search_epochs,
        callbacks=context.callbacks("search"),
        validation_data=context.data.validation,
        shuffle=False,  # The pipeline does it.
        verbose=pipeline.progress(),
    )
    run.save_model(masked, "masked.keras")
    search.architecture().save(run.path("architecture.json"))
    accuracy = context.test_accuracy(search.export_model())
    return {
        "history": {
            key: [float(v) for v in values]
            for key, values in history.history.items()
        },
        "inherited_test_accuracy": accuracy,
    }


def run_experiment(context):
    """Runs every stage that is not finished, then writes the report."""
    run, preset = context.run, context.preset
    stages = {}
    stages["full"] = run.stage(
        "full", lambda: pipeline.train(context, context.network(), "full")
    )
    stages["search"] = run.stage("search", lambda: search_stage(context))

    masked = keras.models.load_model(run.path("masked.keras"))
    architecture = keras_nas.Architecture.load(run.path("architecture.json"))
    searched, slice_report = keras_nas.slice_model(
        masked, architecture, return_report=True
    )
    found, narrow = networks_to_train(context, architecture)
    for name, file, network in (
        ("retrain", "model", found),
        ("width_multiplier", "width_multiplier", narrow),
    ):
        stages[name] = run.stage(
            name,
            lambda network=network, file=file: pipeline.train(
                context, network, file
            ),
        )
    stages["export"] = run.stage(
        "export",
        lambda: pipeline.export_stage(
            context,
            {
                name: f"{name}.tflite"
                for name in ("model", "full", "width_multiplier")
            },
        ),
    )
    stages["verify"] = run.stage(
        "verify",
        lambda: pipeline.verify(
            context,
            {
                "The search's weights": [masked, searched],
                "The retrained weights": [
                    run.path("model.keras"),
                    run.path("saved_model"),
                    run.path("model.tflite"),
                ],
            },
        ),
    )
    budget = keras_nas.ExpectedFLOPs(target=preset.target).budget(masked)
    write_report(context, stages, slice_report, budget)


def networks_to_train(context, architecture):
    """Returns the network that was found, and the narrowed one beside it.

    Both are cut out of the same full network, with its trained weights if
    `inherit_weights`, else with fresh ones, and will be trained the same way.
    The narrowed one is the widest within the same target.
    """
    full = insert(context)
    found = keras_nas.slice_model(full, architecture)
    budget = keras_nas.ExpectedFLOPs(target=context.preset.target)
    narrow = keras_nas.search.WidthMultiplier(
        full, budget, context.preset.channel_multiple
    )
    networks = found, narrow.export_model()
    if context.preset.inherit_weights:
        return networks
    return tuple(pipeline.from_scratch(context, n) for n in networks)


def write_report(context, stages, slice_report, target):
    """Prints the table; writes report.md and, last of all, results.json."""
    networks = {
        "full": ("full", "full"),
        "FiGS": ("retrain", "model"),
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
    preset = context.preset
    path = report.write_report(
        context.run.output_dir,
        report.Report(
            title=f"FiGS: {preset.model} on {context.data.name}",
            rows=rows,
            command="python -m experiments.figs --flagfile=flagfile "
            "--output_dir=DIR",
            settings={
                "preset": FLAGS.preset,
                "seed": context.seed,
                "splits": context.data.splits,
            },
            history=stages["search"]["history"],
            target=target / stages["full"]["macs"],
            slice_report=slice_report,
            verification=stages["verify"]["text"],
            notes=_notes(context, stages),
        ),
    )
    pipeline.write_results(context, "FiGS", stages, target)
    print(f"\n{report.comparison_table(rows)}\n\n{path}", flush=True)


def _notes(context, stages):
    inherited = 100 * stages["search"]["inherited_test_accuracy"]
    start = "The two small networks are trained from scratch, as the full one."
    if context.preset.inherit_weights:
        start = (
            "The two small networks start from the trained weights of the "
            "full one, each with the channels it keeps, and are then trained "
            "alike: same data, epochs and learning rates. So their weights "
            "have been trained for longer than the full network's."
        )
    return (
        "One run; another seed moves each accuracy. Compare several before "
        "you conclude anything from small differences.",
        start,
        "With the search's own weights, before any further training, the "
        f"searched network has a test accuracy of {inherited:.1f}%.",
        "The picture of the search shows each epoch as it ended. After the "
        "last one all logits are shifted by one number, so that the exported "
        "network meets the target.",
    )


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    try:
        preset = common_flags.chosen_preset(presets.FIGS)
        run = Run(FLAGS.output_dir, common_flags.flagfile(preset))
        if run.is_finished():
            with open(run.path("results.json")) as file:
                results = json.load(file)
            print(
                f"Finished before: {run.path('report.md')} (test accuracy "
                f"{results['test_accuracy']:.3f}, {results['macs']:,} MACs)."
            )
            return
        context = pipeline.open_context(run, preset, FLAGS)
        new_search(context, insert(context))  # Fails now, if it must.
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    run_experiment(context)


if __name__ == "__main__":
    common_flags.define(presets.FIGS)
    flags.adopt_module_key_flags(common_flags)  # So that --help lists them.
    app.run(main)
