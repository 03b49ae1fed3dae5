"""Dropout for the children that are to be regularized."""

import keras
from keras import layers

from keras_nas.layers.elastic.child import is_regularized


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticDropout(layers.Dropout):
    """A `Dropout` that spares the children which underfit.

    Use it in a network for `keras_nas.search.BigNAS`, which drops in the
    biggest child only (Section 3.1, "Regularization"). Outside of it, this is
    a `Dropout`.

    Args:
        *args: As of `keras.layers.Dropout`.
        **kwargs: As of `keras.layers.Dropout`.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticDropout, running_child
    >>> dropout, x = ElasticDropout(0.9), np.ones((1, 100), "float32")
    >>> with running_child([], is_regularized=False):
    ...     float(keras.ops.min(dropout(x, training=True)))
    1.0
    """

    plain_class = layers.Dropout  # What the slicer makes of it.

    def call(self, inputs, training=False):
        return super().call(inputs, training and is_regularized())
