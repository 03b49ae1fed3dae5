"""The networks that BigNAS has selected: cut out, compared, exported."""

import os
import shutil

import keras
from absl import flags
from keras import ops

import keras_nas
from experiments import exporting
from experiments import networks
from experiments import pipeline
from experiments.bignas_presets import name_of
from keras_nas import report
from keras_nas.report.pareto_plot import MULTIPLY_ADDS

FLAGS = flags.FLAGS

_COST_LABELS = {
    "macs": MULTIPLY_ADDS,
    "params": "trained parameters",
}


def cut(method, context, selected):
    """Cuts the children out of the supernet; returns the stage's facts."""
    search = method.trained(context)
    batches = method.recalibration_data(context)
    facts = {}
    for child in selected["children"]:
        name = child["name"]
        architecture = _architecture(method, context, child)
        network = search.export_model(architecture, batches)
        context.run.save(network, f"family/{name}/model.keras")
        context.run.save(architecture, f"family/{name}/architecture.json")
        # The supernet is now, at inference, the same network.
        proof = exporting.verify(
            context,
            {
                f"{name}, in the supernet and cut out": [
                    search.model,
                    on_patches(network, search.model.input_shape[1]),
                ]
            },
        )
        facts[name] = {**pipeline.facts(context, network), **proof}
    return facts


def on_patches(network, size):
    """Returns a network that resizes its images from patches of a size."""
    images = keras.Input((size, size, 3))
    resized, own = images, network.input_shape[1]
    if own != size:
        resized = ops.image.resize(images, (own, own), interpolation="bicubic")
    return keras.Model(images, network(resized))


def finish(method, context, stages):
    """Runs the stages after `cut`, and writes the report and the results."""
    folder, children = context.run, stages["select"]["children"]
    stages["scratch"] = {}
    if context.preset.scratch:
        stages["scratch"] = _scratch_stages(method, context, children)
    stages["export"] = folder.stage(
        "export", lambda: _export(context, children), alone=True
    )
    stages["verify"] = folder.stage(
        "verify", lambda: _verify(context, children), alone=True
    )
    if not folder.is_chief:
        folder.wait_for_results()
        return
    rows = [_row(stages, child) for child in reversed(children)]
    path = report.write_report(
        folder.output_dir,
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
            decisions=_target(context, children)["decisions"],
            verification="\n\n".join(p["text"] for p in _proofs(stages)),
            notes=_notes(context, stages),
            **_picture(method, context, stages),
        ),
    )
    _write_results(method, context, stages)
    print(f"\n{report.comparison_table(rows)}\n\n{path}", flush=True)


def _proofs(stages):
    """Returns the facts that are proofs, by stages."""
    children = stages["select"]["children"]
    cut = [stages["cut"][child["name"]] for child in children]
    return [*cut, stages["verify"]]


def _architecture(method, context, child):
    name = method.space(context).name
    return keras_nas.Architecture(name, child["decisions"])


def _path(context, name, file):
    return context.run.path("family", name, file)


def _target(context, children):
    """Returns the child of the flag --target."""
    name = name_of(context.preset.target)
    return next(child for child in children if child["name"] == name)


def _scratch_stages(method, context, children):
    """Trains each different child from scratch, each in a stage."""
    space, done, facts = method.space(context), {}, {}
    for child in children:
        name, key = child["name"], tuple(child["decisions"].items())
        if key not in done:
            done[key] = context.run.stage(
                f"scratch_{name}",
                lambda child=child: _scratch(method, context, space, child),
            )
        facts[name] = done[key]
    return facts


def _scratch(method, context, space, child):
    architecture = _architecture(method, context, child)
    network = networks.build(context, space, architecture)
    return pipeline.train(context, network, f"family/{child['name']}/scratch")


def _export(context, children):
    """Writes the files of all children, and copies those of the target."""
    run, facts = context.run, {}
    for child in children:
        name = child["name"]
        facts[name] = exporting.export_files(
            context, f"family/{name}/model", f"family/{name}/saved_model"
        )
    name = _target(context, children)["name"]
    for file in ("model.keras", "model.tflite", "architecture.json"):
        shutil.copyfile(_path(context, name, file), run.path(file))
    shutil.rmtree(run.path("saved_model"), ignore_errors=True)
    shutil.copytree(
        _path(context, name, "saved_model"), run.path("saved_model")
    )
    return facts


def _verify(context, children):
    """Proves that all files of each child, and of the result, are the same."""
    folders = {
        f"The files of {child['name']}": context.run.path(
            "family", child["name"]
        )
        for child in children
    }
    folders["The exported files"] = context.run.output_dir
    return exporting.verify(
        context,
        {
            title: [
                keras.models.load_model(
                    os.path.join(folder, "model.keras"), compile=False
                ),
                os.path.join(folder, "saved_model"),
                os.path.join(folder, "model.tflite"),
            ]
            for title, folder in folders.items()
        },
    )


