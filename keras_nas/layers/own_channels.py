"""An identity whose channels stay or go apart from those of its input."""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="keras_nas")
class OwnChannels(layers.Layer):
    """Passes its input on; which of its channels stay is decided behind it.

    Use it in front of a mask in a branch without weights, such as a shortcut
    or a pool, that is concatenated to others. The channels of such a branch
    are those of its input, and as long as another branch needs them they stay
    everywhere, masked or not. Behind this layer they are channels of its own:
    the sliced model takes the ones that are needed out of the input's, with
    `x[..., a:b]` or `keras.ops.take`, or leaves the branch out.

    Args:
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Tensor of any rank >= 2.

    Example:

    >>> import keras, keras_nas
    >>> x = inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 1)(x)
    >>> a = keras_nas.layers.OwnChannels()(x)
    >>> a = keras_nas.FiGSMask(name="a")(a)
    >>> b = keras.layers.Conv2D(4, 3, padding="same")(x)
    >>> x = keras.layers.Concatenate()([a, b])
    >>> x = keras.layers.Conv2D(5, 1, name="last")(x)
    >>> model = keras.Model(inputs, x)
    >>> chosen = keras_nas.Architecture("", {"a": [1]})
    >>> sliced = keras_nas.slice_model(model, chosen)
    >>> tuple(sliced.get_layer("last").kernel.shape)
    (1, 1, 5, 5)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.built = True

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
