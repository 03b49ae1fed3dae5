"""Crossentropy with smoothed labels, for labels that are integers."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_nas")
class SmoothedCrossentropy(keras.losses.SparseCategoricalCrossentropy):
    """Sparse categorical crossentropy against smoothed labels.

    Use it where `keras.losses.CategoricalCrossentropy(label_smoothing=...)`
    would want labels in one-hot form. A share `label_smoothing` of each
    label's weight is spread evenly over all K classes, the right one included:
    `(1 - label_smoothing) * one_hot + label_smoothing / K`.

    Args:
        label_smoothing: Float in [0, 1).
        from_logits: Boolean, whether predictions are logits.
        name: String.
        **kwargs: `reduction` and `dtype`, as of `keras.losses.Loss`.

    Raises:
        ValueError: If `label_smoothing` is not in [0, 1).

    Reference:
        Rethinking the Inception Architecture for Computer Vision, Section 7.

    Example:

    >>> import numpy as np
    >>> from keras_nas.training import SmoothedCrossentropy
    >>> loss = SmoothedCrossentropy(0.5)
    >>> predictions = np.array([[0.75, 0.25]], "float32")
    >>> expected = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    >>> bool(np.isclose(loss(np.array([0]), predictions), expected))
    True
    """

    def __init__(
        self,
        label_smoothing=0.1,
        from_logits=False,
        name="smoothed_crossentropy",
        **kwargs,
    ):
        super().__init__(from_logits=from_logits, name=name, **kwargs)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                "Invalid value received for argument `label_smoothing`. "
                "Expected a share of the labels' weight, in [0, 1). "
                f"Received: label_smoothing={label_smoothing!r}"
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "int32")
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, axis=-1)
        return keras.losses.categorical_crossentropy(
            ops.one_hot(y_true, y_pred.shape[-1], dtype=y_pred.dtype),
            y_pred,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
        )

    def get_config(self):
        return {
            **keras.losses.Loss.get_config(self),
            "label_smoothing": self.label_smoothing,
            "from_logits": self.from_logits,
        }
