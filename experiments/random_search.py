r"""Random search: the baseline of networks that are drawn; retrain, export.

    python -m experiments.random_search --output_dir=runs/random

draws networks of a space near the budget, trains each for a short while,
selects the most accurate one on the validation images, and goes on with it as
the other experiments do. With --shared_weights, networks are not trained: they
are evaluated with the weights of one supernet, as One-Shot does.

--model is a network, of whose layers the widths are drawn, or a space of masks.
"""

import keras_nas
from experiments import experiment
from experiments import fitting
from experiments import pipeline
from experiments.figs import FiGS
from experiments.random_search_presets import RANDOM_SEARCH
from keras_nas import search as searches
from keras_nas import spaces


class RandomSearch(FiGS):
    """The best of some networks that a space samples."""

    name, module, presets = "random search", "random_search", RANDOM_SEARCH

    def mask(self, preset):
        return keras_nas.FiGSMask

    def new_search(self, context):
        masked = self.supernet(context)
        context.preset.budget().budget(masked)

    def supernet(self, context):
        """Returns the model whose weights networks share."""
        rate = context.preset.path_dropout
        if not rate:
            return self.masked(context)
        if not isinstance(self.space(context), spaces.OneShotSpace):
            raise ValueError(
                "Invalid value received for flag --path_dropout. Expected 0, "
                "unless --model is a space of One-Shot, whose operators can be "
                f"dropped. Received: {rate}"
            )
        return self.masked(context, path_dropout=rate)

    def search_stage(self, context):
        preset, run = context.preset, context.run
        masked = self.supernet(context)
        space = self.space(context) or spaces.MaskedModelSpace(masked)
        evaluate = self.trained_for_each(context.alone(), space)
        worker, workers = context.worker
        history = {}
        if preset.shared_weights:
            evaluate, history = self.with_shared_weights(context, space, masked)
        evaluations = searches.Evaluations(
            run.output_dir,
            space,
            evaluate,
            worker=worker,
            workers=workers,
            classes=context.data.num_classes,
            source=[preset.shared_weights, preset.sample_epochs],
        )
        selection = searches.RandomSearch(
            evaluations,
            preset.cost,
            samples=preset.samples,
            at_least=preset.at_least,
            seed=context.seed,
        ).select(preset.budget().budget(masked))
        architecture = space.to_channels(selection.architecture)
        if preset.shared_weights:  # The statistics become those of the best.
            evaluate(selection.architecture)
        else:
            searches.OneShot(masked).decide(architecture)
        run.save(masked, "masked.keras")
        run.save(architecture, "architecture.json")
        rows, accuracies = evaluations.known()
        return {
            "history": history,
            "evaluated": {
                "macs": evaluations.costs("macs", rows).tolist(),
                "accuracy": accuracies.tolist(),
            },
            "selection_accuracy": selection.accuracy,
            **pipeline.facts(
                context, keras_nas.slice_model(masked, architecture)
            ),
        }

    def trained_for_each(self, context, space):
        """Returns what trains a network for a short while and evaluates it."""
        preset, data = context.preset, context.data
        epochs = preset.sample_epochs

        def evaluate(architecture):
            network = pipeline.from_scratch(
                context, space.build(architecture, data.num_classes)
            )
            with context.strategy.scope():
                network.compile(
                    preset.recipe().optimizer(data.steps("search"), epochs),
                    context.loss(network),
                    metrics=["accuracy"],
                )
            fitting.fit(network, data.search, epochs=epochs)
            return network.evaluate(data.validation, verbose=0)[1]

        return evaluate

    def with_shared_weights(self, context, space, masked):
        """Trains a supernet; returns what evaluates its sub-networks, and the
        history."""
        preset, data = context.preset, context.data
        with context.strategy.scope():
            search = searches.OneShot(masked)
            search.compile(
                preset.recipe().optimizer(
                    data.steps("search"), preset.search_epochs
                ),
                context.loss(masked),
                metrics=["accuracy"],
            )
        history = fitting.fit_search(context, search, data, "search")
        if context.worker[1] > 1:  # Each evaluates others, by itself.
            own = self.supernet(context.alone())
            own.set_weights(masked.get_weights())
            search = searches.OneShot(own)
            search.compile(loss=context.loss(own), metrics=["accuracy"])
        batches = pipeline.first_images(
            data, "search", preset.recalibration_images
        )

        def evaluate(architecture):
            channels = space.to_channels(architecture)
            results = search.evaluate_child(channels, batches, data.validation)
            return results["accuracy"]

        return evaluate, fitting.plain_history(history)

    def search_macs(self, context, stage):
        preset, images = context.preset, context.images("search")
        if preset.shared_weights:
            return super().search_macs(context, stage)
        macs = sum(stage["evaluated"]["macs"])
        return round(macs * images * preset.sample_epochs)

    def notes(self, context, stages):
        preset = context.preset
        number = len(stages["search"]["evaluated"]["accuracy"])
        how = f"after {preset.sample_epochs} epochs of training each"
        if preset.shared_weights:
            how = "with the weights of one supernet"
        return (
            f"{number} networks were drawn near the budget and evaluated "
            f"{how}; the best of them was taken.",
            "The two small networks are trained from scratch, as the full one.",
        )


if __name__ == "__main__":
    experiment.main(RandomSearch())
