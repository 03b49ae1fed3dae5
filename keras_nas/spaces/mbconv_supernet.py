"""The supernet of a space of inverted residual blocks (DMaskingNAS)."""

import functools

import keras
from keras import layers

from keras_nas.layers import BlockChoice
from keras_nas.layers import ChannelMask
from keras_nas.layers import ResolutionSubsample
from keras_nas.layers.multiples import se_hidden
from keras_nas.spaces.block_schema import ACTIVATIONS
from keras_nas.spaces.blocks import convolution
from keras_nas.spaces.mbconv_parts import BLOCK_TYPES
from keras_nas.spaces.mbconv_parts import IRPool


def build_supernet(
    space,
    classes,
    temperature=5.0,
    wraps="network",
    seed=None,
    momentum=0.99,
    epsilon=1e-3,
):
    """Returns the model that holds all networks of an `MBConvSpace`.

    Every decision of the space is a mask of that name. The types of a block
    are computed side by side and joined by a `BlockChoice`; channels of a
    stage, and those inside a block, which its types share, are masked by a
    `ChannelMask` each, those of squeeze-excite by one that follows; if there
    are several resolutions, `ResolutionSubsample` wraps the whole network, or
    its stem, blocks and head one by one.

    Args:
        space: An `MBConvSpace`.
        classes: Integer, the number of logits.
        temperature: Float, tau of all masks at the start.
        wraps: `"network"` or `"blocks"`, what is run at each resolution before
            the results are summed.
        seed: Integer seed of all draws.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.

    Returns:
        A Functional model that returns logits.

    Raises:
        ValueError: If `wraps` is something else.
    """
    if wraps not in ("network", "blocks"):
        raise ValueError(
            "Invalid value received for argument `wraps`. Expected 'network' "
            f"or 'blocks'. Received: wraps={wraps!r}"
        )
    norm = {"momentum": momentum, "epsilon": epsilon}
    builder = _Builder(space, {"temperature": temperature, "seed": seed}, norm)
    size, several = space.resolutions[-1], len(space.resolutions) > 1
    inputs = keras.Input((size, size, 3), name="image")
    if several and wraps == "network":
        x = builder.wrapped(inputs, "network", builder.features)
    else:
        builder.wraps_blocks = several
        x = builder.features(inputs)
    outputs = layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=space.name)


