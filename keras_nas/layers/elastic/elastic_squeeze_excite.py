"""Squeeze-excite of an elastic network."""

import keras

from keras_nas.layers.elastic.elastic_conv2d import ElasticConv2D
from keras_nas.layers.elastic.slices import deserialize_width
from keras_nas.layers.elastic.slices import serialize_width
from keras_nas.layers.elastic.small_gradients import mean_of_sum
from keras_nas.layers.elastic.small_gradients import softmax_over
from keras_nas.layers.elastic.small_gradients import weighted_sum
from keras_nas.layers.squeeze_excite import SqueezeExcite


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticSqueezeExcite(SqueezeExcite):
    """A `SqueezeExcite` that takes fewer channels, with fewer inside.

    Elastic blocks hold one.

    Args:
        hidden: Integer, the largest number of channels inside.
        hidden_width: The `ElasticChannels` of the channels inside, or `None`
            if they are always all there.
        width: The `ElasticChannels` of the channels of the input, or `None`.
        activation: As of `SqueezeExcite`.
        data_format: `"channels_last"` or `"channels_first"`.
        splits: Integer, the number of tensors.
        gate: As of `SqueezeExcite`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: As of `SqueezeExcite`, but perhaps with the first channels
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
        splits=1,
        gate="sigmoid",
        **kwargs,
    ):
        super().__init__(
            hidden, splits, activation, gate, data_format, **kwargs
        )
        self.hidden_width = deserialize_width(hidden_width)
        self.width = deserialize_width(width)

    def _reduce(self, name, filters, activation):
        mask = self.hidden_width
        return self._conv(name, filters, activation, ElasticConv2D, width=mask)

    def _expand(self, name, filters, activation):
        mask = self.width
        return self._conv(name, filters, activation, ElasticConv2D, width=mask)

    def _build_hidden(self, shape):
        if self.hidden_width is not None:
            self.hidden_width.build(shape)

    def _close_hidden(self, hidden, **told):
        mask = self.hidden_width
        return hidden if mask is None else mask.close(hidden, **told)

    def _mean(self, maps):
        if isinstance(maps[0], keras.KerasTensor):
            return super()._mean(maps)
        return mean_of_sum(maps, self._positions())

    def _shares(self, gates):
        if isinstance(gates[0], keras.KerasTensor):
            return super()._shares(gates)
        return softmax_over(gates)

    def _scale(self, maps, gates):
        if isinstance(maps[0], keras.KerasTensor):
            return super()._scale(maps, gates)
        return weighted_sum(maps, gates, self._positions())

    def get_config(self):
        config = {
            "hidden_width": serialize_width(self.hidden_width),
            "width": serialize_width(self.width),
        }
        return {**super().get_config(), **config}
