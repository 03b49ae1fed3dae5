"""Networks with choices, written as lists of steps.

A step is `(name, option)`, or `(name, option, recipes)` for a choice among
the networks of some recipes. Options are any integers.
"""

import keras
from keras import layers

from keras_nas import BlockChoice
from keras_nas import ChannelMask
from keras_nas import ResolutionSubsample
from tests.common import mask
from tests.common import randomize

FILTERS = 4, 6
ACTIVATIONS = "relu", "sigmoid", "hard_silu"


class Builder:
    """Builds a network step by step, with names that do not change."""

    def __init__(self):
        self.number = 0
        self.shared = {}  # By the number of channels: a mask.

    def name(self, kind):
        self.number += 1
        return f"{kind}{self.number}"

    def run(self, x, steps):
        for name, option, *recipes in steps:
            x = getattr(self, name)(x, option, *recipes)
        return x

    def conv(self, x, option, filters=None):
        is_valid = option // 4 % 4 == 3 and (x.shape[1] or 0) > 4
        return layers.Conv2D(
            filters or FILTERS[option % 2],
            (1, 3)[option // 2 % 2],
            padding="valid" if is_valid else "same",
            use_bias=bool(option // 16 % 2),
            name=self.name("conv"),
        )(x)

    def depthwise(self, x, option):
        return layers.DepthwiseConv2D(
            3,
            padding="same",
            use_bias=bool(option % 2),
            name=self.name("depthwise"),
        )(x)

    def norm(self, x, option):
        return layers.BatchNormalization(name=self.name("norm"))(x)

    def act(self, x, option):
        return layers.Activation(ACTIVATIONS[option % 3])(x)

    def pool(self, x, option):
        padding = "valid" if (x.shape[1] or 0) > 3 else "same"
        return layers.MaxPooling2D(2, padding=padding)(x)

    def global_pool(self, x, option):
        return layers.GlobalAveragePooling2D()(x)

    def figs(self, x, option):
        return mask(self.name("figs"))(x)

    def numbers(self, channels, option):
        return sorted({1 + option % 2, channels - 1, channels})

    def channels(self, x, option):
        return self.channel_mask(x.shape[-1], option)(x)

    def channel_mask(self, channels, option):
        choices = self.numbers(channels, option)
        return ChannelMask(choices, seed=0, name=self.name("channels"))

    def shared_channels(self, x, option):
        channels = x.shape[-1]
        if channels not in self.shared:
            self.shared[channels] = self.channel_mask(channels, option)
        return self.shared[channels](x)

    def squeeze_excite(self, x, option):
        decides = self.channel_mask(x.shape[-1], option)
        x = decides(x)
        follows = ChannelMask(
            [1, 2, 2][: len(decides.options)],
            decided_by=decides,
            name=self.name("follower"),
        )
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(2, 1, activation="relu", name=self.name("reduce"))(
            gate
        )
        gate = layers.Conv2D(
            x.shape[-1], 1, activation="sigmoid", name=self.name("expand")
        )(follows(gate))
        return layers.Multiply()([x, gate])

    def residual(self, x, option):
        y = self.conv(x, option & ~12, x.shape[-1])
        return layers.Add()([x, y])

    def concatenate(self, x, option):
        y = self.conv(x, option & ~12)
        return layers.Concatenate()([y, x] if option & 32 else [x, y])

    def candidates(self, x, recipes, filters):
        """Returns the outputs of recipes, brought to one shape."""
        outputs = [self.run(x, steps) for steps in recipes]
        size = outputs[0].shape[1]
        shapes = {(y.shape[1], y.shape[-1]) for y in outputs}
        if shapes == {(size, filters)}:
            return outputs
        ends = []
        for y in outputs:
            if y.shape[1] != size:
                y = layers.Resizing(size, size, interpolation="nearest")(y)
            if y.shape[-1] != filters:
                y = layers.Conv2D(filters, 1, name=self.name("project"))(y)
            ends.append(y)
        return ends

    def choose(self, x, recipes, filters, zero=None, shared=None):
        outputs = self.candidates(x, recipes, filters)
        options = [f"option{i}" for i in range(len(outputs))]
        if zero is not None:
            options.insert(zero % (len(options) + 1), "zero")
        return BlockChoice(
            options,
            zero=None if zero is None else "zero",
            seed=0,
            name=self.name("choice"),
        )(outputs)

    def choice(self, x, option, recipes):
        filters = (x.shape[-1], *FILTERS)[option % 3]
        return self.choose(x, recipes, filters)

    def residual_choice(self, x, option, recipes):
        """Next to a shortcut, mostly with an option for nothing."""
        zero = None if option % 4 == 3 else option
        y = self.choose(x, recipes, x.shape[-1], zero)
        if option & 16:
            y = self.shared_channels(y, option)
        if option & 32:
            y = self.norm(y, option)
        if y.shape[1] != x.shape[1]:
            x = layers.Resizing(y.shape[1], y.shape[1])(x)
        return layers.Add()([y, x] if option & 64 else [x, y])

    def concatenated_choice(self, x, option, recipes):
        zero = option if option & 16 else None
        y = self.choose(x, recipes, FILTERS[option % 2], zero)
        if y.shape[1] != x.shape[1]:
            x = layers.Resizing(y.shape[1], y.shape[1])(x)
        return layers.Concatenate()([y, x] if option & 32 else [x, y])


def build(recipe, seed=0):
    """Returns the model of a recipe, with random weights."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    builder = Builder()
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(FILTERS[0], 1, name="first")(inputs)
    x = builder.run(x, recipe)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(3, name="classifier")(x)
    return randomize(keras.Model(inputs, outputs), seed)


def build_at_resolutions(parts, resolutions, seed=0):
    """Returns a model whose parts are wrapped one by one.

    Args:
        parts: List of recipes; what is between them, with all that works on
            single pixels, are recipes too.
        resolutions: List of sizes.
        seed: Integer.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    builder, leader = Builder(), None
    inputs = x = keras.Input((resolutions[-1], resolutions[-1], 3))
    pool = [("global_pool", 0)]
    for number, (between, inner) in enumerate([*parts, ([], pool)]):
        x = builder.run(x, between)
        inside = keras.Input((None, None, x.shape[-1]))
        part = keras.Model(inside, builder.run(inside, inner))
        wrap = ResolutionSubsample(
            resolutions,
            part,
            decided_by=leader,
            seed=0,
            name=f"wrap{number}" if leader else "resolution",
        )
        x = wrap(x)
        leader = leader or wrap
        if len(x.shape) == 4:
            resolutions = wrap.output_resolutions
    outputs = layers.Dense(3, name="classifier")(x)
    return randomize(keras.Model(inputs, outputs), seed)
