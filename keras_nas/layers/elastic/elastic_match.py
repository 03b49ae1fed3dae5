"""The mask of a shortcut that fits only some elastic networks."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers.elastic.elastic_mask import ElasticMask
from keras_nas.layers.mask import check_data_format


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticMatch(ElasticMask):
    """Keeps all channels if two choices are for as many, and none otherwise.

    `ElasticResidual` holds one. Its output has as many channels as the second
    choice has at most; those that the input does not have are zeros.

    Args:
        widths: Two lists of numbers of channels, those that the input and the
            output may have.
        decided_by: List of the `ElasticChoice`s of those of the two that are
            lists of several numbers.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of rank 4 with all channels, of which those that
            the first choice is not for are zeros.
        training: Boolean; an option is drawn in training.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticChoice, ElasticMatch
    >>> width = ElasticChoice([1, 3], name="width")
    >>> match = ElasticMatch([[1, 3], [3]], [width])
    >>> width.choose(1)
    >>> bool(keras.ops.any(match(np.ones((1, 2, 2, 3), "float32"))))
    False
    """

    def __init__(self, widths, decided_by, data_format=None, **kwargs):
        super().__init__(decided_by=decided_by, **kwargs)
        self.widths = [list(options) for options in widths]
        self.data_format = check_data_format(data_format)
        self.axis = 1 if self.data_format == "channels_first" else 3
        before, after = np.meshgrid(*self.widths, indexing="ij")
        kept = np.where(before == after, after, 0).reshape(-1)
        self.set_switches(np.arange(max(self.widths[1])) < kept[:, None])

    def matches(self, training=False):
        """Returns whether the widths are equal, a Boolean if it is known."""
        first = self.switches(training)[0]
        return bool(first) if isinstance(first, np.floating) else first > 0

    def fit(self, inputs):
        """Returns the input with as many channels as the output has."""
        size = inputs.shape[self.axis]
        missing = max(self.widths[1]) - size
        if missing > 0:
            pads = [(0, 0)] * 4
            pads[self.axis] = (0, missing)
            return ops.pad(inputs, pads)
        index = [slice(None)] * 4
        index[self.axis] = slice(0, size + missing)
        return inputs if missing == 0 else inputs[tuple(index)]

    def build(self, input_shape):
        if input_shape[self.axis] != max(self.widths[0]):
            raise ValueError(
                f"The largest of the widths of the input of '{self.name}' "
                f"must be its channels, {input_shape[self.axis]}. Received: "
                f"widths={self.widths[0]}"
            )
        self.built = True

    def call(self, inputs, training=False):
        return self.fit(inputs) * ops.cast(self.matches(training), inputs.dtype)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.axis] = max(self.widths[1])
        return tuple(shape)

    def get_config(self):
        config = {"widths": self.widths, "data_format": self.data_format}
        config = {**super().get_config(), **config}
        del config["execution"]
        return config
