"""Split attention of an elastic network."""

import keras

from keras_nas.layers import sharing
from keras_nas.layers.elastic.elastic_batch_normalization import (
    ElasticBatchNormalization,
)
from keras_nas.layers.elastic.elastic_channels import ElasticChannels
from keras_nas.layers.elastic.elastic_depthwise_conv2d import (
    ElasticDepthwiseConv2D,
)
from keras_nas.layers.elastic.elastic_depthwise_conv2d import as_kernel_choice
from keras_nas.layers.elastic.elastic_depthwise_conv2d import kernel_sizes_of
from keras_nas.layers.elastic.elastic_mask import check_execution
from keras_nas.layers.elastic.elastic_mask import deserialize_layers
from keras_nas.layers.elastic.elastic_mask import serialize_layers
from keras_nas.layers.elastic.elastic_squeeze_excite import ElasticSqueezeExcite
from keras_nas.layers.elastic.slices import deserialize_width
from keras_nas.layers.elastic.slices import serialize_width
from keras_nas.layers.multiples import se_hidden
from keras_nas.layers.split_attention import SplitAttention
from keras_nas.layers.squeeze_excite import read_activation


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticSplitAttention(SplitAttention):
    """A `SplitAttention` whose kernel and channels can be chosen.

    Use it inside of an elastic block, between two `ElasticConv2D`. All splits
    have the same kernel size and channels. The number of splits is fixed,
    since other numbers share no weights.

    Args:
        kernel_size: As of `ElasticDepthwiseConv2D`; a choice of its own is
            called `f"{name}_kernel"`.
        splits: Integer r >= 0.
        strides: Integer.
        hidden: The number of channels inside of the attention: an integer, or
            a list of them in the form of `width.widths`. By default what
            `SplitAttention` takes, for each of the widths.
        width: The `ElasticChannels` of the channels of the input, which it
            closes behind every BatchNormalization; `None` if they are always
            all there.
        activation: As of `SplitAttention`. A layer may be elastic too.
        gate: Name of the function of the gate of a single split.
        use_bias: Boolean, whether the depthwise convolutions have biases.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        synchronized: Boolean, whether BatchNormalization takes its statistics
            from all replicas of a strategy.
        data_format: `"channels_last"` or `"channels_first"`.
        execution: `"sliced"`, to compute with a smaller kernel, or
            `"masked"`, with zeros around it. That of channels is `width`'s.
        seed: Integer seed of the draws of a choice of its own.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor, a batch of maps, perhaps with the first channels
            only.
        training: Boolean; options are drawn in training.

    Raises:
        ValueError: If a size is none, or `width` is something else.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Fig. 2 and Table 2.

    Example:

    >>> import numpy as np
    >>> from keras_nas.layers import ElasticChannels, ElasticChoice
    >>> from keras_nas.layers import ElasticSplitAttention
    >>> width = ElasticChoice([32, 48], name="width")
    >>> mask = ElasticChannels([32, 48], width)
    >>> layer = ElasticSplitAttention([3, 5], splits=2, width=mask)
    >>> layer.build((None, 8, 8, 48))
    >>> width.choose(32)
    >>> layer(np.ones((1, 8, 8, 32), "float32")).shape[-1]
    32
    """

    def __init__(
        self,
        kernel_size=3,
        splits=2,
        strides=1,
        hidden=None,
        width=None,
        activation="relu",
        gate="hard_sigmoid",
        use_bias=False,
        momentum=0.99,
        epsilon=1e-3,
        synchronized=False,
        data_format=None,
        execution="sliced",
        seed=None,
        **kwargs,
    ):
        super().__init__(
            max(kernel_sizes_of(kernel_size)),
            splits,
            strides,
            hidden if isinstance(hidden, int) else None,
            activation,
            gate,
            use_bias,
            momentum,
            epsilon,
            synchronized,
            data_format,
            **kwargs,
        )
        self.kernel_choice, self.kernel_sizes = as_kernel_choice(
            kernel_size, f"{self.name}_kernel", seed
        )
        self.hidden, self.width = hidden, deserialize_width(width)
        self.execution = check_execution(execution)

    def build(self, input_shape):
        if self.width is not None and not self.width.built:
            self.width.build(tuple(input_shape))
        super().build(input_shape)

    def _depthwise(self, number):
        return ElasticDepthwiseConv2D(
            self.kernel_choice or self.kernel_size,
            self.strides,
            padding="same",
            use_bias=self.use_bias,
            data_format=self.data_format,
            execution=self.execution,
            dtype=self.dtype_policy,
            name=f"{self.name}_depthwise{number}",
        )

    def _norm(self, name, cls=ElasticBatchNormalization):
        return super()._norm(name, cls)

    def _close(self, x, **told):
        return x if self.width is None else self.width.close(x, **told)

    def _squeeze_excite(self):
        hidden, mask = self.hidden, None
        if hidden is None and self.width is not None:
            hidden = keras.tree.map_structure(se_hidden, self.width.widths)
        sizes = set(keras.tree.flatten(hidden))
        if len(sizes) > 1:
            mask = self._hidden_mask(hidden)
        return ElasticSqueezeExcite(
            max(sizes) if hidden else None,
            mask,
            self.width,
            self.activation,
            self.data_format,
            self.splits,
            self.gate,
            dtype=self.dtype_policy,
            name=f"{self.name}_se",
        )

    def _hidden_mask(self, hidden):
        if self.width is None:
            raise ValueError(
                "Invalid value received for argument `hidden`. Expected an "
                "integer, since there is no `width` that decides. Received: "
                f"hidden={hidden}"
            )
        return ElasticChannels(
            hidden,
            self.width.decided_by,
            data_format=self.data_format,
            execution=self.width.execution,
            dtype=self.dtype_policy,
            name=f"{self.name}_se_inside",
        )

    def get_config(self):
        config = {"kernel_size": self.kernel_sizes, "execution": self.execution}
        with sharing.scope():  # What decides may be the same choice.
            config = {**super().get_config(), **config}
            config["width"] = serialize_width(self.width)
            if self.kernel_choice is not None:
                choices = serialize_layers([self.kernel_choice])
                (config["kernel_size"],) = choices
        return config

    @classmethod
    def from_config(cls, config):
        with sharing.scope():
            (kernel_size,) = deserialize_layers([config["kernel_size"]])
            own = {
                "kernel_size": kernel_size,
                "width": deserialize_width(config["width"]),
                "activation": read_activation(config["activation"]),
            }
        return cls(**{**config, **own})
