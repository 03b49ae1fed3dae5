r"""FP-NAS: search a distribution over networks; retrain, export, verify.

    python -m experiments.fpnas --output_dir=runs/fpnas

searches a space of small inverted residual networks on the embedded
photographs: kernels, activations, split attention, expansions and channels.
Each step draws networks and computes those only. It trains the network that
was found from scratch, beside the largest one of the space, uniformly narrowed
to the same budget, writes `.keras`, SavedModel and `.tflite` files, proves that
they compute the same, and writes report.md. For other data, and a space of the
paper, with a network of your own as the teacher of what was found:

    python -m experiments.fpnas --output_dir=runs/mine --space=fp_nas_f_plus \
        --dataset=NAME --data_dir=DIR --image_size=128 --target=60e6 \
        --teacher=teacher.keras
"""

import dataclasses

import keras

import keras_nas
from experiments import experiment
from experiments import fitting
from experiments import pipeline
from experiments.fpnas_presets import FPNAS
from experiments.space_search import SpaceSearch
from keras_nas import spaces


class FPNASExperiment(SpaceSearch):
    """A distribution over the networks of a space."""

    name, module, presets = "FP-NAS", "fpnas", FPNAS
    space_type, example = spaces.FPNASSpace, "small_fp_nas"

    def image_size(self, space):
        return space.resolution

    def new_search(self, context):
        preset, space = context.preset, self.space(context)
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            supernet = space.supernet(
                context.data.num_classes,
                execution=preset.execution,
                momentum=preset.bn_momentum,
                seed=context.seed,
            )
            return keras_nas.search.FPNAS(
                supernet,
                preset.budget(),
                groups=space.groups,
                cost_weight=preset.cost_weight,
                samples_per_nat=preset.samples_per_nat,
                samples=preset.samples or None,
                distribution=preset.distribution,
                joint_epoch=preset.joint_epoch,
                warmup_epochs=preset.search_warmup_epochs,
                likelihood_temperature=preset.likelihood_temperature or "batch",
                recalibration_steps=pipeline.batches_of(
                    preset.recalibration_images
                ),
                seed=context.seed,
            )

    def compile(self, context, search):
        preset = context.preset
        recipe = dataclasses.replace(
            preset.recipe(),
            algorithm="sgd",
            decay="cosine",
            learning_rate=preset.search_learning_rate,
            ema_momentum=0.0,
        )
        data = self.data(context)
        with context.strategy.scope():
            search.compile(
                recipe.optimizer(data.steps("search"), preset.search_epochs),
                context.loss(search.model),
                metrics=["accuracy"],
                logits_optimizer=keras.optimizers.Adam(
                    preset.logits_learning_rate
                ),
            )

    def search(self, context, search):
        preset, data = context.preset, self.data(context)
        self.compile(context, search)
        batches = pipeline.first_images(
            data, "search", preset.recalibration_images
        )
        history = fitting.fit_search(
            context,
            search,
            data,
            "search",
            streams={"architecture_data": "architecture"},
            recalibration_data=batches,
        )
        search.recalibrate(search.architecture(), batches)
        return history

    def data(self, context):
        """Returns the data of the search: a half is for the architecture."""
        size = context.preset.image_size
        return context.at(size, architecture_share=0.5).data

    def search_macs(self, context, stage):
        """Of the samples, each on a batch for the weights and, behind the
        warm-up, on one for the architecture, too."""
        space, classes = self.space(context), context.data.num_classes
        full = space.cost(space.biggest(), classes).macs
        history, warmup = stage["history"], context.preset.search_warmup_epochs
        images = sum(
            samples * cost * (1 if epoch < warmup else 2)
            for epoch, (samples, cost) in enumerate(
                zip(history["samples"], history["sampled_cost"], strict=True)
            )
        )
        return round(images * context.data.batch_size * full)

    def results(self, context, stages):
        history = stages["search"]["history"]
        return {
            "samples": sum(history["samples"]),
            "entropy": history["entropy"][-1],
        }

    def notes(self, context, stages):
        results = self.results(context, stages)
        return (
            f"The search drew {results['samples']:,.0f} networks. Its "
            f"distribution ended with an entropy of {results['entropy']:.2f} "
            "nats.",
            "The narrowed network is the largest of the space, every layer "
            "narrowed by one factor. All three are trained from scratch, "
            "alike.",
        )


if __name__ == "__main__":
    experiment.main(FPNASExperiment())
