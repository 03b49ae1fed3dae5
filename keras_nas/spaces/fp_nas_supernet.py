"""The supernet of a space of FP-NAS' kind."""

import itertools

import keras
import numpy as np
from keras import layers

from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticBottleneck
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticResidual
from keras_nas.layers import ElasticSplitAttention
from keras_nas.layers import ElasticSwitch
from keras_nas.layers import ElasticZeros
from keras_nas.spaces.block_schema import ACTIVATIONS
from keras_nas.spaces.blocks import subsampling


def build_supernet(
    space,
    classes,
    execution="sliced",
    recompute=False,
    synchronized=False,
    momentum=0.99,
    epsilon=1e-3,
    seed=None,
):
    """Returns the model that holds all networks of an `FPNASSpace`.

    Every decision of the space is an `ElasticChoice` of that name. A block is
    an `ElasticSwitch` between what it may be, and an `ElasticResidual` where
    it has the stride 1. Numbers of splits share no weights, all else does:
    kernels are the centres of larger ones, channels the first of more.

    Args:
        space: An `FPNASSpace`.
        classes: Integer, the number of logits.
        execution: `"sliced"` or `"masked"`.
        recompute: Boolean, that of every `ElasticSwitch` of a block.
        synchronized: Boolean, that of every BatchNormalization.
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
    builder = _Builder(space, norm, execution, recompute, seed)
    size = space.resolution
    inputs = keras.Input((size, size, 3), name="image")
    x = builder.features(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = ElasticDense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=space.name)


class _Decision:
    """What a decision of the space is in the supernet.

    Attributes:
        options: Tuple of what there is to choose from.
        choice: The `ElasticChoice`, or `None` for a single option.
        argument: What elastic layers take for it.
    """

    def __init__(self, key, options, seed):
        self.options, self.choice = options, None
        self.argument = options[0]
        if len(options) > 1:
            self.choice = ElasticChoice(options, seed=seed, name=key)
            self.argument = self.choice


class _Builder:
    def __init__(self, space, norm, execution, recompute, seed):
        self.space, self.norm, self.seed = space, norm, seed
        self.execution, self.recompute = execution, recompute

    def features(self, x):
        """Returns the map that is pooled."""
        space = self.space
        before = self.decision("stem_channels", space.stem.channels)
        for layer in self.conv(space.stem, "stem", before):
            x = layer(x)
        for row in space.rows:
            decisions = [self.decision(*item) for item in row.options().items()]
            for position in range(row.repeats):
                x = self.block(x, row, position, before, *decisions)
                before = decisions[-1]
        head = self.decision("head_channels", space.head.channels)
        for layer in self.conv(space.head, "head", head):
            x = layer(x)
        return x

    def decision(self, key, options):
        return _Decision(key, options, self.seed)

    def conv(self, conv, name, channels):
        """Returns the layers of a stem or a head."""
        activation = layers.Activation(
            ACTIVATIONS[conv.act], name=f"{name}_act"
        )
        convolution = self.conv_norm(
            name,
            self.mask(name, channels),
            channels.options[-1],
            kernel_size=conv.kernel,
            strides=conv.stride,
            use_bias=conv.bias,
        )
        return [*convolution, activation]

    def block(
        self, x, row, position, before, kernel, act, splits, expansion, channels
    ):
        """Returns the output of a block."""
        name = f"{row.name}_block{position + 1}"
        stride = 1 if position else row.stride

        def kind(kernel, splits, cin, cout):
            """Returns what a block is: its splits, or what it is without."""
            if kernel:
                return splits
            return "zeros" if stride == 1 and cin == cout else "conv"

        def make(kind):
            if kind == "zeros":
                return self.zeros(x, f"{name}_zeros", channels)
            if kind == "conv":
                return self.skip(f"{name}_skip", channels, stride)
            decisions = before, kernel, act, expansion, channels
            own = f"{name}_splits{kind}"
            return self.body(own, row, kind, stride, *decisions)

        decisions = kernel, splits, before, channels
        layer = self.switch(name, kind, make, decisions)
        if layer is None:  # Nothing but the identity.
            return x
        y = layer(x)
        common = set(before.options) & set(channels.options)
        if stride > 1 or not common:
            return y
        return ElasticResidual(
            [before.argument, channels.argument],
            execution=self.execution,
            name=f"{name}_residual",
        )([x, y])

    def switch(self, name, kind, make, decisions):
        """Returns the layer that runs what decisions say, or `None`.

        It is `None` where there is never anything but zeros of the shape of
        the input.

        Args:
            name: String.
            kind: Function of an option of each decision: what is run.
            make: Function of that: a layer, or `None`.
            decisions: Tuple of `_Decision`.
        """
        unique = list(
            {id(decision): decision for decision in decisions}.values()
        )
        shape = [len(decision.options) for decision in unique]
        kinds = np.empty(shape, object)
        for index in itertools.product(*map(range, shape)):
            options = {
                id(decision): decision.options[i]
                for decision, i in zip(unique, index, strict=True)
            }
            kinds[index] = kind(*(options[id(d)] for d in decisions))
        for axis, decision in reversed(list(enumerate(unique))):
            first = np.take(kinds, [0], axis)
            if np.all(kinds == first):  # It does not matter.
                kinds = np.squeeze(first, axis)
                unique.remove(decision)
        found = sorted(set(kinds.reshape(-1).tolist()), key=str)
        if len(found) == 1:
            return make(found[0])
        return ElasticSwitch(
            [make(one) for one in found],
            [decision.choice for decision in unique],
            np.vectorize(found.index)(kinds).tolist(),
            self.recompute,
            name=name,
        )

    def zeros(self, x, name, channels):
        """Returns a layer that makes zeros, or `None` for the input's shape."""
        if x.shape[-1] == channels.options[-1]:
            return None
        return ElasticZeros(
            channels.options[-1], self.mask(name, channels), name=name
        )

    def skip(self, name, channels, stride):
        """Returns a block that does nothing but change the shape."""
        parts = self.conv_norm(
            f"{name}_conv",
            self.mask(f"{name}_conv", channels),
            channels.options[-1],
        )
        if stride > 1:
            parts.insert(0, subsampling(stride, f"{name}_conv_subsample"))
        parts.append(layers.ReLU(name=f"{name}_act"))
        return keras.Sequential(parts, name=name)

    def body(
        self,
        name,
        row,
        splits,
        stride,
        before,
        kernel,
        act,
        expansion,
        channels,
    ):
        """Returns a block with some number of splits, but its shortcut."""
        widths = [
            [row.mid(cin, ratio) for ratio in expansion.options]
            for cin in before.options
        ]
        inside = self.mask(f"{name}_inside", before, expansion, widths=widths)
        attention = ElasticSplitAttention(
            kernel.argument,
            splits,
            stride,
            width=inside,
            activation=self.activation(f"{name}_depthwise_act", act),
            execution=self.execution,
            name=f"{name}_depthwise",
            **self.norm,
        )
        return ElasticBottleneck(
            self.mask(name, channels) or channels.options[-1],
            inside or int(np.max(widths)),
            attention,
            row.expands,
            self.activation(f"{name}_act", act),
            name=name,
            **self.norm,
        )

    def activation(self, name, act):
        branches = [
            layers.Activation(ACTIVATIONS[option], name=f"{name}_{option}")
            for option in act.options
        ]
        if act.choice is None:
            return branches[0]
        return ElasticSwitch(
            branches, act.choice, recompute=self.recompute, name=name
        )

    def mask(self, name, *decisions, widths=None):
        """Returns the mask of what decisions make of channels, if any.

        Args:
            name: String.
            *decisions: Each a `_Decision`.
            widths: Numbers of channels, with an axis for each decision; by
                default those of a single one.
        """
        widths = np.array(decisions[0].options if widths is None else widths)
        choices = [d.choice for d in decisions if d.choice is not None]
        if not choices:
            return None
        return ElasticChannels(
            widths.reshape([len(c.options) for c in choices]).tolist(),
            choices,
            execution=self.execution,
            name=f"{name}_mask",
        )

    def conv_norm(self, name, mask, filters, kernel_size=1, **kwargs):
        """Returns a convolution, its BatchNormalization, and its mask."""
        kwargs = {"padding": "same", "use_bias": False, **kwargs}
        convolution = ElasticConv2D(
            filters, kernel_size, width=mask, name=name, **kwargs
        )
        norm = ElasticBatchNormalization(**self.norm, name=f"{name}_bn")
        return [convolution, norm, *([] if mask is None else [mask])]
