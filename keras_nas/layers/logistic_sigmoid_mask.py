"""The channel mask of FiGS, Section 3.1."""

import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_nas.layers.mask import check_temperature
from keras_nas.layers.per_channel_mask import PerChannelMask


@keras.saving.register_keras_serializable(package="keras_nas")
class LogisticSigmoidMask(PerChannelMask):
    """Learns which channels stay, by a relaxed Bernoulli mask per channel.

    Use it behind the BatchNormalization that follows a convolution (before it,
    the normalization would undo the mask), or behind any layer whose channels
    are to be searched; `keras_nas.insert_masks` puts it at all such places.
    Add a cost with `keras_nas.ExpectedFLOPs(...).attach(model)`, train with
    stock `fit`, and cut the result out with `keras_nas.slice_model`.

    In training, channel i is multiplied by one draw per step (FiGS,
    Section 3.1),

        m_i = sigmoid((nu_i + l_i) / tau),    l_i ~ Logistic(0, 1),

    with the logits nu = log(pi / (1 - pi)), pi the probability of keeping the
    channel, and the temperature tau. The same relaxed mask is used forward
    and backward. At inference a channel is kept iff nu_i > 0: multiplied by 1,
    or by pi_i with `soft_inference`, which the slicer folds into weights.

    Args:
        initial_logit: Float, nu of every channel at the start.
        temperature: Positive float, tau. It is held in a variable,
            `temperature`, so that a callback can anneal it without a retrace;
            the paper does not anneal.
        soft_inference: Boolean. Multiply kept channels by pi at inference, as
            Dropout's expectation does (not in the paper; in its authors'
            library).
        axis: Integer, the channel axis. Defaults to that of `data_format`.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of any rank >= 2, `(batch, ..., channels)` or
            `(batch, channels, ...)`.
        training: Boolean; draws are made in training only.

    Raises:
        ValueError: If the temperature is not positive, or the channel axis
            does not exist or has no static size.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Section 3.1 and
        Appendix (tau = 0.001).

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, use_bias=False),
    ...     keras.layers.BatchNormalization(),
    ...     keras_nas.LogisticSigmoidMask(),
    ...     keras.layers.ReLU(),
    ... ])
    >>> tuple(model.layers[2].logits.shape)
    (16,)
    """

    method = "FiGS"
    decides_each_channel = True

    def __init__(
        self,
        initial_logit=2.5,
        temperature=1e-3,
        soft_inference=False,
        axis=None,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            axis=axis, data_format=data_format, seed=seed, **kwargs
        )
        if not _is_finite(initial_logit):
            raise ValueError(
                "Invalid value received for argument `initial_logit`. "
                "Expected a finite float, such as 2.5. Received: "
                f"initial_logit={initial_logit!r}"
            )
        self.initial_logit = float(initial_logit)
        self.initial_temperature = check_temperature(temperature)
        self.soft_inference = bool(soft_inference)

    def build(self, input_shape):
        self.logits = self.add_weight(
            name="logits",
            shape=(self.num_channels(input_shape),),
            initializer=keras.initializers.Constant(self.initial_logit),
            dtype="float32",
            autocast=False,
        )
        self.temperature = self.add_temperature()
        super().build(input_shape)

    def sample(self):
        uniform = self.uniform()
        logistic = ops.log(uniform) - ops.log1p(-uniform)
        return ops.sigmoid((self.logits + logistic) / self.temperature)

    def probabilities(self):
        return ops.sigmoid(self.logits)

    def inference_scale(self):
        kept = ops.cast(self.logits > 0, "float32")
        return kept * self.probabilities() if self.soft_inference else kept

    def margins(self):
        """Returns numbers that are above 0 for the channels that are kept."""
        return ops.convert_to_tensor(self.logits)

    def shift(self, margins):
        """Adds a number, or one for each channel, to the margins."""
        self.logits.assign_add(ops.broadcast_to(margins, self.logits.shape))

    def decision(self):
        logits = ops.convert_to_numpy(self.logits)
        return [int(i) for i in np.flatnonzero(logits > 0)]

    def scale_of(self, decision):
        scale = self.switches_of(decision, self.logits.shape[0])
        if self.soft_inference:
            scale = scale * ops.convert_to_numpy(self.probabilities())
        return scale

    def scale_limits(self):
        channels = self.logits.shape[0]
        return np.zeros(channels, "float32"), np.ones(channels, "float32")

    def get_config(self):
        config = {
            "initial_logit": self.initial_logit,
            "temperature": self.initial_temperature,
            "soft_inference": self.soft_inference,
        }
        return {**super().get_config(), **config}


def _is_finite(value):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
