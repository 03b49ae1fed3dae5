"""Networks that several experiments train: of a space, and narrowed."""

import keras

import keras_nas
from experiments import pipeline


def build(context, space, architecture):
    """Returns the network of an architecture of a space, with fresh weights.

    Args:
        context: The `Context`, whose preset has a `bn_momentum`.
        space: A search space.
        architecture: An `Architecture` of it.
    """
    keras.utils.set_random_seed(context.seed)
    with context.strategy.scope():
        return space.build(
            architecture,
            context.data.num_classes,
            momentum=context.preset.bn_momentum,
        )


def narrow(context, masked, budget, channel_multiple=None):
    """Returns the widest network within a budget whose layers are narrowed
    alike, with fresh weights.

    Args:
        context: The `Context`.
        masked: A network with masks.
        budget: The regularizer that holds the target.
        channel_multiple: Of `keras_nas.search.WidthMultiplier`.
    """
    narrowed = keras_nas.search.WidthMultiplier(
        masked, budget, channel_multiple
    ).export_model()
    return pipeline.from_scratch(context, narrowed)
