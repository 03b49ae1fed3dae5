"""Zeros in the place of what an elastic network leaves out."""

import keras
from keras import layers
from keras import ops

from keras_nas.layers.elastic.slices import deserialize_width
from keras_nas.layers.elastic.slices import serialize_width
from keras_nas.layers.mask import check_data_format
from keras_nas.layers.squeeze_excite import check_size


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticZeros(layers.Layer):
    """Zeros of the positions of the input, and of channels of their own.

    Use it as a branch of an `ElasticSwitch` beside an `ElasticResidual`, for a
    block that is left out, where input and output have different largest
    numbers of channels. Where they have the same, `None` is such a branch.

    Args:
        filters: Integer, the largest number of channels.
        width: The `ElasticChannels` that the channels of other branches have
            behind them, or `None` if all channels are always there.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of rank 4.
        training: Boolean; an option is drawn in training.

    Raises:
        ValueError: If `filters` is not a positive integer.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Table 2.

    Example:

    >>> import numpy as np
    >>> from keras_nas.layers import ElasticChannels, ElasticChoice
    >>> from keras_nas.layers import ElasticZeros
    >>> mask = ElasticChannels([8, 16], ElasticChoice([8, 16], name="width"))
    >>> ElasticZeros(16, mask)(np.ones((1, 4, 4, 3), "float32")).shape
    TensorShape([1, 4, 4, 16])
    """

    def __init__(self, filters, width=None, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = check_size("filters", filters)
        self.width = deserialize_width(width)
        self.data_format = check_data_format(data_format)
        self.channel_axis = 1 if self.data_format == "channels_first" else 3

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=False):
        channels = self.filters
        is_symbolic = isinstance(inputs, keras.KerasTensor)
        if self.width is not None and not is_symbolic:
            if self.width.execution == "sliced":
                channels = self.width.width(training)
        shape = list(ops.shape(inputs))
        shape[self.channel_axis] = channels
        return ops.zeros(shape, inputs.dtype)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.channel_axis] = self.filters
        return tuple(shape)

    def get_config(self):
        config = {
            "filters": self.filters,
            "width": serialize_width(self.width),
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}
