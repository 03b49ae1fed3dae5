r"""BigNAS: train networks of all sizes at once, select, cut out, export.

    python -m experiments.bignas --output_dir=runs/bignas

trains one supernet on the embedded photographs, selects a network for each of
several budgets, and cuts them out with the weights that they have: nothing is
trained again. For comparison, the same networks are trained from scratch. It
writes `.keras`, SavedModel and `.tflite` files of each, proves that they
compute the same, and writes report.md. The selection can be spread over
processes, on machines that share the folder; the others wait for the first:

    for worker in 0 1 2 3; do
      python -m experiments.bignas --output_dir=runs/bignas \
          --worker=$worker --workers=4 &
    done

Stages, each done once: `search` trains the supernet on the training split;
`select` evaluates networks, on a split that is not the test split; `cut`
makes plain networks; `scratch_*` train the same from scratch; `export` and
`verify` are those of all experiments.
"""

import hashlib
import math
import pathlib

import keras
from absl import flags

from experiments import bignas_family
from experiments import experiment
from experiments import fitting
from experiments import pipeline
from experiments.bignas_presets import BIGNAS
from experiments.bignas_presets import COSTS
from experiments.bignas_presets import name_of
from experiments.patches import PatchContext
from keras_nas import search as searches
from keras_nas import spaces

FLAGS = flags.FLAGS

_COUNTED = ("macs", "params")  # Quickly, of any number of networks.


class BigNAS(experiment.Method):
    """One supernet, from which networks of all sizes are cut."""

    name, module, presets = "BigNAS", "bignas", BIGNAS

    def run(self, context):
        context = PatchContext(**vars(context))
        folder, (worker, workers) = context.run, context.worker
        if FLAGS.worker:
            folder.wait("search")
            self.select(context, FLAGS.worker, FLAGS.workers)
            print(
                f"select: the share of worker {FLAGS.worker} is done",
                flush=True,
            )
            return
        if workers == 1:
            workers = FLAGS.workers
        stages = {
            "search": folder.stage("search", lambda: self.train(context)),
            "select": folder.stage(
                "select", lambda: self.select(context, worker, workers)
            ),
        }
        stages["cut"] = folder.stage(
            "cut",
            lambda: bignas_family.cut(self, context, stages["select"]),
            alone=True,
        )
        bignas_family.finish(self, context, stages)

    def space(self, context):
        """Returns the space, if it and the flags fit each other."""
        preset = context.preset
        space = spaces.find_space(preset.space)
        if not isinstance(space, spaces.BigNASSpace):
            raise _invalid("space", "a space of BigNAS", preset.space)
        sizes = space.resolutions
        if len(sizes) == 1 and preset.image_size != sizes[0]:
            expected = f"the only resolution of '{space.name}', {sizes[0]}"
            raise _invalid("image_size", expected, preset.image_size)
        return space

    def new_search(self, context):
        preset, space = context.preset, self.space(context)
        _check(preset, space, context.data.num_classes)
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            supernet = space.supernet(
                context.data.num_classes,
                dropout=preset.dropout,
                zero_gamma=preset.zero_gamma,
                execution=preset.execution,
                synchronized=preset.synchronized,
                input_size=preset.image_size,
                momentum=preset.bn_momentum,
                seed=context.seed,
            )
            return self.wrapped(context, supernet)

    def wrapped(self, context, supernet):
        """Returns the search of a supernet, not compiled yet."""
        preset = context.preset
        return searches.BigNAS(
            supernet,
            random_children=preset.random_children,
            distillation=preset.distillation,
            regularize=preset.regularize,
            weight_decay=preset.weight_decay,
            resolutions=list(preset.train_resolutions) or None,
            recalibration_steps=pipeline.batches_of(
                preset.recalibration_images
            ),
        )

    def compile(self, context, search):
        preset, data = context.preset, context.data
        with context.strategy.scope():
            search.compile(
                preset.recipe().optimizer(
                    data.steps("train"), preset.search_epochs
                ),
                context.loss(search.model),
                metrics=["accuracy"],
            )

    def search(self, context, search):
        self.compile(context, search)
        return fitting.fit_search(
            context,
            search,
            context.data,
            "train",
            recalibration_data=self.recalibration_data(context),
        )

    def train(self, context):
        """Trains the supernet and saves it; returns the stage's facts."""
        search = self.new_search(context)
        history = self.search(context, search)
        context.run.save(search.model, "supernet.keras")
        return {
            "history": fitting.plain_history(history),
            "fit_seconds": history.seconds,
        }

    def trained(self, context):
        """Returns the search of the supernet that was trained, which each
        process of several has for itself."""
        context = context.alone()
        with context.strategy.scope():
            path = context.run.path("supernet.keras")
            search = self.wrapped(context, keras.models.load_model(path))
            search.compile(
                loss=context.loss(search.model), metrics=["accuracy"]
            )
        return search

    def recalibration_data(self, context):
        """Returns batches of training images, always the same."""
        return pipeline.first_images(
            context.data, "train", context.preset.recalibration_images
        )

    def selection_data(self, context):
        """Returns the images to select on, not augmented, always the same."""
        preset = context.preset
        data = context.load(image_size=preset.image_size, augment="none")
        return pipeline.first_images(
            data, preset.selection_split, preset.selection_images
        )

    def evaluations(self, context, worker, workers):
        """Returns what is known of networks of the trained supernet."""
        search = self.trained(context)
        batches = self.recalibration_data(context)
        data = self.selection_data(context)

        def evaluate(architecture):
            results = search.evaluate_child(architecture, batches, data)
            return results["accuracy"]

        file = pathlib.Path(context.run.path("supernet.keras"))
        return searches.Evaluations(
            context.run.output_dir,
            self.space(context),
            evaluate,
            worker=worker,
            workers=workers,
            classes=context.data.num_classes,
            source=hashlib.sha256(file.read_bytes()).hexdigest(),
        )

    def selector(self, context, evaluations):
        """Returns the selector that the flags name."""
        preset = context.preset
        if preset.selection == "evolution":
            return searches.EvolutionarySearch(
                evaluations,
                preset.cost,
                population=preset.population,
                generations=preset.generations,
                seed=context.seed,
            )
        return searches.CoarseToFine(
            evaluations,
            preset.cost,
            mutations=preset.mutations,
            mutation_probability=preset.mutation_probability,
            seed=context.seed,
        )

    def select(self, context, worker, workers):
        """Selects a network for each budget; returns the stage's facts."""
        preset, space = context.preset, self.space(context)
        evaluations = self.evaluations(context, worker, workers)
        selector = self.selector(context, evaluations)
        ends = [space.smallest(), space.biggest()]
        biggest_cost = evaluations.costs(preset.cost, ends)[1]
        budgets = [preset.absolute(b, biggest_cost) for b in preset.budgets]
        selections = selector.select_family(budgets)
        children = [
            {
                "name": name_of(budget),
                "budget": selection.budget,
                "cost": selection.cost,
                "selection_accuracy": selection.accuracy,
                "decisions": selection.architecture.decisions,
            }
            for budget, selection in zip(
                preset.budgets, selections, strict=True
            )
        ]
        children.sort(key=lambda child: child["budget"])
        smallest, biggest = (
            {"name": name, "budget": None, "decisions": end.decisions}
            for name, end in zip(("smallest", "biggest"), ends, strict=True)
        )
        return {
            "children": [smallest, *children, biggest],
            "evaluated": _evaluated(selector, self.picture_cost(context)),
        }

    def picture_cost(self, context):
        """Returns the cost in the picture: counted, of all networks."""
        cost = context.preset.cost
        return cost if cost in _COUNTED else "macs"


