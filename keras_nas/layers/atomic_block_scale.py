"""The importance factors of AtomNAS, Section 3.2."""

import numbers

import keras
import numpy as np
from keras import ops

from keras_nas.layers.factor_mask import FactorMask
from keras_nas.layers.factor_mask import check_threshold


@keras.saving.register_keras_serializable(package="keras_nas")
class AtomicBlockScale(FactorMask):
    """Tells which atomic blocks are alive, by their importance factors.

    An atomic block is what one channel between two convolutions consists of:
    a filter of the first, what is done with its output channel by channel,
    and the weights that the second has for it. Its importance factor alpha
    scales the channel. Put the layer between the two convolutions:

    - right behind the last BatchNormalization there, whose scales are the
      factors then (the layer has none of its own and passes everything on);
    - where there is none, behind the last non-linear operation; the factors
      are a weight of this layer.

    `keras_nas.insert_masks(model, keras_nas.AtomicBlockScale)` finds all such
    places. `keras_nas.search.AtomNAS` drives factors to zero, each weighted by
    what its block costs, and cuts blocks out while it trains.

    A block is dead if neither the factor nor its moving average (Eq. 7),

        alpha_hat <- beta alpha_hat + (1 - beta) alpha,

    is further from 0 than the threshold. At inference the factor of a dead
    block is 0; its channel is a constant then, that of the
    BatchNormalization's offset or 0, which the slicer folds into what follows.
    In training dead blocks are computed as any other, and may revive.

    Args:
        threshold: Non-negative float; 0.001 in the paper.
        momentum: Float in [0, 1), beta. It belongs to the number of steps:
            the paper's value averages over some ten thousand.
        factor: `"batch_norm"`, `"own"`, or `"auto"`, which is the first where
            the layer is called on what a BatchNormalization with a scale
            returns, in a Functional or Sequential model.
        axis: Integer, the channel axis. Defaults to that of `data_format`.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer; nothing is drawn, all masks have one.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of any rank >= 2, `(batch, ..., channels)` or
            `(batch, channels, ...)`.
        training: Boolean; the moving average follows in training only.

    Raises:
        ValueError: If an argument is out of range, `factor="batch_norm"` and
            the input is not that of a BatchNormalization with a scale over
            the same axis, or the layer is called behind several.

    Reference:
        AtomNAS: Fine-Grained End-to-End Neural Architecture Search, Sections
        3.2 and 3.3.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, use_bias=False),
    ...     keras.layers.BatchNormalization(),
    ...     keras_nas.AtomicBlockScale(),
    ...     keras.layers.ReLU(),
    ...     keras.layers.Conv2D(4, 1),
    ... ])
    >>> model.layers[2].factor is model.layers[1].gamma
    True
    """

    method = "AtomNAS"

    def __init__(
        self,
        threshold=1e-3,
        momentum=0.9999,
        factor="auto",
        axis=None,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            factor, axis=axis, data_format=data_format, seed=seed, **kwargs
        )
        self.threshold = check_threshold(threshold)
        is_number = isinstance(momentum, numbers.Real)
        if (
            not is_number
            or isinstance(momentum, bool)
            or not (0 <= momentum < 1)
        ):
            raise ValueError(
                "Invalid value received for argument `momentum`. Expected a "
                f"float in [0, 1). Received: momentum={momentum!r}"
            )
        self.momentum = float(momentum)

    def build(self, input_shape):
        self.moving_average = self.add_weight(
            name="moving_average",
            shape=(self.num_channels(input_shape),),
            initializer="ones",
            dtype="float32",
            autocast=False,
            trainable=False,
            aggregation="mean",
        )
        super().build(input_shape)

    @property
    def switches(self):
        return self.moving_average.shape[0]

    def offset(self):
        """Returns what a channel is whose factor is 0, a NumPy vector."""
        if self.factor_kind == "own" or not self.normalization.center:
            return np.zeros(self.switches, "float32")
        return ops.convert_to_numpy(self.normalization.beta)

    def call(self, inputs, training=False):
        shape = [1] * len(inputs.shape)
        shape[self.channel_axis(len(shape))] = -1

        def spread(vector):
            return ops.cast(ops.reshape(vector, shape), inputs.dtype)

        if training:
            if self.begin_step():
                self._follow()
            is_own = self.factor_kind == "own"
            return inputs * spread(self.factor) if is_own else inputs
        outputs = inputs * spread(self.inference_scale())
        if self.factor_kind == "batch_norm" and self.normalization.center:
            beta = ops.cast(self.normalization.beta, "float32")
            outputs = outputs + spread(beta * (1.0 - self.probabilities()))
        return outputs

    def _follow(self):
        """Takes one step of the moving average, which starts at alpha."""
        momentum = ops.where(self._steps() > 1, self.momentum, 0.0)
        factor = ops.cast(self.factor, "float32")
        self.moving_average.assign(
            momentum * self.moving_average + (1.0 - momentum) * factor
        )

    def _steps(self):
        """Returns the number of training steps that have begun."""
        return ops.cast(self.seed_generator.state[1], "int32")

    def sample(self):
        if self.factor_kind == "own":
            return ops.convert_to_tensor(self.factor)
        return ops.ones_like(self.moving_average)

    def probabilities(self):
        factor = ops.cast(self.factor, "float32")
        alive = ops.abs(factor) > self.threshold
        lives_on = ops.abs(self.moving_average) > self.threshold
        # Before the first step there is no average.
        lives_on = ops.logical_and(lives_on, self._steps() > 0)
        return ops.cast(ops.logical_or(alive, lives_on), "float32")

    def get_config(self):
        config = {"threshold": self.threshold, "momentum": self.momentum}
        return {**super().get_config(), **config}
