"""The mask of the channels of an elastic network."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers.elastic.elastic_mask import ElasticMask
from keras_nas.layers.elastic.elastic_mask import row
from keras_nas.layers.elastic.elastic_mask import supports_jit
from keras_nas.layers.per_channel_mask import PerChannelMask


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticChannels(ElasticMask, PerChannelMask):
    """Keeps the first channels, as many as an `ElasticChoice` says.

    Use it behind the BatchNormalization that follows a convolution, or behind
    an addition.

    Args:
        widths: List of numbers of channels, one for each option of the
            choice, the largest of which is that of the input. With several
            choices, a list of lists, one level for each.
        decided_by: An `ElasticChoice`, or a list of them.
        axis: Integer, the channel axis. Defaults to that of `data_format`.
        data_format: `"channels_last"` or `"channels_first"`.
        execution: `"sliced"` or `"masked"`. Sliced, the output has as many
            channels as are kept, otherwise zeros in place of the others.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of any rank >= 2, `(batch, ..., channels)` or
            `(batch, channels, ...)`, with all channels, or with those only
            that are kept.
        training: Boolean; an option is drawn in training.

    Raises:
        ValueError: If the widths are not such numbers.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1 and Appendix B.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticChannels, ElasticChoice
    >>> width = ElasticChoice([1, 2, 3], name="width")
    >>> mask = ElasticChannels([1, 2, 3], width, execution="masked")
    >>> width.choose(2)
    >>> keras.ops.convert_to_numpy(mask(np.ones((1, 3), "float32"))).tolist()
    [[1.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        widths,
        decided_by,
        axis=None,
        data_format=None,
        execution="sliced",
        **kwargs,
    ):
        super().__init__(
            decided_by=decided_by,
            execution=execution,
            axis=axis,
            data_format=data_format,
            **kwargs,
        )
        self.supports_jit = supports_jit(self.execution)
        self._table = self._read(widths)
        self.widths = np.asarray(widths).tolist()
        channels = np.arange(self._table.max())
        self.set_switches(channels < self._table[:, None])

    def _read(self, widths):
        try:
            table = np.asarray(widths)
        except ValueError:  # Lists of different lengths.
            table = np.zeros(0)
        is_integer = np.issubdtype(table.dtype, np.integer)
        valid = is_integer and table.shape == self.shape_of_options
        if not valid or (table < 1).any():
            raise ValueError(
                "Invalid value received for argument `widths`. Expected "
                "positive integers, one for each option of the choices, in "
                f"the shape {self.shape_of_options}. Received: "
                f"widths={widths!r}"
            )
        return table.reshape(-1).astype("int32")

    @property
    def channels(self):
        """The largest number of channels."""
        return int(self._table.max())

    def width(self, training=False):
        """Returns how many channels are kept, an integer if that is known."""
        width = row(self._table, self.index(training))
        return int(width) if isinstance(width, np.integer) else width

    def build(self, input_shape):
        channels = self.num_channels(input_shape)
        if channels != self.channels:
            raise ValueError(
                f"The largest of the widths of mask '{self.name}' must be the "
                f"number of channels of its input, {channels}. Received: "
                f"widths={self.widths}"
            )
        self.built = True

    def call(self, inputs, training=False):
        axis = self.channel_axis(len(inputs.shape))
        if self.execution == "sliced":
            return first_channels(inputs, axis, self.width(training))
        switches = self.switches(training)
        if isinstance(switches, np.ndarray) and switches.all():
            return inputs
        shape = [1] * len(inputs.shape)
        shape[axis] = -1
        return inputs * ops.cast(ops.reshape(switches, shape), inputs.dtype)

    def close(self, inputs, training=False):
        """Masks what a layer has made that asks this mask for its width.

        Executed as slices, that is nothing: there are the right channels.
        """
        is_symbolic = isinstance(inputs, keras.KerasTensor)
        if self.execution == "sliced" and not is_symbolic:
            return inputs
        return self(inputs, training=training)

    def get_config(self):
        return {**super().get_config(), "widths": self.widths}


def first_channels(inputs, axis, width):
    """Returns the first channels of a tensor that has at least so many."""
    if isinstance(width, int) and inputs.shape[axis] == width:
        return inputs
    index = [slice(None)] * len(inputs.shape)
    index[axis] = slice(0, width)
    return inputs[tuple(index)]
