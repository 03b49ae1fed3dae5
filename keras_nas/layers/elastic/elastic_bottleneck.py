"""The layers of an elastic inverted residual block, without its shortcut."""

import keras
from keras import layers

from keras_nas.layers import sharing
from keras_nas.layers.elastic.bottleneck import Bottleneck
from keras_nas.layers.elastic.bottleneck import build_in_turn
from keras_nas.layers.elastic.bottleneck import close
from keras_nas.layers.elastic.elastic_mask import deserialize_layers
from keras_nas.layers.elastic.elastic_mask import serialize_layers
from keras_nas.layers.elastic.slices import deserialize_width
from keras_nas.layers.elastic.slices import serialize_width

_PARTS = "filters", "inside", "middle", "activation"


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticBottleneck(Bottleneck):
    """Two 1x1 convolutions, and between them a layer on more channels.

    Use it for blocks whose channels inside follow several decisions, or that
    have something of their own in the middle; `ElasticMBConv` is such a block
    with a depthwise convolution and a shortcut. It is a 1x1 convolution,
    BatchNorm and an activation; the layer in the middle; and a 1x1 convolution
    and BatchNorm.

    Args:
        filters: Number of output channels: an integer, or the
            `ElasticChannels` that keeps some of them.
        inside: Number of channels in the middle, the same.
        middle: The layer in the middle, which keeps the number of channels
            and leaves those at 0 that are not kept, such as an
            `ElasticDepthwiseConv2D` without bias.
        expands: Boolean, whether there is the first convolution; otherwise
            `inside` is that of the input.
        activation: Name of the activation function, or a layer without
            weights, such as an `ElasticSwitch` of several.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        zero_gamma: Boolean, whether the scales of the last BatchNormalization
            begin at 0.
        synchronized: Boolean, whether BatchNormalization takes its statistics
            from all replicas of a strategy.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of rank 4, perhaps with the first channels only.
        training: Boolean; options are drawn in training.

    Raises:
        ValueError: If a number of channels or the middle is none.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticBottleneck, ElasticChannels
    >>> from keras_nas.layers import ElasticChoice, ElasticDepthwiseConv2D
    >>> from keras_nas.layers import ElasticSwitch
    >>> ratio = ElasticChoice(["0.75", "1.5"], name="ratio")
    >>> act = ElasticChoice(["relu", "silu"], name="act")
    >>> functions = [keras.layers.Activation(name) for name in act.options]
    >>> block = ElasticBottleneck(
    ...     filters=8,
    ...     inside=ElasticChannels([6, 12], ratio),
    ...     middle=ElasticDepthwiseConv2D([3, 5], padding="same"),
    ...     activation=ElasticSwitch(functions, act),
    ... )
    >>> block(np.ones((1, 4, 4, 8), "float32")).shape
    TensorShape([1, 4, 4, 8])
    """

    def __init__(
        self,
        filters,
        inside,
        middle,
        expands=True,
        activation="silu",
        momentum=0.99,
        epsilon=1e-3,
        zero_gamma=False,
        synchronized=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            activation,
            momentum,
            epsilon,
            zero_gamma,
            synchronized,
            data_format,
            **kwargs,
        )
        self.filters, self.out_mask = _as_mask("filters", filters)
        self.inside, self.in_mask = _as_mask("inside", inside)
        if not isinstance(middle, layers.Layer):
            raise ValueError(
                "Invalid value received for argument `middle`. Expected a "
                f"layer. Received: middle={middle!r}"
            )
        self.middle, self.expands = middle, bool(expands)

    def build(self, input_shape):
        self.build_body(
            tuple(input_shape), self.expands, self.inside, self.filters
        )
        self.built = True

    def build_middle(self, shape):
        return build_in_turn([self.middle], shape)

    def run_middle(self, x, training):
        return self.middle(x, training=training)

    def call(self, inputs, training=None):
        x = self.run_body(inputs, training)
        return close(self.out_mask, x, training)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.channel_axis] = self.inside
        shape = list(self.middle.compute_output_shape(tuple(shape)))
        shape[self.channel_axis] = self.filters
        return tuple(shape)

    def get_config(self):
        with sharing.scope():  # What decides may be the same choice.
            config = {
                **super().get_config(),
                "filters": serialize_width(self.out_mask) or self.filters,
                "inside": serialize_width(self.in_mask) or self.inside,
                "middle": serialize_layers([self.middle])[0],
            }
        return {**config, "expands": self.expands}

    @classmethod
    def from_config(cls, config):
        with sharing.scope():
            parts = deserialize_layers([config[key] for key in _PARTS])
        return cls(**{**config, **dict(zip(_PARTS, parts, strict=True))})


def _as_mask(name, channels):
    """Returns the largest number of channels, and their mask or `None`."""
    if type(channels) is int and channels > 0:
        return channels, None
    try:
        mask = deserialize_width(channels)
        return mask.channels, mask
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            "positive integer or a `keras_nas.layers.ElasticChannels`. "
            f"Received: {name}={channels!r}"
        ) from error