def _evaluated(selector, cost):
    """Returns what was evaluated, as facts: names, costs and accuracies."""
    evaluations = selector.evaluations
    rows, accuracies = evaluations.known()
    costs = evaluations.costs(cost, rows)
    skeletons = getattr(selector, "skeletons", ())
    coarse = {tuple(row) for row in skeletons}
    kinds = {}
    for row, *values in zip(rows, costs, accuracies, strict=True):
        kind = "mutations" if coarse else "evaluated"
        if tuple(row) in coarse:
            kind = "skeletons"
        kinds.setdefault(kind, []).append(list(map(float, values)))
    return {kind: kinds[kind] for kind in sorted(kinds, reverse=True)}


def _check(preset, space, classes):
    """Raises a `ValueError` for flags that would fail after the training."""
    choices = {
        "cost": COSTS,
        "selection": ("coarse_to_fine", "evolution"),
        "selection_split": ("search", "train"),
    }
    for name, known in choices.items():
        if getattr(preset, name) not in known:
            raise _invalid(name, f"one of {known}", getattr(preset, name))
    for name in ("recalibration_images", "selection_images"):
        if getattr(preset, name) < 1:
            raise _invalid(name, "an integer above 0", getattr(preset, name))
    budgets = preset.budgets
    if not budgets or not all(0 < b < math.inf for b in budgets):
        raise _invalid("budgets", "numbers above 0", budgets)
    if len({name_of(b) for b in budgets}) < len(budgets):
        raise _invalid("budgets", "different numbers", budgets)
    if preset.target not in budgets:
        raise _invalid("target", f"one of {budgets}", preset.target)
    if preset.cost in _COUNTED:
        ends = [space.smallest(), space.biggest()]
        counts = space.costs(ends, classes)
        least, most = counts[_COUNTED.index(preset.cost)].tolist()
        if min(preset.absolute(b, most) for b in budgets) < least:
            expected = (
                f"at least {least:,} {preset.cost}, or a share of "
                f"{least / most:.3f}, which the smallest network costs"
            )
            raise _invalid("budgets", expected, budgets)


def _invalid(flag, expected, received):
    return ValueError(
        f"Invalid value received for flag --{flag}. Expected {expected}. "
        f"Received: {received!r}"
    )


def main():
    flags.DEFINE_integer(
        "worker", 0, "Which of the workers of the selection this process is."
    )
    flags.DEFINE_integer(
        "workers",
        1,
        "How many processes share the selection. Worker 0 does all other "
        "stages, too.",
    )
    flags.register_multi_flags_validator(
        ["worker", "workers"],
        lambda values: 0 <= values["worker"] < values["workers"],
        "Expected flag --worker from 0 to --workers - 1.",
    )
    experiment.main(BigNAS())


if __name__ == "__main__":
    main()
