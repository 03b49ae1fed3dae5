"""A convolution of which only the first channels may be in use."""

import keras
from keras import layers
from keras import ops

from keras_nas.layers.elastic.elastic_channels import first_channels
from keras_nas.layers.elastic.slices import add_bias_and_activate
from keras_nas.layers.elastic.slices import channels_of
from keras_nas.layers.elastic.slices import deserialize_width
from keras_nas.layers.elastic.slices import serialize_width


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticConv2D(layers.Conv2D):
    """A `Conv2D` that takes fewer input channels, and makes fewer.

    Use it in a network with `ElasticChannels`. It reads the first rows of its
    kernel, as many as its input has channels, and computes the first columns,
    as many as the mask says that keeps some of its outputs, if that one is
    executed as slices. Put this mask behind the layer too, after the
    BatchNormalization.

    Args:
        *args: As of `keras.layers.Conv2D`, with the largest number of filters.
        width: The `ElasticChannels` behind the layer, or `None` if all
            channels are always there.
        **kwargs: As of `keras.layers.Conv2D`; no groups.

    Call arguments:
        inputs: As of `keras.layers.Conv2D`, but perhaps with the first
            channels only.
        training: Boolean; an option is drawn in training.

    Raises:
        ValueError: If there are groups, or `width` is something else.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticChannels, ElasticChoice
    >>> from keras_nas.layers import ElasticConv2D
    >>> width = ElasticChoice([8, 16], name="width")
    >>> mask = ElasticChannels([8, 16], width)
    >>> conv = ElasticConv2D(16, 3, width=mask)
    >>> width.choose(8)
    >>> conv(np.ones((1, 5, 5, 3), "float32")).shape[-1]
    8
    """

    plain_class = layers.Conv2D  # What the slicer makes of it.

    def __init__(self, *args, width=None, **kwargs):
        super().__init__(*args, **kwargs)
        if self.groups != 1:
            raise ValueError(
                "Invalid value received for argument `groups`. Expected 1, "
                f"since channels come and go. Received: groups={self.groups}"
            )
        self.width = deserialize_width(width)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = layers.InputSpec(ndim=4)

    def call(self, inputs, training=False):
        axis = 1 if self.data_format == "channels_first" else -1
        kernel = first_channels(self.kernel, 2, channels_of(inputs, axis))
        width = self.filters
        if self.width is not None and self.width.execution == "sliced":
            width = self.width.width(training)
        outputs = ops.conv(
            inputs,
            first_channels(kernel, 3, width),
            strides=list(self.strides),
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=list(self.dilation_rate),
        )
        return add_bias_and_activate(self, outputs, axis)

    def get_config(self):
        return {**super().get_config(), "width": serialize_width(self.width)}
