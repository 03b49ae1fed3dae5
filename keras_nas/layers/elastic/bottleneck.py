"""What the inverted residual blocks of elastic networks share."""

import math
import numbers

import numpy as np
from keras import layers

from keras_nas.layers import sharing
from keras_nas.layers.elastic.elastic_batch_normalization import (
    ElasticBatchNormalization,
)
from keras_nas.layers.elastic.elastic_channels import ElasticChannels
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.elastic.elastic_conv2d import ElasticConv2D
from keras_nas.layers.elastic.elastic_mask import serialize_layers
from keras_nas.layers.mask import check_data_format

_SETTINGS = "momentum", "epsilon", "zero_gamma", "synchronized", "data_format"


class Bottleneck(layers.Layer):
    """Base class of blocks of two 1x1 convolutions and a middle.

    The first one, followed by BatchNorm and an activation, may be left out;
    the second one is followed by BatchNorm. Subclasses set `in_mask` and
    `out_mask`, the `ElasticChannels` of the channels inside and behind, or
    `None`, before they call `build_body`.

    Args:
        activation: Name of the activation function, or a layer without
            weights, such as an `ElasticSwitch` of several.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        zero_gamma: Boolean, whether the scales of the last BatchNormalization
            begin at 0.
        synchronized: Boolean, that of every BatchNormalization.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: Base layer keyword arguments, such as `name`.
    """

    def __init__(
        self,
        activation,
        momentum,
        epsilon,
        zero_gamma,
        synchronized,
        data_format,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activation = activation
        self.momentum, self.epsilon = momentum, epsilon
        self.zero_gamma, self.synchronized = zero_gamma, synchronized
        self.data_format = check_data_format(data_format)
        self.channel_axis = 1 if self.data_format == "channels_first" else 3

    def build_middle(self, shape):
        """Builds what is between the convolutions.

        Args:
            shape: Shape of its input.

        Returns:
            Shape of its output.
        """
        raise NotImplementedError

    def run_middle(self, x, training):
        """Returns what is made of `x` between the convolutions."""
        raise NotImplementedError

    def build_body(self, shape, expands, inside, filters):
        """Builds all layers.

        Args:
            shape: Shape of the input.
            expands: Boolean, whether there is the first convolution.
            inside: Integer, the largest number of channels inside.
            filters: Integer, the largest number of output channels.
        """
        self.expand = None
        if expands:
            self.expand = self._conv("expand", inside, self.in_mask)
            self.expand_bn = self._norm("expand_bn")
            shape = build_in_turn([self.expand, self.expand_bn], shape)
        self.act = self._act(shape)
        shape = self.build_middle(shape)
        self.project = self._conv("project", filters, self.out_mask)
        gamma = "zeros" if self.zero_gamma else "ones"
        self.project_bn = self._norm("project_bn", gamma_initializer=gamma)
        build_in_turn([self.project, self.project_bn], shape)
        for mask in (self.in_mask, self.out_mask):
            if mask is not None:
                mask.built = True

    def run_body(self, x, training):
        """Returns the output, of which `out_mask` has masked nothing yet."""
        if self.expand is not None:
            x = self.expand(x, training=training)
            x = self.expand_bn(x, training=training)
            x = self.activate(x, training)
        x = self.run_middle(x, training)
        x = self.project(x, training=training)
        return self.project_bn(x, training=training)

    def activate(self, x, training):
        """Masks and activates what BatchNorm has made of channels inside."""
        return self.act(close(self.in_mask, x, training), training=training)

    def _act(self, shape):
        if not isinstance(self.activation, layers.Layer):
            return layers.Activation(
                self.activation,
                dtype=self.dtype_policy,
                name=f"{self.name}_act",
            )
        if not self.activation.built:
            self.activation.build(shape)
        return self.activation

    def _options(self, name):
        """Returns what all layers inside have in common."""
        return {
            "data_format": self.data_format,
            "dtype": self.dtype_policy,
            "name": f"{self.name}_{name}",
        }

    def _conv(self, name, filters, width):
        return ElasticConv2D(
            int(filters), 1, use_bias=False, width=width, **self._options(name)
        )

    def _norm(self, name, **kwargs):
        return ElasticBatchNormalization(
            self.channel_axis,
            self.momentum,
            self.epsilon,
            synchronized=self.synchronized,
            dtype=self.dtype_policy,
            name=f"{self.name}_{name}",
            **kwargs,
        )

    def _mask(self, name, widths, choices, execution):
        """Returns the mask that some of the choices decide on, if any."""
        choices = [choice for choice in choices if choice is not None]
        if not choices:
            return None
        shape = [len(choice.options) for choice in choices]
        return ElasticChannels(
            np.reshape(widths, shape).tolist(),
            choices,
            execution=execution,
            **self._options(name),
        )

    def get_config(self):
        config = {key: getattr(self, key) for key in _SETTINGS}
        config["activation"] = self.activation
        if isinstance(self.activation, layers.Layer):
            with sharing.scope():
                (config["activation"],) = serialize_layers([self.activation])
        return {**super().get_config(), **config}


def build_in_turn(sublayers, shape):
    """Builds layers one behind the other; returns the output's shape."""
    for layer in sublayers:
        if not layer.built:
            layer.build(shape)
        shape = tuple(layer.compute_output_shape(shape))
    return shape


def close(mask, x, training):
    """Masks what a layer has made, if there is a mask."""
    return x if mask is None else mask.close(x, training=training)


def check_choice(name, value):
    """Raises a `ValueError` if an argument is no choice and not `None`."""
    if value is not None and not isinstance(value, ElasticChoice):
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"`keras_nas.layers.ElasticChoice`. Received: {name}={value!r}"
        )


def check_numbers(strides, se_ratio):
    """Raises a `ValueError` if one of them is none."""
    if type(strides) is not int or strides < 1:
        raise ValueError(
            "Invalid value received for argument `strides`. Expected a "
            f"positive integer. Received: strides={strides!r}"
        )
    is_number = isinstance(se_ratio, numbers.Real)
    if not is_number or not 0 <= se_ratio < math.inf:
        raise ValueError(
            "Invalid value received for argument `se_ratio`. Expected a "
            f"float >= 0. Received: se_ratio={se_ratio!r}"
        )
