"""The elastic block of BigNAS."""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_nas.layers import sharing
from keras_nas.layers.elastic.bottleneck import Bottleneck
from keras_nas.layers.elastic.bottleneck import build_in_turn
from keras_nas.layers.elastic.bottleneck import check_choice
from keras_nas.layers.elastic.bottleneck import check_numbers
from keras_nas.layers.elastic.bottleneck import close
from keras_nas.layers.elastic.elastic_choice import as_choice
from keras_nas.layers.elastic.elastic_choice import begin_steps
from keras_nas.layers.elastic.elastic_depth import ElasticDepth
from keras_nas.layers.elastic.elastic_depthwise_conv2d import (
    ElasticDepthwiseConv2D,
)
from keras_nas.layers.elastic.elastic_mask import check_execution
from keras_nas.layers.elastic.elastic_mask import deserialize_layers
from keras_nas.layers.elastic.elastic_mask import serialize_layers
from keras_nas.layers.elastic.elastic_squeeze_excite import ElasticSqueezeExcite

_CHOICES = "filters", "filters_in", "kernel_size", "expand_ratio", "depth"


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticMBConv(Bottleneck):
    """An inverted residual block whose every size can be chosen.

    Use it to build a network that contains networks of many sizes, which
    `keras_nas.search.BigNAS` trains all at once. It is a 1x1 convolution to
    `expand_ratio` times the channels of the input, left out where that is 1;
    a depthwise convolution; squeeze-excite; and a 1x1 convolution; with
    BatchNorm. Added to it is a shortcut: the input, averaged over the stride,
    and, where channels may differ, through a 1x1 convolution.

    A smaller block uses the first channels of each layer, and the centre of
    the depthwise kernel. A size that can be chosen is an `ElasticChoice`,
    which several blocks may share, such as all of a stage; or a list of
    options, for a choice of the block's own, called `f"{name}_filters"` and
    so on; or an integer, where there is nothing to choose.

    Args:
        filters: Number of output channels: a size as described above.
        kernel_size: Size of the depthwise kernel, the same.
        expand_ratio: Channels inside over those of the input, the same.
        strides: Integer.
        filters_in: The `ElasticChoice` of the channels of the input; by
            default they are always all there. Blocks whose input has as many
            channels as their output, and stride 1, take `filters` here too.
        depth: The `ElasticChoice` of the number of blocks of a stage, for a
            block that may be left out; `None` for one that is always there.
        position: Integer, how many blocks of the stage come before this one;
            it is there where the depth is more.
        se_ratio: Float, channels inside of squeeze-excite over those of the
            block's input; 0 for none.
        activation: Name of the activation function.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        zero_gamma: Boolean, whether the scales of the last BatchNormalization
            begin at 0, so that the block begins as its shortcut (Section 3.1,
            "Initialization").
        synchronized: Boolean, whether BatchNormalization takes its statistics
            from all replicas of a strategy.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        execution: `"sliced"`, to compute only what is chosen, for CPUs and
            GPUs, or `"masked"`, to compute everything and multiply by zeros,
            so that all shapes are static, for XLA and TPUs (Appendix B). Both
            give the same.
        seed: Integer seed of the draws of choices of its own.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`; executed as
            slices, with the chosen channels only.
        training: Boolean; options are drawn in training.

    Raises:
        ValueError: If a size or `se_ratio` is none, `filters_in` is not of
            the input, or the block may be left out although its output has
            another shape than its input.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Sections 3.1 and 4.1, Appendix B.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((16, 16, 8)),
    ...     keras_nas.ElasticMBConv([12, 16], [3, 5], 4, 2, name="block"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ...     keras_nas.layers.ElasticDense(10),
    ... ])
    >>> chosen = {"block_filters": 12, "block_kernel_size": 3}
    >>> chosen = keras_nas.Architecture("", chosen)
    >>> keras_nas.slice_model(model, chosen).layers[-1].input.shape
    (None, 12)
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        expand_ratio=6,
        strides=1,
        filters_in=None,
        depth=None,
        position=0,
        se_ratio=0.25,
        activation="silu",
        momentum=0.99,
        epsilon=1e-3,
        zero_gamma=True,
        synchronized=False,
        data_format=None,
        execution="sliced",
        seed=None,
        **kwargs,
    ):
        super().__init__(
            activation,
            momentum,
            epsilon,
            zero_gamma,
            synchronized,
            data_format,
            **kwargs,
        )
        self.sizes = {}  # By argument: the options.
        for key, value in (
            ("filters", filters),
            ("kernel_size", kernel_size),
            ("expand_ratio", expand_ratio),
        ):
            choice, options = as_choice(value, f"{self.name}_{key}", seed)
            self.sizes[key] = options
            setattr(self, key, choice)
        check_choice("filters_in", filters_in)
        check_choice("depth", depth)
        check_numbers(strides, se_ratio)
        self.filters_in, self.depth = filters_in, depth
        self.strides, self.position = strides, position
        self.se_ratio = se_ratio
        self.execution = check_execution(execution)

    def build(self, input_shape):
        shape, axis = tuple(input_shape), self.channel_axis
        widths, ratios = self.sizes["filters"], self.sizes["expand_ratio"]
        widths_in = [shape[axis]]
        if self.filters_in is not None:
            widths_in = self.filters_in.options
            if max(widths_in) != shape[axis]:
                raise ValueError(
                    f"The largest option of `filters_in` of '{self.name}' "
                    "must be the number of channels of its input, "
                    f"{shape[axis]}. Received: filters_in="
                    f"{self.filters_in.name} with the options {widths_in}"
                )
        # The width inside is decided by both, that of squeeze-excite by one.
        inside = np.outer(widths_in, ratios)
        decides = [self.filters_in, self.expand_ratio]
        way = self.execution
        self.out_mask = self._mask("out", widths, [self.filters], way)
        self.in_mask = self._mask("inside", inside, decides, way)
        self.widths_in = widths_in
        self.build_body(shape, ratios != [1], inside.max(), max(widths))
        self._build_shortcut(shape, widths_in, widths)
        self.add = layers.Add(dtype=self.dtype_policy, name=f"{self.name}_add")
        self.depth_mask = self._depth_mask()
        if self.depth_mask is not None:
            self.depth_mask.built = True
        self.built = True

    def build_middle(self, shape):
        self.depthwise = ElasticDepthwiseConv2D(
            self.kernel_size or self.sizes["kernel_size"][0],
            self.strides,
            padding="same",
            use_bias=False,
            execution=self.execution,
            **self._options("depthwise"),
        )
        self.depthwise_bn = self._norm("depthwise_bn")
        shape = build_in_turn([self.depthwise, self.depthwise_bn], shape)
        self.squeeze_excite = None
        if self.se_ratio:
            hidden = [max(1, round(self.se_ratio * c)) for c in self.widths_in]
            self.squeeze_excite = ElasticSqueezeExcite(
                max(hidden),
                self._mask(
                    "se_inside", hidden, [self.filters_in], self.execution
                ),
                self.in_mask,
                self.activation,
                **self._options("se"),
            )
            build_in_turn([self.squeeze_excite], shape)
        return shape

    def _build_shortcut(self, shape, widths_in, widths):
        self.pool = self.shortcut = None
        if self.strides > 1:
            self.pool = layers.AveragePooling2D(
                self.strides, padding="same", **self._options("shortcut_pool")
            )
        is_same = self.filters is self.filters_in
        if not is_same or (self.filters is None and widths != widths_in):
            self.shortcut = self._conv("shortcut", max(widths), self.out_mask)
            self.shortcut.build(shape)

    def _depth_mask(self):
        if self.depth is None:
            return None
        if self.pool is not None or self.shortcut is not None:
            raise ValueError(
                f"Block '{self.name}' may be left out, so its output must "
                "have the shape of its input. Expected strides=1 and the "
                "`ElasticChoice` of `filters` as `filters_in`. Received: "
                f"strides={self.strides}, filters={self.filters} and "
                f"filters_in={self.filters_in}"
            )
        return ElasticDepth(
            self.position,
            self.depth,
            self.execution,
            dtype=self.dtype_policy,
            name=f"{self.name}_depth",
        )

    def call(self, inputs, training=None):
        is_symbolic = isinstance(inputs, keras.KerasTensor)
        mask = self.depth_mask
        if mask is None or is_symbolic or self.execution == "masked":
            return self._block(inputs, mask, training)
        is_there = mask.is_there(training)
        if training:
            begin_steps(self)
        if isinstance(is_there, bool):
            return self._block(inputs, None, training) if is_there else inputs
        if training and self.synchronized:
            # All replicas meet in BatchNormalization, which no branch allows.
            return self._block(inputs, mask, training)
        return ops.cond(
            is_there,
            lambda: self._block(inputs, None, training),
            lambda: inputs,
        )

    def _block(self, inputs, depth_mask, training):
        x = self.run_body(inputs, training)
        if depth_mask is not None:
            x = depth_mask(x, training=training)
        shortcut = inputs if self.pool is None else self.pool(inputs)
        if self.shortcut is not None:
            shortcut = self.shortcut(shortcut, training=training)
        x = self.add([shortcut, x])
        return close(self.out_mask, x, training)

    def run_middle(self, x, training):
        x = self.depthwise(x, training=training)
        x = self.depthwise_bn(x, training=training)
        x = self.activate(x, training)
        if self.squeeze_excite is not None:
            x = self.squeeze_excite(x, training=training)
        return x

    def compute_output_shape(self, input_shape):
        shape = [
            None if n is None else -(-n // self.strides) for n in input_shape
        ]
        shape[0] = input_shape[0]
        shape[self.channel_axis] = max(self.sizes["filters"])
        return tuple(shape)

    def get_config(self):
        keys = "strides", "position", "se_ratio", "execution"
        config = {key: getattr(self, key) for key in keys}
        for key in _CHOICES:
            choice, config[key] = getattr(self, key), None
            if choice is not None:
                with sharing.scope():  # Two of them may be the same.
                    (config[key],) = serialize_layers([choice])
            elif key in self.sizes:
                (config[key],) = self.sizes[key]
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        with sharing.scope():
            choices = {
                key: deserialize_layers([config[key]])[0] for key in _CHOICES
            }
        return cls(**{**config, **choices})
