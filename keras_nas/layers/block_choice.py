"""The block choice of DMaskingNAS: one of several candidates."""

import keras
import numpy as np
from keras import ops

from keras_nas.layers.gumbel_softmax_mask import GumbelSoftmaxMask


@keras.saving.register_keras_serializable(package="keras_nas")
class BlockChoice(GumbelSoftmaxMask):
    """Learns which one of several candidate blocks stays.

    Use it to join candidates that are applied to the same input: blocks of
    different kernel sizes or non-linearities, with or without
    squeeze-excite, or none at all. The output is the sum of the candidates'
    outputs, weighted by a Gumbel-softmax (`GumbelSoftmaxMask`),

        y = sum_i g_i b_i(x),

    and at inference that of the candidate with the largest logit.
    `keras_nas.ExpectedFLOPs` and `ExpectedParams` weight the cost of every
    layer that only candidate i needs by g_i, and `keras_nas.slice_model`
    leaves the others out.

    In a residual block, choose among what is added to the shortcut, and let
    `zero` be the option that nothing is: then the block disappears.

    Args:
        options: List of different strings, the names of the options, from the
            cheapest to the most expensive: one for each of the inputs, in
            their order, and the `zero` option.
        zero: One of the options, for which there is no input, and which
            stands for zeros; or `None`.
        temperature: Positive float, tau at the start. It is held in a
            variable, `temperature`, for a callback to anneal.
        decided_by: Another `BlockChoice`, called before this one, whose
            decision this one takes over; it has as many options.
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: List of float tensors of equal shapes.
        training: Boolean; draws are made in training only.

    Raises:
        ValueError: If the options are not different strings, `zero` is none
            of them, or the inputs are not one for each of the others, of
            equal shapes.

    Reference:
        FBNetV2: Differentiable Neural Architecture Search for Spatial and
        Channel Dimensions, Sections 3.3 and 4.2, Table 3.

    Example:

    >>> import keras, keras_nas
    >>> inputs = keras.Input((8, 8, 16))
    >>> candidates = [
    ...     keras.layers.DepthwiseConv2D(k, padding="same")(inputs)
    ...     for k in (3, 5)
    ... ]
    >>> choice = keras_nas.BlockChoice(["skip", "k3", "k5"], zero="skip")
    >>> x = keras.layers.Add()([inputs, choice(candidates)])
    >>> tuple(choice.logits.shape), choice.decision()
    ((3,), 'skip')
    """

    is_exclusive = True

    def __init__(
        self,
        options,
        zero=None,
        temperature=5.0,
        decided_by=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            temperature=temperature, decided_by=decided_by, seed=seed, **kwargs
        )
        self.names = _check_options(options)
        if zero is not None and zero not in self.names:
            raise ValueError(
                "Invalid value received for argument `zero`. Expected one of "
                f"the options {self.names}, or None. Received: zero={zero!r}"
            )
        if self.names == [zero]:
            raise ValueError(
                "Invalid value received for argument `options`. Expected an "
                "option besides that of zeros, for which there is an input. "
                f"Received: options={options!r} and zero={zero!r}"
            )
        self.zero = zero
        self.supports_masking = True

    @property
    def input_options(self):
        """The index of the option that each input stands for."""
        return [i for i, name in enumerate(self.names) if name != self.zero]

    def build(self, input_shape):
        is_list = all(isinstance(s, (list, tuple)) for s in input_shape)
        shapes = [tuple(s) for s in input_shape] if is_list else [input_shape]
        expected = len(self.input_options)
        is_valid = len(shapes) == expected and len(set(shapes)) == 1
        if not is_list or not is_valid:
            raise ValueError(
                f"The choice '{self.name}' among {self.names} takes a list of "
                f"{expected} tensors of equal shapes. Received tensors of the "
                f"shapes {shapes}"
            )
        self.add_options(self.names, np.eye(len(self.names)))
        self.built = True

    def call(self, inputs, training=False):
        weights = self.weights_in_call(training)
        outputs = 0.0
        for option, x in zip(self.input_options, inputs, strict=True):
            outputs = outputs + ops.cast(weights[option], x.dtype) * x
        return outputs

    def compute_mask(self, inputs, previous_mask=None):
        """Returns Keras's mask of padded positions, if candidates agree."""
        first, *others = previous_mask or [None]
        return first if all(other is first for other in others) else None

    def scale_limits(self):
        every = np.ones(len(self.names), "float32")
        return every, every  # What is largest, costs say.

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        config = {"options": self.names, "zero": self.zero}
        return {**super().get_config(), **config}


def _check_options(options):
    if isinstance(options, (list, tuple)) and options:
        are_names = all(isinstance(name, str) for name in options)
        if are_names and len(set(options)) == len(options):
            return list(options)
    raise ValueError(
        "Invalid value received for argument `options`. Expected a list of "
        "different strings, the names of the candidates. Received: "
        f"options={options!r}"
    )
