r"""DMaskingNAS: search channels, blocks and resolution; retrain, export.

    python -m experiments.dmasking --output_dir=runs/dmasking

searches a space of small inverted residual networks on the embedded
photographs: which channels, which blocks, at which resolution of the input.
It trains the network that was found from scratch, beside the largest one of
the space, uniformly narrowed to the same budget, writes `.keras`, SavedModel
and `.tflite` files, proves that they compute the same, and writes report.md.
For other data, and a space of the paper:

    python -m experiments.dmasking --output_dir=runs/mine \
        --space=fbnet_v2_f --dataset=NAME --data_dir=DIR --target=0.3
"""

import dataclasses

import keras

import keras_nas
from experiments import experiment
from experiments import pipeline
from experiments.dmasking_presets import DMASKING
from keras_nas import spaces
from keras_nas.layers import subsample


class DMaskingNAS(experiment.Method):
    """Masks on everything that a space leaves open."""

    name, module = "DMaskingNAS", "dmasking"
    presets = DMASKING

    def full_network(self, context):
        space = self.space(context)
        return self.build(context, space.biggest())

    def space(self, context):
        space = spaces.find_space(context.preset.space)
        if not isinstance(space, spaces.MBConvSpace):
            raise ValueError(
                "Invalid value received for flag --space. Expected a "
                "`keras_nas.spaces.MBConvSpace`, such as small_mbconv. "
                f"Received: {space.name}, of type {type(space).__name__}"
            )
        expected, received = space.resolutions[-1], context.preset.image_size
        if expected != received:
            raise ValueError(
                "Invalid value received for flag --image_size. Expected the "
                f"largest resolution of space '{space.name}', {expected}. "
                f"Received: {received}"
            )
        return space

    def build(self, context, architecture):
        """Returns the network of an architecture, with fresh weights."""
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            return self.space(context).build(
                architecture,
                context.data.num_classes,
                momentum=context.preset.bn_momentum,
            )

    def new_search(self, context):
        preset = context.preset
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            supernet = self.space(context).supernet(
                context.data.num_classes,
                preset.temperature,
                seed=context.seed,
                momentum=preset.bn_momentum,
            )
            return keras_nas.search.DMaskingNAS(
                supernet,
                preset.budget(),
                preset.weights_epochs,
                preset.temperature_decay,
                preset.ramp,
            )

    def search(self, context, search):
        preset = context.preset
        recipe = dataclasses.replace(
            preset.recipe(),
            algorithm="sgd",
            learning_rate=preset.search_learning_rate,
        )
        data = context.at(preset.image_size, architecture_share=0.2).data
        with context.strategy.scope():
            search.compile(
                recipe.optimizer(data.steps("search"), preset.search_epochs),
                context.loss(search.model),
                metrics=["accuracy"],
                mask_optimizer=keras.optimizers.Adam(
                    preset.mask_learning_rate,
                    weight_decay=preset.mask_weight_decay or None,
                ),
            )
        return pipeline.fit(
            search,
            data.search,
            architecture_data=data.architecture,
            epochs=preset.search_epochs,
            callbacks=context.callbacks("search"),
            validation_data=data.validation,
            validation_freq=preset.validation_freq,
        )

    def networks(self, context, architecture):
        full = keras_nas.insert_masks(self.full_network(context))
        budget = self.budget_of_narrow(context, full)
        narrow = keras_nas.search.WidthMultiplier(
            full, budget, context.preset.channel_multiple
        ).export_model()
        return [
            self.build(context, architecture),
            pipeline.from_scratch(context, narrow),
        ]

    def budget_of_narrow(self, context, full):
        """Returns the search's budget for masks on the largest network.

        Costs that are measured differ for it and for the largest network in
        the supernet, so a share of either would not be the same budget.
        """
        preset, budget = context.preset, context.preset.budget()
        if not budget.counts:
            supernet = keras.models.load_model(context.run.path("masked.keras"))
            target = min(budget.budget(supernet), budget.full(full))
            budget = dataclasses.replace(preset, target=target).budget()
        return budget

    def comparable(self, context, sliced):
        size = context.preset.image_size
        images = keras.Input((size, size, 3))
        small = subsample(images, sliced.input_shape[1])
        return keras.Model(images, sliced(small))

    def decisions(self, context):
        path = context.run.path("architecture.json")
        return keras_nas.Architecture.load(path).decisions

    def notes(self, context, stages):
        size = stages["retrain"]["input_size"]
        return (
            f"The network that was found takes images of {size} pixels, the "
            f"full and the narrowed one of {context.preset.image_size}; all "
            "are resized from the same photographs. All three are trained "
            "from scratch, alike.",
            "The narrowed network is the largest of the space, every layer "
            "narrowed by one factor.",
        )


if __name__ == "__main__":
    experiment.main(DMaskingNAS())
