"""The channel mask of DMaskingNAS (FBNetV2), Section 3.1."""

import keras
import numpy as np

from keras_nas.layers.gumbel_softmax_mask import GumbelSoftmaxMask
from keras_nas.layers.per_channel_mask import PerChannelMask


@keras.saving.register_keras_serializable(package="keras_nas")
class ChannelMask(GumbelSoftmaxMask, PerChannelMask):
    """Learns how many channels stay, out of a list of numbers.

    Use it behind the BatchNormalization that follows a convolution;
    `keras_nas.insert_masks` puts it at all such places. All options share
    the weights of the largest, so that any number of them costs one feature
    map and one multiplication (DMaskingNAS, Eq. 3),

        y = b(x) * M,    M = sum_i g_i 1_i,

    where 1_i has k_i leading ones, k_i the i-th option, and g are
    Gumbel-softmax weights (Eq. 4),

        g_i = softmax_i((alpha_i + eps_i) / tau),    eps_i ~ Gumbel(0, 1),

    with the logits alpha and the temperature tau. There is one draw of g per
    step, the same for the whole batch and wherever the mask is applied. The
    sum of M is the effective number of channels (Eq. 5), so
    `keras_nas.ExpectedFLOPs` and `ExpectedParams` of a model with these masks
    are the cost of Eq. 10. At inference the option of the largest logit is
    taken: the first k_i channels.

    Args:
        choices: List of increasing positive integers, the last of which is
            the number of channels of the input; or an integer n for n evenly
            spaced ones, c / n, 2 c / n, ..., c of c channels, rounded up.
        temperature: Positive float, tau at the start. It is held in a
            variable, `temperature`, for a callback to anneal: the paper
            multiplies it by exp(-0.045) after each epoch.
        axis: Integer, the channel axis. Defaults to that of `data_format`.
        data_format: `"channels_last"` or `"channels_first"`.
        decided_by: Another `ChannelMask`, called before this one, whose
            option number i stands for choice number i here: one decision for
            numbers of channels that belong together, such as those of an
            expansion and of its squeeze-excite. The choices may repeat then.
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of any rank >= 2, `(batch, ..., channels)` or
            `(batch, channels, ...)`.
        training: Boolean; draws are made in training only.

    Raises:
        ValueError: If the choices are not such numbers, their last is not
            the number of channels, the temperature is not positive, or
            `decided_by` has another number of options.

    Reference:
        FBNetV2: Differentiable Neural Architecture Search for Spatial and
        Channel Dimensions, Sections 3.1 and 3.3.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, use_bias=False),
    ...     keras.layers.BatchNormalization(),
    ...     keras_nas.ChannelMask([8, 12, 16]),
    ...     keras.layers.ReLU(),
    ... ])
    >>> tuple(model.layers[2].logits.shape)
    (3,)
    """

    def __init__(
        self,
        choices,
        temperature=5.0,
        axis=None,
        data_format=None,
        decided_by=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            temperature=temperature,
            decided_by=decided_by,
            axis=axis,
            data_format=data_format,
            seed=seed,
            **kwargs,
        )
        self.choices = _check_choices(choices, decided_by is not None)

    def build(self, input_shape):
        channels = self.num_channels(input_shape)
        options = self._options(channels)
        numbers = np.reshape(options, (-1, 1))
        self.add_options(options, np.arange(channels) < numbers)
        super().build(input_shape)

    def _options(self, channels):
        if isinstance(self.choices, int):
            steps = np.arange(1, self.choices + 1)
            return sorted(
                {-(-int(i) * channels // self.choices) for i in steps}
            )
        if self.choices[-1] != channels:
            raise ValueError(
                f"The last of the choices of mask '{self.name}' must be the "
                f"number of channels of its input, {channels}. Received: "
                f"choices={self.choices}"
            )
        return list(self.choices)

    def get_config(self):
        return {**super().get_config(), "choices": self.choices}


def _check_choices(choices, may_repeat):
    if type(choices) is int and choices > 0:
        return choices
    if isinstance(choices, (list, tuple)) and choices:
        choices = list(choices)
        step = 0 if may_repeat else 1
        increasing = all(type(k) is int for k in choices) and all(
            b - a >= step for a, b in zip(choices, choices[1:], strict=False)
        )
        if increasing and choices[0] > 0:
            return choices
    raise ValueError(
        "Invalid value received for argument `choices`. Expected a list of "
        "increasing positive integers, such as [8, 12, 16], or their number. "
        f"Received: choices={choices!r}"
    )
