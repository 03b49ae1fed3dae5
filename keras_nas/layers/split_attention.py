"""A depthwise convolution in several splits, with attention over them."""

import keras
from keras import layers

from keras_nas.layers.mask import check_data_format
from keras_nas.layers.squeeze_excite import SqueezeExcite
from keras_nas.layers.squeeze_excite import check_size
from keras_nas.layers.squeeze_excite import read_activation
from keras_nas.layers.squeeze_excite import serialize_activation
from keras_nas.layers.squeeze_excite import suffixes


@keras.saving.register_keras_serializable(package="keras_nas")
class SplitAttention(layers.Layer):
    """A depthwise convolution in several splits, with attention over them.

    Use it in place of the depthwise convolution, its BatchNormalization,
    activation and squeeze-excite in an inverted residual block. There are r
    splits of depthwise convolutions,

        u_q = act(BN(depthwise_q(x))),    q = 1, ..., r,

    which `keras_nas.layers.SqueezeExcite` sums up with weights that it
    computes from their means. One split is a depthwise convolution and
    squeeze-excite with a gate, zero splits is one without. For C channels, a
    kernel of k x k, N positions of the output and h hidden channels, it takes

        max(r, 1) k^2 C N + [r > 0] C h + r h C

    multiply-adds. The layers inside are Keras' own, and
    `keras_nas.slice_model` leaves nothing but them.

    Args:
        kernel_size: Integer.
        splits: Integer r >= 0.
        strides: Integer.
        hidden: Integer, the number of channels inside of the attention. By
            default a quarter of those of the input, rounded to a multiple of
            8.
        activation: Name of an activation function, the function, or a layer
            without weights.
        gate: Name of the function of the gate of a single split.
        use_bias: Boolean, whether the depthwise convolutions have biases.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        synchronized: Boolean, whether BatchNormalization takes its statistics
            from all replicas of a strategy.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor, a batch of maps.
        training: Boolean, as of `keras.layers.BatchNormalization`.

    Returns:
        A tensor with as many channels, and as many positions as padding
        "same" leaves with the strides.

    Raises:
        ValueError: If a size is no such integer.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Fig. 2 and Table 2.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((16, 16, 8)),
    ...     keras.layers.Conv2D(32, 1, use_bias=False),
    ...     keras.layers.BatchNormalization(),
    ...     keras.layers.ReLU(),
    ...     keras_nas.SplitAttention(3, splits=2, strides=2),
    ...     keras.layers.Conv2D(16, 1),
    ... ])
    >>> model.output_shape
    (None, 8, 8, 16)
    """

    def __init__(
        self,
        kernel_size=3,
        splits=2,
        strides=1,
        hidden=None,
        activation="relu",
        gate="hard_sigmoid",
        use_bias=False,
        momentum=0.99,
        epsilon=1e-3,
        synchronized=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_size = check_size("kernel_size", kernel_size)
        self.splits = check_size("splits", splits, 0)
        self.strides = check_size("strides", strides)
        self.hidden = hidden
        if hidden is not None:
            check_size("hidden", hidden)
        self.activation = read_activation(activation)
        self.gate = keras.activations.get(gate)
        self.use_bias = use_bias
        self.momentum, self.epsilon = momentum, epsilon
        self.synchronized = synchronized
        self.data_format = check_data_format(data_format)
        self.channel_axis = 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape):
        self.create()
        shape = tuple(input_shape)
        output_shape = self.compute_output_shape(shape)
        for depthwise in self.depthwise:
            depthwise.build(shape)
        for layer in (*self.norms, *self.acts):
            if not layer.built:  # The same activation may be at other places.
                layer.build(output_shape)
        if self.squeeze_excite is not None:
            is_one = self.splits == 1
            shapes = output_shape if is_one else [output_shape] * self.splits
            self.squeeze_excite.build(shapes)
        self.built = True

    def create(self):
        """Makes the layers inside."""
        numbers = suffixes(self.splits)
        self.depthwise = [self._depthwise(number) for number in numbers]
        names = [layer.name for layer in self.depthwise]
        self.norms = [self._norm(f"{name}_bn") for name in names]
        self.acts = [self._act(f"{name}_act") for name in names]
        self.squeeze_excite = self._squeeze_excite() if self.splits else None

    def _act(self, name):
        if isinstance(self.activation, layers.Layer):
            return self.activation
        return layers.Activation(
            self.activation, dtype=self.dtype_policy, name=name
        )

    # What elastic channels and kernels change.

    def _depthwise(self, number):
        return layers.DepthwiseConv2D(
            self.kernel_size,
            self.strides,
            padding="same",
            use_bias=self.use_bias,
            data_format=self.data_format,
            dtype=self.dtype_policy,
            name=f"{self.name}_depthwise{self.kernel_size}{number}",
        )

    def _norm(self, name, cls=layers.BatchNormalization):
        return cls(
            self.channel_axis,
            self.momentum,
            self.epsilon,
            synchronized=self.synchronized,
            dtype=self.dtype_policy,
            name=name,
        )

    def _squeeze_excite(self):
        return SqueezeExcite(
            self.hidden,
            self.splits,
            self.activation,
            self.gate,
            data_format=self.data_format,
            dtype=self.dtype_policy,
            name=f"{self.name}_se",
        )

    def _close(self, x, **told):
        return x

    def call(self, inputs, training=None):
        maps = self._maps(inputs, training=training)
        if self.squeeze_excite is None:
            return maps[0]
        maps = maps if self.splits > 1 else maps[0]
        return self.squeeze_excite(maps, training=training)

    def _maps(self, inputs, **told):
        """Returns u_q for each of the splits."""
        maps = []
        for depthwise, norm, act in zip(
            self.depthwise, self.norms, self.acts, strict=True
        ):
            x = norm(depthwise(inputs, **told), **told)
            maps.append(act(self._close(x, **told), **told))
        return maps

    def inline(self, inputs):
        """Returns the output, computed by the layers inside alone.

        Use it for a network of stock layers only.

        Args:
            inputs: As in a call, but symbolic.
        """
        self.create()
        maps = self._maps(inputs)
        if self.squeeze_excite is None:
            return maps[0]
        maps = maps if self.splits > 1 else maps[0]
        return self.squeeze_excite.inline(maps)

    def compute_output_shape(self, input_shape):
        shape = [
            None if n is None else -(-n // self.strides) for n in input_shape
        ]
        shape[0] = input_shape[0]
        shape[self.channel_axis] = input_shape[self.channel_axis]
        return tuple(shape)

    def get_config(self):
        config = {
            key: getattr(self, key)
            for key in (
                "kernel_size",
                "splits",
                "strides",
                "hidden",
                "use_bias",
                "momentum",
                "epsilon",
                "synchronized",
                "data_format",
            )
        }
        config["activation"] = serialize_activation(self.activation)
        config["gate"] = keras.activations.serialize(self.gate)
        return {**super().get_config(), **config}
