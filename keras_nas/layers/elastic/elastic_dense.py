"""A Dense layer that takes fewer channels."""

import keras
from keras import layers
from keras import ops

from keras_nas.layers.elastic.elastic_channels import first_channels
from keras_nas.layers.elastic.slices import channels_of


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticDense(layers.Dense):
    """A `Dense` that takes fewer input channels, such as a classifier.

    Use it in an elastic network. It reads the first rows of its kernel, as
    many as its input has channels.

    Args:
        *args: As of `keras.layers.Dense`.
        **kwargs: As of `keras.layers.Dense`.

    Call arguments:
        inputs: Float tensor `(batch, ..., channels)`, perhaps with the first
            channels only.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticDense
    >>> dense = ElasticDense(10)
    >>> dense.build((None, 8))
    >>> dense(np.ones((2, 5), "float32")).shape[-1]
    10
    """

    plain_class = layers.Dense  # What the slicer makes of it.

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = layers.InputSpec(min_ndim=2)

    def call(self, inputs, training=None):
        rows = channels_of(inputs, -1)
        outputs = ops.matmul(inputs, first_channels(self.kernel, 0, rows))
        if self.bias is not None:
            outputs = outputs + self.bias
        if self.activation is not None:
            return self.activation(outputs)
        return outputs
