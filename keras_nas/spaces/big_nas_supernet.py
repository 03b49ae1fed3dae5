"""The supernet of a space of BigNAS' kind."""

import keras
from keras import layers

from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticDropout
from keras_nas.layers import ElasticMBConv
from keras_nas.layers import ElasticResolution

_ACTIVATION = "silu"


def build_supernet(
    space,
    classes,
    dropout=0.2,
    zero_gamma=True,
    execution="sliced",
    synchronized=False,
    input_size=None,
    momentum=0.99,
    epsilon=1e-3,
    seed=None,
):
    """Returns the model that holds all networks of a `BigNASSpace`.

    Every decision of the space is an `ElasticChoice` of that name. Blocks are
    `ElasticMBConv` layers; where there are several resolutions an
    `ElasticResolution` is around them.

    Args:
        space: A `BigNASSpace`.
        classes: Integer, the number of logits.
        dropout: Float, the rate in front of the classifier.
        zero_gamma: Boolean, whether blocks begin as their shortcuts.
        execution: `"sliced"` or `"masked"`.
        synchronized: Boolean, that of every BatchNormalization.
        input_size: Integer, height and width of the patches that are resized
            to all resolutions; by default the largest resolution.
        momentum: Float, that of every BatchNormalization of a network that is
            cut out.
        epsilon: Float, that of every BatchNormalization.
        seed: Integer seed of the draws.

    Returns:
        A Functional model that returns logits.
    """
    norm = {
        "momentum": momentum,
        "epsilon": epsilon,
        "synchronized": synchronized,
    }
    builder = _Builder(space, norm, zero_gamma, execution, seed)
    several = len(space.resolutions) > 1
    size = None if several else space.resolutions[0]
    inputs = x = keras.Input((size, size, 3), name="image")
    x = builder.features(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = ElasticDropout(dropout, seed=seed, name="dropout")(x)
    outputs = ElasticDense(classes, name="logits")(x)
    network = keras.Model(inputs, outputs, name="network")
    if several:
        size = input_size or space.resolutions[-1]
        inputs = keras.Input((size, size, 3), name="image")
        resolution = builder.choice("resolution", space.resolutions)
        outputs = ElasticResolution(
            list(space.resolutions),
            network,
            resolution,
            execution=execution,
            name="resized",
        )(inputs)
    return keras.Model(inputs, outputs, name=space.name)


class _Builder:
    def __init__(self, space, norm, zero_gamma, execution, seed):
        self.space, self.norm, self.seed = space, norm, seed
        self.zero_gamma, self.execution = zero_gamma, execution

    def features(self, x):
        """Returns the map that is pooled."""
        space = self.space
        before = self.choice("stem_channels", space.stem)
        x = self.conv_norm(
            x, "stem", space.stem, before, kernel=3, strides=space.stem_stride
        )
        for stage in space.stages:
            x, before = self.stage(x, stage, before)
        head = self.choice("head_channels", space.head)
        return self.conv_norm(x, "head", space.head, head)

    def stage(self, x, stage, before):
        """Returns the output of a stage, and the choice of its channels."""
        channels, depth, kernel = (
            self.choice(key, options)
            for key, options in stage.options().items()
        )
        for position in range(max(stage.depths)):
            is_first = position == 0
            x = ElasticMBConv(
                channels or stage.channels[0],
                kernel or stage.kernels[0],
                stage.expansion,
                stage.stride if is_first else 1,
                filters_in=before if is_first else channels,
                depth=depth if position >= min(stage.depths) else None,
                position=position,
                activation=_ACTIVATION,
                zero_gamma=self.zero_gamma,
                execution=self.execution,
                name=f"{stage.name}_block{position + 1}",
                **self.norm,
            )(x)
        return x, channels

    def choice(self, key, options):
        """Returns the choice of a decision; `None` for a single option."""
        if len(options) == 1:
            return None
        return ElasticChoice(options, seed=self.seed, name=key)

    def conv_norm(self, x, name, widths, choice, kernel=1, strides=1):
        mask = None
        if choice is not None:
            mask = ElasticChannels(
                widths,
                choice,
                execution=self.execution,
                name=f"{name}_mask",
            )
        x = ElasticConv2D(
            widths[-1],
            kernel,
            strides,
            padding="same",
            use_bias=False,
            width=mask,
            name=f"{name}_conv",
        )(x)
        x = ElasticBatchNormalization(**self.norm, name=f"{name}_bn")(x)
        x = x if mask is None else mask(x)
        return layers.Activation(_ACTIVATION, name=f"{name}_act")(x)
