"""What experiments share that search a space and then train from scratch."""

import dataclasses

import keras

import keras_nas
from experiments import experiment
from experiments import networks
from keras_nas import spaces


class SpaceSearch(experiment.Method):
    """A method whose supernet and networks a search space makes.

    Attributes:
        space_type: The class of its spaces.
        example: String, the name of one of them.
    """

    space_type, example = spaces.SearchSpace, ""

    def space(self, context):
        """Returns the space, if it and the flags fit each other."""
        space = spaces.find_space(context.preset.space)
        if not isinstance(space, self.space_type):
            raise ValueError(
                "Invalid value received for flag --space. Expected a "
                f"`keras_nas.spaces.{self.space_type.__name__}`, such as "
                f"{self.example}. Received: {space.name}, of type "
                f"{type(space).__name__}"
            )
        expected, received = self.image_size(space), context.preset.image_size
        if expected != received:
            raise ValueError(
                "Invalid value received for flag --image_size. Expected the "
                f"largest resolution of space '{space.name}', {expected}. "
                f"Received: {received}"
            )
        return space

    def image_size(self, space):
        """Returns the largest resolution of a space."""
        return space.resolutions[-1]

    def full_network(self, context):
        return self.network(context, self.space(context).biggest())

    def network(self, context, architecture):
        return networks.build(context, self.space(context), architecture)

    def narrowed(self, context, architecture=None):
        full = keras_nas.insert_masks(self.full_network(context))
        budget = self.budget_of_narrow(context, full)
        multiple = context.preset.channel_multiple
        return networks.narrow(context, full, budget, multiple)

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

    def decisions(self, context):
        path = context.run.path("architecture.json")
        return keras_nas.Architecture.load(path).decisions
