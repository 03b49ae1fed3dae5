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
import os

import keras

import keras_nas
from experiments import experiment
from experiments import pipeline
from experiments.figs_presets import FIGS


class FiGS(experiment.Method):
    """Masks on the channels of any network."""

    name, module, presets = "FiGS", "figs", FIGS

    def full_network(self, context):
        return context.network()

    def masked(self, context):
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

    def new_search(self, context):
        preset = context.preset
        masked = self.masked(context)
        budget = preset.budget()
        with context.strategy.scope():
            return keras_nas.search.FiGS(
                masked, budget, preset.ramp, preset.channel_multiple
            )

    def search(self, context, search):
        preset = context.preset
        steps = context.data.steps("search")
        recipe = dataclasses.replace(
            preset.recipe(), learning_rate=preset.search_learning_rate
        )
        with context.strategy.scope():
            mask_optimizer = None
            if preset.mask_learning_rate:
                mask_optimizer = keras.optimizers.Adam(
                    preset.mask_learning_rate
                )
            search.compile(
                recipe.optimizer(steps, preset.search_epochs),
                context.loss(search.model),
                metrics=["accuracy"],
                mask_optimizer=mask_optimizer,
            )
        return pipeline.fit(
            search,
            context.data.search,
            epochs=preset.search_epochs,
            callbacks=context.callbacks("search"),
            validation_data=context.data.validation,
            validation_freq=preset.validation_freq,
        )

    def search_macs(self, context, stage):
        macs = super().search_macs(context, stage)
        preset = context.preset
        if preset.warm_start:  # What the full network's training took.
            full = keras_nas.count_cost(self.full_network(context)).macs
            images = context.images("train")
            macs += full * images * preset.train_epochs
        return macs

    def network(self, context, architecture):
        return self.cut(context, architecture)

    def narrowed(self, context, architecture=None):
        """Returns the widest network within the same target."""
        preset, full = context.preset, self.masked(context)
        baseline = keras_nas.search.WidthMultiplier(
            full, preset.budget(), preset.channel_multiple
        )
        return self.cut(context, baseline.architecture(), full)

    def cut(self, context, architecture, full=None):
        """Returns a part of the full network, with its trained weights if
        `inherit_weights`, else with fresh ones."""
        full = full or self.masked(context)
        network = keras_nas.slice_model(full, architecture)
        if context.preset.inherit_weights:
            return network
        return pipeline.from_scratch(context, network)

    def notes(self, context, stages):
        start = (
            "The two small networks are trained from scratch, as the full one."
        )
        if context.preset.inherit_weights:
            start = (
                "The two small networks start from the trained weights of the "
                "full one, each with the channels it keeps, and are then "
                "trained alike: same data, epochs and learning rates. So "
                "their weights have been trained for longer than the full "
                "network's."
            )
        return (
            start,
            "The picture of the search shows each epoch as it ended. After "
            "the last one all logits are shifted by one number, so that the "
            "exported network meets the target.",
        )


if __name__ == "__main__":
    experiment.main(FiGS())
