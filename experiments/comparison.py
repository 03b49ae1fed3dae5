"""One cell of a comparison: a method and a seed, searched and retrained."""

import dataclasses

import keras

import keras_nas
from experiments import exporting
from experiments import flags as common_flags
from experiments import pipeline
from experiments.run import Run

BASELINE = "narrowed"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of a comparison.

    Attributes:
        name: String, as in tables.
        family: String, what is searched or narrowed; entries of a family are
            compared with each other, above all.
        method: An `experiment.Method`.
        preset: The preset of the method, with the settings of the search.
        is_baseline: Boolean, whether it is the narrowed network, not what the
            method finds.
    """

    name: str
    family: str
    method: object
    preset: object
    is_baseline: bool = False

    def slug(self):
        """Returns the name of the folder of its cells."""
        words = f"{self.family} {self.name}".lower().split()
        words = ["".join(filter(str.isalnum, word)) for word in words]
        return "_".join([*words, f"{self.preset.target:.10g}"])


class Cell:
    """A run of an entry with one seed; its stages are done only once.

    `search` is the method's own; `retrain` trains the network that it found
    from scratch, all entries alike; `export` writes and times its `.tflite`.

    Args:
        entry: An `Entry`.
        training: Dictionary of the settings of all retrainings.
        folder: Path of the folder of the cell.
        flags: Object with `data_dir`, `download`, `strategy` and `seed`.
        is_chief: Boolean, of `Run`.

    Raises:
        ValueError: If the folder has a cell with other settings.
    """

    def __init__(self, entry, training, folder, flags, is_chief=True):
        self.entry, self.flags = entry, flags
        self.training = training
        settings = {
            "entry": entry.name,
            "family": entry.family,
            "seed": flags.seed,
            "data_dir": flags.data_dir,
            "strategy": flags.strategy,
            **dataclasses.asdict(entry.preset),
            **{f"retraining_{key}": v for key, v in training.items()},
        }
        lines = [f"--{key}={value}" for key, value in settings.items()]
        self.run = Run(folder, "\n".join(lines) + "\n", is_chief)

    def result(self):
        """Returns the facts of the cell, from `results.json` if it is done."""
        results = self.run.results()
        if results is None:
            keras.utils.clear_session()
            results = self._compute()
            path = self.run.path("results.json")
            self.run.write_json(path, results)
            self.run.wait_for_results()
        return results

    def _compute(self):
        entry, run = self.entry, self.run
        context = pipeline.open_context(run, entry.preset, self.flags)
        search = {"seconds": 0.0, "macs_of_training": 0}
        architecture = None
        if not entry.is_baseline:
            search = run.stage("search", lambda: self._search(context))
            path = run.path("architecture.json")
            architecture = keras_nas.Architecture.load(path)
        retrain = run.stage(
            "retrain", lambda: self._retrain(context, architecture)
        )
        export = run.stage(
            "export",
            lambda: exporting.export_files(context, "retrained"),
            alone=True,
        )
        return {
            "name": entry.name,
            "family": entry.family,
            "target": entry.preset.target,
            "seed": context.seed,
            "search_seconds": search["seconds"],
            "search_macs": search["macs_of_training"],
            "inherited_test_accuracy": search.get("test_accuracy"),
            "retrain_seconds": retrain["seconds"],
            **{
                key: retrain[key]
                for key in ("macs", "params", "input_size", "test_accuracy")
            },
            "latency_ms": export["latency_ms"],
            "tflite_bytes": export["tflite_bytes"],
            **keras_nas.report.environment(),
        }

    def _search(self, context):
        method, preset = self.entry.method, self.entry.preset
        if getattr(preset, "warm_start", False):
            full = method.full_network(context)
            pipeline.train(context, full, "full")
        facts = method.search_stage(context)
        return {**facts, "macs_of_training": method.search_macs(context, facts)}

    def _retrain(self, context, architecture):
        method = self.entry.method
        make = method.narrowed if architecture is None else method.network
        network = make(context, architecture)
        preset = dataclasses.replace(context.preset, **self.training)
        context = dataclasses.replace(context, preset=preset)
        return pipeline.train(context, network, "retrained")


def flags_of(flags, seed):
    """Returns the flags of a cell: those given, with another seed."""
    values = {name: getattr(flags, name) for name in common_flags.SHARED}
    return common_flags.plain(**{**values, "seed": seed})
