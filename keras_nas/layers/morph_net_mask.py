"""What MorphNet reads its importances from."""

import weakref

import keras
from keras import layers
from keras import ops

from keras_nas.layers.factor_mask import FactorMask
from keras_nas.layers.factor_mask import check_threshold

_NORMALIZATIONS = (layers.BatchNormalization, layers.GroupNormalization)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_TRANSPOSED = (
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)
_TINY = 1e-12  # The root has no gradient at 0.


@keras.saving.register_keras_serializable(package="keras_nas")
class MorphNetMask(FactorMask):
    """Closes channels whose factor has come close to 0 (MorphNet).

    `keras_nas.insert_masks(model, keras_nas.layers.MorphNetMask)` puts it
    behind the BatchNormalization that follows each convolution or Dense
    layer; `keras_nas.search.MorphNet` trains it. In training it passes its
    input on. At inference channels are 0 whose factor is not above the
    threshold.

    Factors are, by `factor`:

    - `"batch_norm"`: the absolute values of the scales of the
      BatchNormalization that it is called behind;
    - `"kernel"`, the group lasso: of each channel the root of the mean square
      of the weights that make it, in the layer that it is called behind,
      perhaps with a BatchNormalization between;
    - `"own"`: the absolute values of a weight of this layer.

    What is behind a depthwise convolution takes its scales, as AtomNAS does,
    not the larger of those and of the convolution's before it.

    Args:
        threshold: Non-negative float; the authors' examples have 0.001 for
            scales and 0.01 for the group lasso. A search with a target sets
            others, channel by channel: the weight `thresholds`.
        factor: One of the above, or `"auto"`: `"batch_norm"` where there is a
            BatchNormalization with a scale, else `"own"`.
        axis: Integer, the channel axis. Defaults to that of `data_format`.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer; nothing is drawn, all masks have one.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor of any rank >= 2, `(batch, ..., channels)` or
            `(batch, channels, ...)`.
        training: Boolean.

    Raises:
        ValueError: If an argument is out of range, or what the factors are to
            be read from is not there.

    Reference:
        MorphNet: Fast & Simple Resource-Constrained Structure Learning of
        Deep Networks, Section 3.3; FiGS, Section 4.3, compares with it.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, use_bias=False),
    ...     keras.layers.BatchNormalization(),
    ...     keras_nas.layers.MorphNetMask(),
    ...     keras.layers.Conv2D(4, 1),
    ... ])
    >>> model.layers[2].factor is model.layers[1].gamma
    True
    """

    method = "MorphNet"
    factor_kinds = ("auto", "batch_norm", "kernel", "own")
    is_called_elsewhere = True

    def __init__(
        self,
        threshold=1e-3,
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
        # A reference, or the layer would be one inside this one.
        self._source = None

    def __call__(self, inputs, *args, **kwargs):
        is_symbolic = isinstance(inputs, keras.KerasTensor)
        is_new = self._source is None
        if is_symbolic and self.factor_kind == "kernel" and is_new:
            self._source = weakref.ref(_layer_before(inputs, self))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        self.thresholds = self.add_weight(
            name="thresholds",
            shape=(self.num_channels(input_shape),),
            initializer=keras.initializers.Constant(self.threshold),
            dtype="float32",
            autocast=False,
            trainable=False,
        )
        super().build(input_shape)

    @property
    def switches(self):
        return self.thresholds.shape[0]

    @property
    def factor(self):
        if self.factor_kind != "kernel":
            return super().factor
        source = self._source and self._source()
        if source is None:
            raise ValueError(
                f"Mask '{self.name}' takes its factors from the kernel of a "
                "layer, and was not called behind one yet, or the model that "
                "it was part of is gone."
            )
        return _kernel_of(source)

    def importance(self):
        """Returns the factors, a float32 vector of numbers from 0."""
        factor = ops.cast(self.factor, "float32")
        if self.factor_kind != "kernel":
            return ops.abs(factor)
        if isinstance(self._source(), _TRANSPOSED):
            factor = ops.swapaxes(factor, -1, -2)
        # Behind a depthwise convolution, channels are in the last two axes.
        weights = ops.reshape(factor, (-1, self.switches))
        mean = ops.mean(ops.square(weights), axis=0)
        return ops.sqrt(mean + _TINY)

    def margins(self):
        """Returns numbers that are above 0 for the channels that are kept."""
        return self.importance() - self.thresholds

    def shift(self, margins):
        """Adds a number, or one for each channel, to the margins."""
        by = ops.broadcast_to(margins, self.thresholds.shape)
        self.thresholds.assign_sub(by)

    def ranking(self):
        return self.importance()

    def sample(self):
        if self.factor_kind == "own":
            return ops.convert_to_tensor(self.factor)
        return ops.ones_like(self.thresholds)

    def probabilities(self):
        alive = self.importance() > self.thresholds
        return ops.cast(alive, "float32")

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


def _layer_before(tensor, mask):
    """Returns the layer with a kernel that made a tensor's channels."""
    layer = None
    while hasattr(tensor, "_keras_history"):
        layer, index, _ = tensor._keras_history
        if not isinstance(layer, _NORMALIZATIONS):
            break
        (tensor,) = layer._inbound_nodes[index].input_tensors
    if _kernel_of(layer) is None:
        raise ValueError(
            f"Mask '{mask.name}' takes its factors from the kernel of the "
            "layer that it is called behind. Expected a convolution or Dense "
            "layer, perhaps with a normalization behind it. Received: "
            f"{type(layer).__name__}. Put it right behind, or pass "
            "factor='own'."
        )
    return layer


def _kernel_of(layer):
    if isinstance(layer, _SEPARABLE):
        return layer.pointwise_kernel
    return getattr(layer, "kernel", None)
