r"""FiGS: search the widths of a network, retrain, export, verify, report.

    python -m experiments.figs --output_dir=runs/figs

trains a small ResNet on the embedded photographs, searches which of its
channels are worth their multiply-adds, trains the network that was found
beside a uniformly narrowed one of the same budget, writes `.keras`,
SavedModel and `.tflite` files, proves that they compute the same, and writes
report.md. For your own network and data:

    python -m experiments.figs --output_dir=runs/mine --model=net.keras \
        --dataset=NAME --data_dir=DIR --image_size=96 --target=0.3

--model can also be a space of operators and widths, whose networks are trained
from scratch:

    python -m experiments.figs --output_dir=runs/one_shot \
        --model=small_one_shot --cost=params
"""

import dataclasses
import functools
import os

import keras

import keras_nas
from experiments import experiment
from experiments import fitting
from experiments import pipeline
from experiments.figs_presets import FIGS
from keras_nas import spaces


class FiGS(experiment.Method):
    """Masks on the channels of any network, or of the operators of a space."""

    name, module, presets = "FiGS", "figs", FIGS
    searcher = keras_nas.search.FiGS

    def mask(self, preset):
        """Returns what makes the masks."""
        return functools.partial(
            keras_nas.LogisticSigmoidMask,
            temperature=preset.temperature,
            initial_logit=preset.initial_logit,
        )

    def space(self, context):
        """Returns the space that `--model` names, or `None`."""
        preset = context.preset
        if preset.model not in spaces.space_names():
            return None
        space = spaces.find_space(preset.model)
        if not isinstance(space, spaces.ChannelSpace):
            raise ValueError(
                "Invalid value received for flag --model. Expected a network, "
                "or a `keras_nas.spaces.ChannelSpace` such as small_one_shot. "
                f"Received: {space.name}, of type {type(space).__name__}"
            )
        if space.resolution != preset.image_size:
            raise ValueError(
                "Invalid value received for flag --image_size. Expected that "
                f"of space '{space.name}', {space.resolution}. Received: "
                f"{preset.image_size}"
            )
        return space

    def full_network(self, context):
        space = self.space(context)
        if space is None:
            return context.network()
        network = space.build(
            space.biggest(),
            context.data.num_classes,
            momentum=context.preset.bn_momentum,
        )
        return pipeline.from_scratch(context, network)

    def masked(self, context, **kwargs):
        """Returns the full network with masks, ready to be searched.

        Args:
            context: The `Context`.
            **kwargs: Of the `supernet` of a space.
        """
        preset, space = context.preset, self.space(context)
        mask = self.mask(preset)
        path, trained = context.run.path("full.keras"), None
        if preset.warm_start and os.path.exists(path):
            trained = keras.models.load_model(path, compile=False)
        if space is None:
            network = context.network() if trained is None else trained
            with context.strategy.scope():
                return keras_nas.insert_masks(network, mask, seed=context.seed)
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            supernet = space.supernet(
                context.data.num_classes,
                mask,
                context.seed,
                momentum=preset.bn_momentum,
                **kwargs,
            )
        for layer in () if trained is None else trained.layers:
            if layer.weights:
                weights = layer.get_weights()
                supernet.get_layer(layer.name).set_weights(weights)
        return supernet

    def new_search(self, context):
        preset = context.preset
        masked = self.masked(context)
        budget = preset.budget()
        with context.strategy.scope():
            return self.searcher(
                masked, budget, preset.ramp, preset.channel_multiple
            )

    def compile(self, context, search):
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

    def search(self, context, search):
        self.compile(context, search)
        return fitting.fit_search(context, search, context.data, "search")

    def search_macs(self, context, stage):
        macs = super().search_macs(context, stage)
        preset = context.preset
        if preset.warm_start:  # What the full network's training took.
            full = keras_nas.count_cost(self.full_network(context)).macs
            images = context.images("train")
            macs += full * images * preset.train_epochs
        return macs

    def network(self, context, architecture):
        space = self.space(context)
        if space is not None:
            architecture = space.prune(architecture)
        return self.cut(context, architecture)

    def narrowed(self, context, architecture=None):
        """Returns the widest network within the same target, or within the
        cost of what was found."""
        preset, full = context.preset, self.masked(context)
        baseline = keras_nas.search.WidthMultiplier(
            full,
            preset.budget_of(full, architecture),
            preset.channel_multiple,
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
        if context.preset.strength:
            return (start,)
        return (
            start,
            "The picture of the search shows each epoch as it ended. After "
            "the last one all masks are shifted by one number, so that the "
            "exported network meets the target.",
        )


if __name__ == "__main__":
    experiment.main(FiGS())
