"""FiGSMask: LogisticSigmoidMask with the paper's settings."""

import keras

from keras_nas.layers.logistic_sigmoid_mask import LogisticSigmoidMask


@keras.saving.register_keras_serializable(package="keras_nas")
class FiGSMask(LogisticSigmoidMask):
    """The mask of FiGS, with the settings of the paper.

    It is `LogisticSigmoidMask` with the paper's temperature, tau = 0.001
    (Appendix), no annealing, the starting logit 2.5 of the authors' library
    (keep probability 0.924), and hard decisions at inference. Use it for
    searches of the paper's length; short searches learn faster from a larger
    temperature, for which `LogisticSigmoidMask` has an argument.

    Args:
        seed: Integer seed of the draws.
        **kwargs: Any argument of `LogisticSigmoidMask`.

    Call arguments:
        inputs: Float tensor of any rank >= 2.
        training: Boolean; draws are made in training only.

    Raises:
        ValueError: As `LogisticSigmoidMask`.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Section 3.1.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
    >>> model.add(keras_nas.FiGSMask())
    >>> model.output_shape
    (None, 8)
    """