def _scratch_accuracy(stages, name):
    facts = stages["scratch"].get(name)
    return facts and facts["test_accuracy"]


def _row(stages, child):
    name = child["name"]
    facts, files = stages["cut"][name], stages["export"][name]
    accuracy, extra = _scratch_accuracy(stages, name), {}
    if accuracy is not None:
        gap = 100 * (facts["test_accuracy"] - accuracy)
        extra = {"from scratch": f"{accuracy:.1%}", "gap": f"{gap:+.1f}"}
    return report.NetworkRow(
        name=name if child["budget"] is None else f"budget {name}",
        macs=facts["macs"],
        params=facts["params"],
        test_accuracy=facts["test_accuracy"],
        tflite_bytes=files["tflite_bytes"],
        latency_ms=files["latency_ms"],
        extra=extra,
    )


def _picture(method, context, stages):
    """Returns the arguments of the report that are the picture's."""
    cost, children = method.picture_cost(context), stages["select"]["children"]
    split = context.preset.selection_split
    series = [
        report.ParetoSeries(f"{kind}, {split} split", *zip(*pairs, strict=True))
        for kind, pairs in stages["select"]["evaluated"].items()
    ]
    lines = {"inherited weights, test split": stages["cut"]}
    if stages["scratch"]:
        lines["from scratch, test split"] = stages["scratch"]
    names = [child["name"] for child in children]
    series += [
        report.ParetoSeries(
            title,
            [stages["cut"][name][cost] for name in names],
            [stage[name]["test_accuracy"] for name in names],
            is_line=True,
        )
        for title, stage in lines.items()
    ]
    budgets = [child["budget"] for child in children[1:-1]]
    return {
        "pareto": series,
        "budgets": budgets if cost == context.preset.cost else (),
        "cost_label": _COST_LABELS[cost],
    }


def _notes(context, stages):
    preset = context.preset
    evaluated = sum(map(len, stages["select"]["evaluated"].values()))
    notes = [
        "One run; another seed moves each accuracy. Compare several before "
        "you conclude anything from small differences.",
        "All networks have the weights of one supernet, and statistics of "
        "BatchNormalization of their own; the test accuracy is that. "
        f"{evaluated} networks were evaluated, on images of the split "
        f"`{preset.selection_split}`; the test split was not looked at.",
        f"Networks take images of their own resolution, resized from patches "
        f"of {preset.image_size} pixels.",
    ]
    if stages["scratch"]:
        notes.append(
            "From scratch, each network was trained alone for "
            f"{preset.train_epochs} epochs with the recipe of the supernet, "
            f"which had {preset.search_epochs}, from labels, without Dropout "
            "and weight decay. The gap is inherited minus from scratch, in "
            "points."
        )
    return notes


def _write_results(method, context, stages):
    """Writes `results.json`, last of all: with it the run is finished."""
    preset, children = context.preset, stages["select"]["children"]
    target = _target(context, children)
    found, full = stages["cut"][target["name"]], stages["cut"]["biggest"]
    files = stages["export"][target["name"]]
    retrain = stages["scratch"].get(target["name"], {})
    results = {
        "method": method.name,
        "space": preset.space,
        "dataset": preset.dataset,
        "seed": context.seed,
        "cost": preset.cost,
        "target": target["budget"],
        "macs": found["macs"],
        "params": found["params"],
        "input_size": found["input_size"],
        "test_accuracy": found["test_accuracy"],
        "scratch_test_accuracy": retrain.get("test_accuracy"),
        "full_macs": full["macs"],
        "full_params": full["params"],
        "full_test_accuracy": full["test_accuracy"],
        "family": [_member(stages, child) for child in children],
        "evaluated": {
            kind: len(pairs)
            for kind, pairs in stages["select"]["evaluated"].items()
        },
        "search_seconds": stages["search"]["seconds"],
        "select_seconds": stages["select"]["seconds"],
        "retrain_seconds": retrain.get("seconds"),
        "litert_latency_ms": files["latency_ms"],
        "tflite_bytes": files["tflite_bytes"],
        "training": preset.training(),
        "verify": [
            link for proof in _proofs(stages) for link in proof["links"]
        ],
        **report.environment(),
    }
    context.run.write_json(context.run.path("results.json"), results)


def _member(stages, child):
    """Returns what `results.json` says of a child."""
    name = child["name"]
    facts = stages["cut"][name]
    keys = ("macs", "params", "input_size", "test_accuracy")
    return {
        **child,
        **{key: facts[key] for key in keys},
        "scratch_test_accuracy": _scratch_accuracy(stages, name),
        "tflite_bytes": stages["export"][name]["tflite_bytes"],
        "litert_latency_ms": stages["export"][name]["latency_ms"],
    }
