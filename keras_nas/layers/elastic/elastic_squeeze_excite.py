"""Squeeze-excite of an elastic network."""

import keras
from keras import layers

from keras_nas.layers.elastic.elastic_conv2d import ElasticConv2D
from keras_nas.layers.elastic.slices import deserialize_width
from keras_nas.layers.elastic.slices import serialize_width
from keras_nas.layers.mask import check_data_format


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticSqueezeExcite(layers.Layer):
    """Scales channels by a gate that is computed from their means.

    `ElasticMBConv` holds one: a global average pool, a 1x1 convolution to
    fewer channels, an activation, a 1x1 convolution back, a sigmoid.

    Args:
        hidden: Integer, the largest number of channels inside.
        hidden_width: The `ElasticChannels` of the channels inside, or `None`
            if they are always all there.
        width: The `ElasticChannels` of the channels of the input, or `None`.
        activation: Name of the activation function inside.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor, a batch of maps, perhaps with the first channels
            only.
        training: Boolean; an option is drawn in training.

    Example:

    >>> import numpy as np
    >>> from keras_nas.layers import ElasticSqueezeExcite
    >>> ElasticSqueezeExcite(2)(np.ones((1, 4, 4, 8), "float32")).shape[-1]
    8
    """

    def __init__(
        self,
        hidden,
        hidden_width=None,
        width=None,
        activation="silu",
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden, self.activation = hidden, activation
        self.hidden_width = deserialize_width(hidden_width)
        self.width = deserialize_width(width)
        self.data_format = check_data_format(data_format)

    def build(self, input_shape):
        axis = 1 if self.data_format == "channels_first" else 3
        channels = input_shape[axis]
        shape = [input_shape[0], 1, 1, 1]
        self.pool = layers.GlobalAveragePooling2D(
            self.data_format,
            keepdims=True,
            dtype=self.dtype_policy,
            name=f"{self.name}_pool",
        )
        self.reduce = self._conv(
            "reduce", self.hidden, self.hidden_width, self.activation
        )
        self.expand = self._conv("expand", channels, self.width, "sigmoid")
        self.scale = layers.Multiply(
            dtype=self.dtype_policy, name=f"{self.name}_scale"
        )
        shape[axis] = channels
        self.reduce.build(tuple(shape))
        self.scale.build([tuple(input_shape), tuple(shape)])
        shape[axis] = self.hidden
        if self.hidden_width is not None:
            self.hidden_width.build(tuple(shape))
        self.expand.build(tuple(shape))
        self.built = True

    def _conv(self, name, filters, width, activation):
        return ElasticConv2D(
            filters,
            1,
            width=width,
            activation=activation,
            data_format=self.data_format,
            dtype=self.dtype_policy,
            name=f"{self.name}_{name}",
        )

    def call(self, inputs, training=None):
        gate = self.reduce(self.pool(inputs), training=training)
        if self.hidden_width is not None:
            gate = self.hidden_width.close(gate, training=training)
        gate = self.expand(gate, training=training)
        return self.scale([inputs, gate])

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        config = {
            "hidden": self.hidden,
            "hidden_width": serialize_width(self.hidden_width),
            "width": serialize_width(self.width),
            "activation": self.activation,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}
