"""A shortcut that is there where it fits."""

import keras
from keras import layers
from keras import ops

from keras_nas.layers import sharing
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.elastic.elastic_choice import sizes_of
from keras_nas.layers.elastic.elastic_mask import check_execution
from keras_nas.layers.elastic.elastic_mask import deserialize_layers
from keras_nas.layers.elastic.elastic_mask import serialize_layers
from keras_nas.layers.elastic.elastic_match import ElasticMatch
from keras_nas.layers.mask import check_data_format


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticResidual(layers.Layer):
    """Adds a block's input to its output where they are equally wide.

    Use it where the numbers of channels before and behind a block are
    decided independently of each other: x + y where they are equal, else y.

    Args:
        decided_by: List of two: the `ElasticChoice` of the channels of x, and
            that of y; or an integer for one that is not chosen.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        execution: `"sliced"`, if x and y have only the chosen channels, or
            `"masked"`, if the others are zeros.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: List of two float tensors of rank 4, x and y.
        training: Boolean; options are drawn in training.

    Raises:
        ValueError: If the numbers are none, or not those of the inputs.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Table 1.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticChoice, ElasticResidual
    >>> before = ElasticChoice([2, 4], name="before")
    >>> add = ElasticResidual([before, 4], execution="masked")
    >>> x = y = np.ones((1, 1, 1, 4), "float32")
    >>> keras.ops.convert_to_numpy(add([x, y])).reshape(-1).tolist()
    [2.0, 2.0, 2.0, 2.0]
    >>> before.choose(2)
    >>> keras.ops.convert_to_numpy(add([x, y])).reshape(-1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self, decided_by, data_format=None, execution="sliced", **kwargs
    ):
        super().__init__(**kwargs)
        is_list = isinstance(decided_by, (list, tuple))
        if not is_list or len(decided_by) != 2:
            raise ValueError(
                "Invalid value received for argument `decided_by`. Expected "
                "a list of two, what decides on the channels before and "
                f"behind a block. Received: decided_by={decided_by!r}"
            )
        self.decided_by = list(decided_by)
        self.widths = [sizes_of(one) for one in decided_by]
        self.data_format = check_data_format(data_format)
        self.channel_axis = 1 if self.data_format == "channels_first" else 3
        self.execution = check_execution(execution)
        before, after = self.decided_by
        choices = [c for c in decided_by if isinstance(c, ElasticChoice)]
        self.match = None
        if choices and before is not after:
            self.match = ElasticMatch(
                self.widths,
                choices,
                self.data_format,
                dtype=self.dtype_policy,
                name=f"{self.name}_match",
            )
        self.add = layers.Add(dtype=self.dtype_policy, name=f"{self.name}_add")

    def build(self, input_shape):
        channels = [shape[self.channel_axis] for shape in input_shape]
        expected = [max(widths) for widths in self.widths]
        if channels != expected:
            raise ValueError(
                f"The inputs of '{self.name}' must have as many channels as "
                "the largest options of what decides on them, "
                f"{expected}. Received: {channels}"
            )
        if self.match is not None:
            self.match.build(tuple(input_shape[0]))
        self.built = True

    def call(self, inputs, training=None):
        x, y = inputs
        if self.match is None:
            is_same = self.widths[0] == self.widths[1]
            return self.add([x, y]) if is_same else y
        if isinstance(x, keras.KerasTensor):
            return self.add([self.match(x, training=training), y])
        matches = self.match.matches(training)
        if self.execution == "masked":
            x = self.match.fit(x)
        if isinstance(matches, bool):
            return x + y if matches else y
        if self.execution == "masked":
            return x * ops.cast(matches, x.dtype) + y
        # Gradients of zero would be made in the forward pass, and stay.
        return ops.cond(matches, lambda: x + y, lambda: y + ops.sum(x[:0]))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[1])

    def get_config(self):
        config = {"data_format": self.data_format, "execution": self.execution}
        with sharing.scope():  # The two may be the same.
            config["decided_by"] = serialize_layers(self.decided_by)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        with sharing.scope():
            decided_by = deserialize_layers(config["decided_by"])
        return cls(**{**config, "decided_by": decided_by})
