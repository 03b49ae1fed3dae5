r"""AtomNAS: search and train in one, by shrinking; export, verify, report.

    python -m experiments.atomnas --output_dir=runs/atomnas

trains a supernet of blocks with three kernel sizes each on the embedded
photographs, and cuts atomic blocks out while it trains: how many channels each
block has of each kernel size. What is left at the end is the result; it is not
trained again. Beside it, and for as many epochs, the supernet, the same
network from scratch, and a uniformly narrowed one are trained. It writes
`.keras`, SavedModel and `.tflite` files, proves that they compute the same,
and writes report.md. For a supernet of the paper, or a network of your own:

    python -m experiments.atomnas --output_dir=runs/mine --space=net.keras \
        --dataset=NAME --data_dir=DIR --image_size=96 --target=0.3
"""

import dataclasses
import functools

import keras

import keras_nas
from experiments import experiment
from experiments import fitting
from experiments import networks
from experiments import pipeline
from experiments.atomnas_presets import ATOMNAS
from keras_nas import report
from keras_nas import spaces
from keras_nas.graph import flow_of
from keras_nas.slicing.atomic_blocks import atom_kinds


class AtomNAS(experiment.Method):
    """Importance factors between the convolutions of a supernet."""

    name, module, presets = "AtomNAS", "atomnas", ATOMNAS
    trains_to_the_end = True

    def full_network(self, context):
        preset, data = context.preset, context.data
        if self.is_space(context):
            space = spaces.find_space(preset.space)
            return networks.build(context, space, space.biggest())
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            return spaces.find_network(
                preset.space, data.input_shape, data.num_classes
            )

    def is_space(self, context):
        """Whether `--space` is a search space of AtomNAS."""
        name = context.preset.space
        if name not in spaces.space_names():
            return False
        space = spaces.find_space(name)
        if not isinstance(space, spaces.AtomNASSpace):
            raise ValueError(
                "Invalid value received for flag --space. Expected a space of "
                f"AtomNAS, or a network. Received: {name!r}"
            )
        expected, received = space.resolution, context.preset.image_size
        if expected != received:
            raise ValueError(
                "Invalid value received for flag --image_size. Expected that "
                f"of space '{name}', {expected}. Received: {received}"
            )
        return True

    def supernet(self, context):
        """Returns the full network with importance factors."""
        preset = context.preset
        options = {
            "threshold": preset.threshold,
            "average_momentum": preset.average_momentum,
            "seed": context.seed,
        }
        keras.utils.set_random_seed(context.seed)
        with context.strategy.scope():
            if self.is_space(context):
                return spaces.find_space(preset.space).supernet(
                    context.data.num_classes,
                    momentum=preset.bn_momentum,
                    **options,
                )
            options["momentum"] = options.pop("average_momentum")
            seed = options.pop("seed")
            return keras_nas.insert_masks(
                self.full_network(context),
                functools.partial(keras_nas.AtomicBlockScale, **options),
                seed=seed,
            )

    def new_search(self, context):
        preset = context.preset
        supernet = self.supernet(context)
        with context.strategy.scope():
            return keras_nas.search.AtomNAS(
                supernet,
                preset.budget(),
                ramp=preset.ramp,
                normalization=preset.normalization,
                cost_aware=preset.cost_aware,
                min_dead_cost=preset.min_dead_cost,
                recalibration_steps=self.recalibration_steps(context),
            )

    def recalibration_steps(self, context):
        """Returns the number of batches of `recalibration_data`."""
        size = self.recalibration_batch(context)
        return -(-context.preset.recalibration_images // size)

    def recalibration_batch(self, context):
        preset = context.preset
        # Small batches would take longer to start than to compute.
        return max(preset.batch_size, min(512, preset.recalibration_images))

    def recalibration_data(self, context):
        """Returns batches of training images, the same in every epoch."""
        stream = context.data.stream("train")
        return stream.rebatch(self.recalibration_batch(context))

    def compile(self, context, search):
        preset, data = context.preset, context.data
        steps, epochs = data.steps("train"), preset.search_epochs
        factors = None
        if preset.mask_learning_rate:
            factors = dataclasses.replace(
                preset.recipe(), learning_rate=preset.mask_learning_rate
            ).optimizer(steps, epochs)
        with context.strategy.scope():
            search.compile(
                preset.recipe().optimizer(steps, epochs),
                context.loss(search.model),
                metrics=["accuracy"],
                mask_optimizer=factors,
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

    def whole(self, context, masked):
        return self.supernet(context)

    def sliced(self, context, masked, architecture):
        _, slice_report = keras_nas.slice_model(
            self.supernet(context), architecture, return_report=True
        )
        return keras_nas.slice_model(masked), slice_report

    def search_macs(self, context, stage):
        """Of what was left of the network in each epoch."""
        full = keras_nas.count_cost(self.full_network(context)).macs
        epochs = sum(stage["history"]["trained_cost"])
        return round(full * context.images("train") * epochs)

    def network(self, context, architecture):
        path = context.run.path("model.keras")
        found = keras.models.load_model(path, compile=False)
        return pipeline.from_scratch(context, found)

    def narrowed(self, context, architecture=None):
        preset, full = context.preset, self.full_network(context)
        cost = preset.budget_of(self.supernet(context), architecture)
        return networks.narrow(context, keras_nas.insert_masks(full), cost)

    def atoms(self, context, architecture):
        blocks = {}
        full = self.supernet(context)
        sizes = {
            mask.name: len(mask.probabilities()) for mask in flow_of(full).masks
        }
        for kind in atom_kinds(full):
            block = blocks.setdefault(kind.block, (kind, {}, {}))
            kept = len(architecture.decisions[kind.mask])
            for counts, number in zip(
                block[1:], (kept, sizes[kind.mask]), strict=True
            ):
                size = kind.kernel_size
                counts[size] = counts.get(size, 0) + number
        return tuple(
            report.AtomBlock(name, kept, total, kind.has_shortcut)
            for name, (kind, kept, total) in blocks.items()
        )

    def results(self, context, stages):
        """What search and training cost together, over what training the
        network that was found costs."""
        search, retrain = stages["search"], stages["retrain"]
        trained = search["history"]["trained_cost"]
        decided = search["history"]["decided_cost"][-1]
        return {
            "retrained_test_accuracy": retrain["test_accuracy"],
            "last_val_accuracy": search["history"]["val_accuracy"][-1],
            "cost_ratio": sum(trained) / (len(trained) * decided),
            "seconds_ratio": search["fit_seconds"] / retrain["fit_seconds"],
        }

    def notes(self, context, stages):
        results = self.results(context, stages)
        what = {"macs": "multiply-adds"}.get(
            context.preset.cost, context.preset.cost
        )
        return (
            "Search and training together took "
            f"{results['cost_ratio']:.2f} times the {what}, and "
            f"{results['seconds_ratio']:.2f} times the seconds, of training "
            "the network that was found from scratch.",
        )


if __name__ == "__main__":
    experiment.main(AtomNAS())