class _Builder:
    def __init__(self, space, options, norm):
        self.space, self.options, self.norm = space, options, norm
        self.wraps_blocks = False
        self.first = self.last = None  # `ResolutionSubsample`.

    def features(self, inputs):
        """Returns the vector that the classifier is given."""
        space = self.space
        stage_masks = [
            self.channel_mask(f"{stage.name}_channels", stage.channels)
            for stage in space.stages
        ]
        stem = functools.partial(
            self.conv, conv=space.stem, name="block0", mask=stage_masks[0]
        )
        x, index, before = self.place(inputs, "block0", stem), 1, None
        for stage, mask in zip(space.stages, stage_masks, strict=True):
            for block in stage.blocks:
                place = functools.partial(
                    self.block,
                    block=block,
                    name=f"block{index}",
                    mask=mask,
                    mask_in=mask if block.residual else before,
                    channels=stage.channels[-1],
                )
                x = self.place(x, f"block{index}", place)
                index += 1
            before = mask
        head = functools.partial(
            self.ir_pool if isinstance(space.head, IRPool) else self.conv,
            conv=space.head,
            name=f"block{index}",
            mask=self.channel_mask("head_channels", space.head.channels),
        )
        return self.place(x, f"block{index}", lambda x: _pooled(head(x)))

    def place(self, x, name, function):
        """Applies a part of the network, wrapped if blocks are."""
        if self.wraps_blocks:
            return self.wrapped(x, name, function)
        return function(x)

    def wrapped(self, x, name, function):
        """Applies a part of the network at all resolutions."""
        resolutions = self.space.resolutions
        inside = keras.Input((None, None, x.shape[-1]))
        part = keras.Model(inside, function(inside), name=name)
        if self.last is not None:
            resolutions = self.last.output_resolutions
        self.last = ResolutionSubsample(
            list(resolutions),
            part,
            decided_by=self.first,
            name=f"{name}_resolutions" if self.first else "resolution",
            **self.options,
        )
        self.first = self.first or self.last
        return self.last(x)

    def channel_mask(self, name, choices, decided_by=None):
        """Returns a mask, or `None` where there is nothing to choose."""
        if len(set(choices)) == 1:
            return None
        return ChannelMask(
            list(choices), decided_by=decided_by, name=name, **self.options
        )

    def conv(self, x, conv, name, mask):
        return self.conv_norm(
            x,
            f"{name}_conv",
            conv.channels[-1],
            ACTIVATIONS[conv.act],
            mask,
            kernel_size=conv.kernel,
            strides=conv.stride,
            use_bias=conv.bias,
        )

    def ir_pool(self, x, conv, name, mask):
        act = ACTIVATIONS[conv.act]
        x = self.conv_norm(x, f"{name}_expand", conv.mid, act)
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Conv2D(
            conv.channels[-1], 1, use_bias=False, name=f"{name}_project"
        )(x)
        return layers.Activation(act)(_masked(x, mask))

    def block(self, x, block, name, mask, mask_in, channels):
        """Returns the output of a block: a choice of types, masked."""
        types = [t for t in block.types if t != "skip" or not block.residual]
        shared = self.inner_masks(block, x.shape[-1], mask_in)
        candidates = [
            self.candidate(x, t, block, f"{name}_{t}", channels, *shared)
            for t in types
        ]
        y = self.choice(block, candidates)
        if y is None:  # Nothing but the identity.
            return x
        y = _masked(y, mask)
        return layers.Add(name=f"{name}_add")([x, y]) if block.residual else y

    def choice(self, block, candidates):
        if len(block.types) == 1:
            return candidates[0] if candidates else None
        has_zero = len(candidates) < len(block.types)
        return BlockChoice(
            list(block.types),
            zero="skip" if has_zero else None,
            name=f"{block.name}_type",
            **self.options,
        )(candidates)

    def inner_masks(self, block, channels_in, mask_in):
        """Returns the masks of the expanded and of the squeezed channels."""
        expanded, decides = block.expanded, None
        if expanded is None:
            decides = mask_in
            expanded = mask_in.choices if mask_in else [channels_in]
        else:
            decides = self.channel_mask(f"{block.name}_expanded", expanded)
        squeezed = None
        if decides is not None:
            squeezed = self.channel_mask(
                f"{block.name}_se", [se_hidden(m) for m in expanded], decides
            )
        return decides, squeezed

    def candidate(self, x, type_, block, name, channels, expanded, squeezed):
        kind = BLOCK_TYPES[type_]
        if kind is None:
            return self.conv_norm(
                x, f"{name}_conv", channels, "relu", strides=block.stride
            )
        act = ACTIVATIONS[kind.act]
        if block.expanded is not None:
            mid = block.expanded[-1]
            x = self.conv_norm(x, f"{name}_expand", mid, act)
        depthwise = f"{name}_depthwise{kind.kernel}"
        x = layers.DepthwiseConv2D(
            kind.kernel,
            block.stride,
            padding="same",
            use_bias=False,
            name=depthwise,
        )(x)
        x = self.norm_act(x, depthwise, act, expanded)
        if kind.has_se:
            x = _squeeze_excite(x, f"{name}_se", act, squeezed)
        return self.conv_norm(x, f"{name}_project", channels)

    def conv_norm(self, x, name, filters, act=None, mask=None, **kwargs):
        x = convolution(x, name, filters, **kwargs)
        return self.norm_act(x, name, act, mask)

    def norm_act(self, x, name, act, mask):
        x = layers.BatchNormalization(**self.norm, name=f"{name}_bn")(x)
        x = _masked(x, mask)
        return x if act is None else layers.Activation(act)(x)


def _masked(x, mask):
    return x if mask is None else mask(x)


def _pooled(x):
    return layers.GlobalAveragePooling2D()(x)


def _squeeze_excite(x, name, act, mask):
    hidden = se_hidden(x.shape[-1])
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(hidden, 1, activation=act, name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(
        x.shape[-1], 1, activation="hard_sigmoid", name=f"{name}_expand"
    )(_masked(gate, mask))
    return layers.Multiply(name=f"{name}_scale")([x, gate])
