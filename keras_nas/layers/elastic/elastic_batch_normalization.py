"""A BatchNormalization of which only the first channels may be in use."""

import keras
from keras import layers
from keras import ops

from keras_nas.layers.elastic.elastic_channels import first_channels
from keras_nas.layers.elastic.slices import channels_of
from keras_nas.layers.elastic.small_gradients import affine
from keras_nas.layers.elastic.small_gradients import moments


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticBatchNormalization(layers.BatchNormalization):
    """A `BatchNormalization` that takes fewer channels.

    Use it in an elastic network. It works with the first of its weights, as
    many as its input has channels. In training it normalizes with the
    statistics of the batch, of the child that is running, and does not
    accumulate them, since no average fits all children (Section 3.1, "Batch
    Norm Calibration"): compute those of a child with
    `keras_nas.recalibrate_batch_norm`.

    Args:
        *args: As of `keras.layers.BatchNormalization`.
        accumulates: Boolean, whether training moves the moving statistics.
        **kwargs: As of `keras.layers.BatchNormalization`; no `renorm`.

    Call arguments:
        inputs: Float tensor, perhaps with the first channels only.
        training: Boolean.
        mask: As of `keras.layers.BatchNormalization`.

    Raises:
        ValueError: If `renorm` is set.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticBatchNormalization
    >>> norm = ElasticBatchNormalization()
    >>> norm.build((None, 8))
    >>> norm(np.ones((2, 5), "float32")).shape[-1]
    5
    """

    plain_class = layers.BatchNormalization  # What the slicer makes of it.

    def __init__(self, *args, accumulates=False, **kwargs):
        super().__init__(*args, **kwargs)
        if self.renorm:
            raise ValueError(
                "Invalid value received for argument `renorm`. Expected "
                "False, since statistics of children differ. Received: "
                "renorm=True"
            )
        self.accumulates = accumulates

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = layers.InputSpec(ndim=len(input_shape))

    def call(self, inputs, training=None, mask=None):
        channels = channels_of(inputs, self.axis)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        names = "gamma", "beta", "moving_mean", "moving_variance"
        gamma, beta, *moving = (
            self._first(getattr(self, name), channels, dtype) for name in names
        )
        mean, variance = moving
        if training and self.trainable:
            if mask is None and not self.synchronized:
                mean, variance = moments(x, self._reduction_axes)
            else:
                mean, variance = self._moments(x, mask)
            if self.accumulates:
                self._accumulate(moving, (mean, variance))
        scale = ops.rsqrt(variance + self.epsilon)
        scale = scale if gamma is None else scale * gamma
        offset = -mean * scale
        offset = offset if beta is None else offset + beta
        # Keras' own function knows static shapes only.
        outputs = affine(x, scale, offset, self._reduction_axes)
        return ops.cast(outputs, self.compute_dtype)

    def _first(self, variable, channels, dtype):
        if variable is None:
            return None
        return ops.cast(first_channels(variable.value, 0, channels), dtype)

    def _accumulate(self, moving, batch):
        variables = self.moving_mean, self.moving_variance
        for variable, old, new in zip(variables, moving, batch, strict=True):
            new = old * self.momentum + new * (1.0 - self.momentum)
            rest = variable.value[channels_of(old, 0) :]
            new = ops.cast(new, variable.dtype)
            whole = ops.concatenate([new, rest])
            variable.assign(ops.reshape(whole, variable.shape))

    def get_config(self):
        return {**super().get_config(), "accumulates": self.accumulates}
