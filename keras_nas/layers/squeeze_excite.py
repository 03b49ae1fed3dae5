"""Squeeze-excite, of one tensor or of several splits."""

import keras
from keras import layers

from keras_nas.layers import sharing
from keras_nas.layers.mask import check_data_format
from keras_nas.layers.multiples import se_hidden


@keras.saving.register_keras_serializable(package="keras_nas")
class SqueezeExcite(layers.Layer):
    """Weighs channels by what their means say.

    Use it behind a convolution; `keras_nas.SplitAttention` holds one. One
    tensor is scaled by a gate: a global average pool, a 1x1 convolution to
    fewer channels, an activation, a 1x1 convolution back, a sigmoid. Several
    splits u_q are summed up by the weights of a softmax over them, for each
    channel:

        g = mean(sum_q u_q),    z = act(W g + b),
        a = softmax_q(W_q z + b_q),    y = sum_q a_q u_q.

    Args:
        hidden: Integer, the number of channels of z. By default a quarter of
            those of the input, rounded to a multiple of 8.
        splits: Integer, the number of tensors.
        activation: Name of an activation function, the function, or a layer
            without weights.
        gate: The same, in the place of the sigmoid. There is none with
            several splits.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor, a batch of maps; with several splits a list of
            them, of equal shapes.

    Returns:
        A tensor of the shape of one input.

    Raises:
        ValueError: If `hidden` or `splits` is no positive integer, or the
            inputs are not as many as the splits.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4 and
        Fig. 2.

    Example:

    >>> import keras, keras_nas
    >>> x = keras.Input((8, 8, 16))
    >>> keras_nas.layers.SqueezeExcite(4)(x).shape
    (None, 8, 8, 16)
    >>> keras_nas.layers.SqueezeExcite(4, splits=2)([x, x]).shape
    (None, 8, 8, 16)
    """

    def __init__(
        self,
        hidden=None,
        splits=1,
        activation="relu",
        gate="hard_sigmoid",
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden = hidden
        if hidden is not None:
            check_size("hidden", hidden)
        self.splits = check_size("splits", splits)
        self.activation = read_activation(activation)
        self.gate = keras.activations.get(gate)
        self.data_format = check_data_format(data_format)
        self.channel_axis = 1 if self.data_format == "channels_first" else 3

    def build(self, input_shape):
        shape = list(self._shapes(input_shape)[0])
        self.create(shape[self.channel_axis])
        for axis in self._positions():
            shape[axis] = 1
        self.reduce.build(tuple(shape))
        shape[self.channel_axis] = self.reduce.filters
        self._build_hidden(tuple(shape))
        for expand in self.expand:
            expand.build(tuple(shape))
        self.built = True

    def create(self, channels):
        """Makes the layers inside, for a number of channels."""
        form = {"data_format": self.data_format}
        is_split = self.splits > 1
        self.sum = self._layer(layers.Add, "sum") if is_split else None
        self.pool = self._layer(
            layers.GlobalAveragePooling2D, "pool", keepdims=True, **form
        )
        is_layer = isinstance(self.activation, layers.Layer)
        activation = None if is_layer else self.activation
        hidden = self.hidden or se_hidden(channels)
        self.reduce = self._reduce("reduce", hidden, activation)
        gate, numbers = None if is_split else self.gate, suffixes(self.splits)
        self.expand = [
            self._expand(f"expand{n}", channels, gate) for n in numbers
        ]
        if is_split:
            # Side by side as rows of one map, so that channels stay apart.
            rows = 2 if self.channel_axis == 1 else 1
            self.concat = self._layer(layers.Concatenate, "concat", axis=rows)
            precise = keras.backend.result_type(self.compute_dtype, "float32")
            self.softmax = layers.Softmax(
                rows, dtype=precise, name=f"{self.name}_softmax"
            )
            cropped = [(q, self.splits - 1 - q) for q in range(self.splits)]
            self.take = [
                self._layer(
                    layers.Cropping2D, f"take{n}", cropping=(c, (0, 0)), **form
                )
                for n, c in zip(numbers, cropped, strict=True)
            ]
        self.scale = [
            self._layer(layers.Multiply, f"scale{n}") for n in numbers
        ]
        self.add = self._layer(layers.Add, "add") if is_split else None

    def _layer(self, cls, name, **kwargs):
        name = f"{self.name}_{name}"
        return cls(name=name, dtype=self.dtype_policy, **kwargs)

    def _conv(self, name, filters, activation, cls=layers.Conv2D, **kwargs):
        return self._layer(
            cls,
            name,
            filters=filters,
            kernel_size=1,
            activation=activation,
            data_format=self.data_format,
            **kwargs,
        )

    def _positions(self):
        return sorted({1, 2, 3} - {self.channel_axis})

    # What elastic channels change.

    def _reduce(self, name, filters, activation):
        return self._conv(name, filters, activation)

    def _expand(self, name, filters, activation):
        return self._conv(name, filters, activation)

    def _build_hidden(self, shape):
        pass

    def _close_hidden(self, hidden, **told):
        return hidden

    def _mean(self, maps):
        return self.pool(maps[0] if self.sum is None else self.sum(maps))

    def _scale(self, maps, gates):
        scaled = [
            scale([u, gate])
            for scale, u, gate in zip(self.scale, maps, gates, strict=True)
        ]
        return scaled[0] if self.add is None else self.add(scaled)

    def call(self, inputs, training=None):
        return self._run(inputs, training=training)

    def _run(self, inputs, **told):
        maps = inputs if self.splits > 1 else [inputs]
        hidden = self.reduce(self._mean(maps), **told)
        if isinstance(self.activation, layers.Layer):
            hidden = self.activation(hidden, **told)
        hidden = self._close_hidden(hidden, **told)
        gates = [expand(hidden, **told) for expand in self.expand]
        if self.splits > 1:
            gates = self._shares(gates)
        return self._scale(maps, gates)

    def _shares(self, gates):
        """Returns the softmax over several tensors, at each place."""
        shares = self.softmax(self.concat(gates))
        return [take(shares) for take in self.take]

    def inline(self, inputs):
        """Returns the output, computed by the layers inside alone.

        Use it for a network of stock layers only.

        Args:
            inputs: As in a call, but symbolic.
        """
        tensor = keras.tree.flatten(inputs)[0]
        self.create(tensor.shape[self.channel_axis])
        return self._run(inputs)

    def compute_output_shape(self, input_shape):
        return tuple(self._shapes(input_shape)[0])

    def _shapes(self, input_shape):
        is_list = isinstance(input_shape[0], (list, tuple))
        shapes = list(input_shape) if is_list else [input_shape]
        fits = len(shapes) == self.splits and is_list == (self.splits > 1)
        if not fits or len(shapes[0]) != 4:
            raise ValueError(
                f"Layer '{self.name}' expects a tensor of rank 4, or a list of "
                "as many as there are splits if these are several. Received: "
                f"splits={self.splits} and inputs of the shape {input_shape}"
            )
        return shapes

    def get_config(self):
        config = {
            "hidden": self.hidden,
            "splits": self.splits,
            "activation": serialize_activation(self.activation),
            "gate": keras.activations.serialize(self.gate),
            "data_format": self.data_format,
        }
        return {**super().get_config(), **config}


def suffixes(splits):
    """Returns what names of layers of each split end with."""
    return [f"_{q + 1}" for q in range(splits)] if splits > 1 else [""]


def check_size(name, value, smallest=1):
    """Returns an argument that must be an integer of at least `smallest`.

    Raises:
        ValueError: If it is something else.
    """
    if type(value) is int and value >= smallest:
        return value
    raise ValueError(
        f"Invalid value received for argument `{name}`. Expected an integer "
        f">= {smallest}. Received: {name}={value!r}"
    )


def read_activation(activation):
    """Returns an activation as a function, or as the layer that it is.

    Args:
        activation: A layer, its config, or what `keras.activations.get` takes.
    """
    if isinstance(activation, dict):
        return keras.saving.deserialize_keras_object(activation)
    if isinstance(activation, layers.Layer):
        return activation
    return keras.activations.get(activation)


def serialize_activation(activation):
    """Returns what `read_activation` reads."""
    if isinstance(activation, layers.Layer):
        with sharing.apart():
            return keras.saving.serialize_keras_object(activation)
    return keras.activations.serialize(activation)
