"""What the masks share that multiply channels: the axis, and the call."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers.mask import Mask
from keras_nas.layers.mask import check_data_format


class PerChannelMask(Mask):
    """Base class of the masks that switch channels on and off.

    Each channel of the input is multiplied by its switch, the same at all
    positions.

    Args:
        axis: Integer, the channel axis. Defaults to the channel axis of
            `data_format`.
        data_format: `"channels_last"` or `"channels_first"`; only read when
            `axis` is not given. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Keyword arguments of `Mask`, such as `seed` and `name`.
    """

    def __init__(self, axis=None, data_format=None, **kwargs):
        super().__init__(**kwargs)
        if axis is not None and (
            not isinstance(axis, int) or isinstance(axis, bool)
        ):
            raise ValueError(
                "Invalid value received for argument `axis`. Expected the "
                "integer index of the channel axis, such as -1. Received: "
                f"axis={axis!r}"
            )
        self.axis = axis
        self.data_format = check_data_format(data_format)
        self.supports_masking = True

    def channel_axis(self, rank):
        """Returns the channel axis, as an index from 0, of a rank-`rank` input.

        Raises:
            ValueError: If `axis` does not exist in such an input, or is the
                batch axis.
        """
        axis = self._signed_axis()
        if not -rank < axis < rank or axis == 0:
            raise ValueError(
                f"Invalid value received for argument `axis` of mask "
                f"'{self.name}'. Expected an axis of its rank-{rank} input "
                f"other than the batch axis 0. Received: axis={axis}. Pass "
                "axis=-1 for channels_last or axis=1 for channels_first "
                "features."
            )
        return axis % rank

    def _signed_axis(self):
        if self.axis is not None:
            return self.axis
        return 1 if self.data_format == "channels_first" else -1

    def num_channels(self, input_shape):
        """Returns the static number of channels of `input_shape`."""
        axis = self.channel_axis(len(input_shape))
        if input_shape[axis] is None:
            raise ValueError(
                f"Mask '{self.name}' needs a known number of channels. "
                f"Received: input_shape={tuple(input_shape)}, whose axis "
                f"{axis} is unknown. Give the model a static channel "
                "dimension, or pass the `axis` that holds the channels."
            )
        return input_shape[axis]

    def build(self, input_shape):
        channels = self.num_channels(input_shape)
        axes = {self._signed_axis(): channels}
        self.input_spec = keras.layers.InputSpec(axes=axes)
        self.built = True

    def call(self, inputs, training=False):
        if training:
            self.begin_step()
        scale = self.sample() if training else self.inference_scale()
        shape = [1] * len(inputs.shape)
        shape[self.channel_axis(len(shape))] = -1
        return inputs * ops.cast(ops.reshape(scale, shape), inputs.dtype)

    def ranking(self):
        """Returns numbers that say which channels rounding adds back first:
        those with the largest."""
        return self.probabilities()

    def switches_of(self, decision, channels):
        """Returns 1 for each channel of a list, and 0 for the others.

        Raises:
            ValueError: If it is no list of different channels.
        """
        valid = isinstance(decision, (list, tuple)) and all(
            type(i) is int and 0 <= i < channels for i in decision
        )
        if not valid or len(set(decision)) != len(decision):
            raise ValueError(
                f"Invalid decision for mask '{self.name}'. Expected a list of "
                f"distinct channel indices below {channels}. Received: "
                f"{decision!r}"
            )
        scale = np.zeros(channels, "float32")
        scale[list(decision)] = 1.0
        return scale

    def compute_output_shape(self, input_shape):
        self.num_channels(input_shape)
        return tuple(input_shape)

    def get_config(self):
        config = {"axis": self.axis, "data_format": self.data_format}
        return {**super().get_config(), **config}
