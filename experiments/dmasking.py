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
from experiments import fitting
from experiments.dmasking_presets import DMASKING
from experiments.space_search import SpaceSearch
from keras_nas import spaces
from keras_nas.layers import subsample


class DMaskingNAS(SpaceSearch):
    """Masks on everything that a space leaves open."""

    name, module = "DMaskingNAS", "dmasking"
    presets = DMASKING
    space_type, example = spaces.MBConvSpace, "small_mbconv"

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

    def compile(self, context, search):
        preset = context.preset
        recipe = dataclasses.replace(
            preset.recipe(),
            algorithm="sgd",
            learning_rate=preset.search_learning_rate,
        )
        data = self.data(context)
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

    def search(self, context, search):
        data = self.data(context)
        self.compile(context, search)
        return fitting.fit_search(
            context,
            search,
            data,
            "search",
            architecture_data=lambda epoch: data.epoch(
                "architecture", epoch, context.input_context
            ),
        )

    def search_macs(self, context, stage):
        """Of all candidates at all resolutions, which count by their area."""
        preset, space = context.preset, self.space(context)
        data = self.data(context)
        largest = space.resolutions[-1]
        areas = sum((size / largest) ** 2 for size in space.resolutions)
        with_masks = preset.search_epochs - preset.weights_epochs
        steps = data.steps("search") * preset.search_epochs
        steps += data.steps("architecture") * with_masks
        images = steps * data.batch_size
        return round(self.supernet_macs(context) * areas * images)

    def data(self, context):
        """Returns the data of the search: a part is for the architecture."""
        size = context.preset.image_size
        return context.at(size, architecture_share=0.2).data

    def comparable(self, context, sliced):
        size = context.preset.image_size
        images = keras.Input((size, size, 3))
        small = subsample(images, sliced.input_shape[1])
        return keras.Model(images, sliced(small))

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
