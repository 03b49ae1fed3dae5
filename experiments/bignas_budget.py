"""BigNAS for one budget: the best child of a supernet, trained anew."""

import keras_nas
from experiments import networks
from experiments import pipeline
from experiments.bignas import BigNAS
from experiments.patches import PatchContext


class BigNASForBudget(BigNAS):
    """What BigNAS selects for the target, as other methods' results."""

    def search_stage(self, context):
        preset = context.preset
        patches = PatchContext(**vars(context))
        facts = self.train(patches)
        selected = self.select(patches, *context.worker)
        (child,) = (c for c in selected["children"] if c["budget"])
        architecture = keras_nas.Architecture(preset.space, child["decisions"])
        context.run.save(architecture, "architecture.json")
        batches = self.recalibration_data(patches)
        found = self.trained(patches).export_model(architecture, batches)
        return {**facts, **pipeline.facts(patches, found)}

    def search_macs(self, context, stage):
        """Of the biggest, the smallest and some random networks in each step,
        those at the mean cost of the space."""
        preset, space = context.preset, self.space(context)
        classes = context.data.num_classes
        ends, _ = space.costs([space.smallest(), space.biggest()], classes)
        sampled, _ = space.costs(space.sample_indices(1000, seed=0), classes)
        macs = ends.sum() + preset.random_children * sampled.mean()
        return round(macs * context.images("train") * preset.search_epochs)

    def network(self, context, architecture):
        return networks.build(context, self.space(context), architecture)

    def narrowed(self, context, architecture=None):
        biggest = self.network(context, self.space(context).biggest())
        masked = keras_nas.insert_masks(biggest)
        return networks.narrow(context, masked, context.preset.budget())
