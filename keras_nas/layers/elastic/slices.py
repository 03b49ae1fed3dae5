"""How the layers with weights of an elastic network slice them."""

import keras
from keras import ops

from keras_nas.layers.elastic.elastic_channels import ElasticChannels
from keras_nas.layers.elastic.elastic_channels import first_channels


def channels_of(inputs, axis):
    """Returns how many channels there are, an integer if that is known."""
    channels = inputs.shape[axis]
    return ops.shape(inputs)[axis] if channels is None else channels


def add_bias_and_activate(layer, outputs, axis):
    """Returns what a convolution's fused bias and activation make of maps."""
    if layer.use_bias:
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        bias = first_channels(layer.bias, 0, channels_of(outputs, axis))
        outputs = outputs + ops.reshape(bias, shape)
    if layer.activation is not None:
        return layer.activation(outputs)
    return outputs


def serialize_width(width):
    """Returns the config of the mask behind a layer, if there is one."""
    if width is None:
        return None
    return keras.saving.serialize_keras_object(width)


def deserialize_width(width):
    """Returns the mask behind a layer, or `None`, as it was passed.

    Args:
        width: `ElasticChannels`, its config, or `None`.

    Raises:
        ValueError: If it is something else.
    """
    if isinstance(width, dict):
        width = keras.saving.deserialize_keras_object(width)
    if width is None or isinstance(width, ElasticChannels):
        return width
    raise ValueError(
        "Invalid value received for argument `width`. Expected an "
        f"`ElasticChannels` or None. Received: width={width!r}"
    )
