"""The elastic block of BigNAS."""

import itertools

import keras
from keras import layers
from keras import ops

from keras_nas.layers.elastic.elastic_batch_normalization import (
    ElasticBatchNormalization,
)
from keras_nas.layers.elastic.elastic_channels import ElasticChannels
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.elastic.elastic_choice import as_choice
from keras_nas.layers.elastic.elastic_conv2d import ElasticConv2D
from keras_nas.layers.elastic.elastic_depth import ElasticDepth
from keras_nas.layers.elastic.elastic_depthwise_conv2d import (
    ElasticDepthwiseConv2D,
)
from keras_nas.layers.elastic.elastic_mask import check_execution
from keras_nas.layers.elastic.elastic_mask import deserialize_choices
from keras_nas.layers.elastic.elastic_mask import serialize_choices

_CHOICES = "filters", "filters_in", "kernel_size", "expand_ratio", "depth"


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticMBConv(layers.Layer):
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
        ValueError: If a size is none, or the block may be left out although
            its output has another shape than its input.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Sections 3.1 and 4.1, Appendix B.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((16, 16, 8)),
    ...     keras_nas.ElasticMBConv([12, 16], [3, 5], 4, 2, name="block"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ... ])
    >>> chosen = {"block_filters": 12, "block_kernel_size": 3}
    >>> chosen = keras_nas.Architecture("", chosen)
    >>> keras_nas.slice_model(model, chosen).output_shape
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
        execution="sliced",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sizes = {}  # By argument: the options.
        for key, value in (
            ("filters", filters),
            ("kernel_size", kernel_size),
            ("expand_ratio", expand_ratio),
        ):
            choice, options = as_choice(value, f"{self.name}_{key}", seed)
            self.sizes[key] = options
            setattr(self, key, choice)
        _check_choice("filters_in", filters_in)
        _check_choice("depth", depth)
        if type(strides) is not int or strides < 1:
            raise ValueError(
                "Invalid value received for argument `strides`. Expected a "
                f"positive integer. Received: strides={strides!r}"
            )
        self.filters_in, self.depth = filters_in, depth
        self.strides, self.position = strides, position
        self.se_ratio, self.activation = se_ratio, activation
        self.momentum, self.epsilon = momentum, epsilon
        self.zero_gamma, self.synchronized = zero_gamma, synchronized
        self.execution = check_execution(execution)

    def build(self, input_shape):
        shape = tuple(input_shape)
        widths = self.sizes["filters"]
        widths_in = [shape[-1]]
        if self.filters_in is not None:
            widths_in = self.filters_in.options
        # What the width inside depends on, and the widths.
        decides = [c for c in (self.filters_in, self.expand_ratio) if c]
        inside = [
            cin * ratio
            for cin, ratio in itertools.product(
                widths_in, self.sizes["expand_ratio"]
            )
        ]
        squeezed = [max(1, round(self.se_ratio * c)) for c in widths_in]
        self.out_mask = self._mask("out", widths, [self.filters])
        self.in_mask = self._mask("inside", inside, decides)
        is_expanded = self.sizes["expand_ratio"] != [1]
        x = shape
        if is_expanded:
            self.expand = self._conv("expand", max(inside), self.in_mask)
            self.expand_bn = self._norm("expand_bn")
            x = self._build([self.expand, self.expand_bn], x)
        else:
            self.expand = None
        kernel = self.kernel_size or self.sizes["kernel_size"][0]
        self.depthwise = ElasticDepthwiseConv2D(
            kernel,
            self.strides,
            padding="same",
            use_bias=False,
            execution=self.execution,
            dtype=self.dtype_policy,
            name=f"{self.name}_depthwise",
        )
        self.depthwise_bn = self._norm("depthwise_bn")
        x = self._build([self.depthwise, self.depthwise_bn], x)
        self.act = layers.Activation(self.activation, dtype=self.dtype_policy)
        if self.se_ratio:
            self.se_mask = self._mask("se", squeezed, [self.filters_in])
            self._build_squeeze_excite(x, max(squeezed))
        self.project = self._conv("project", max(widths), self.out_mask)
        gamma = "zeros" if self.zero_gamma else "ones"
        self.project_bn = self._norm("project_bn", gamma_initializer=gamma)
        x = self._build([self.project, self.project_bn], x)
        self._build_shortcut(shape, widths_in, widths)
        self.add = layers.Add(dtype=self.dtype_policy, name=f"{self.name}_add")
        self.gate = None
        if self.depth is not None:
            if x != shape or self.shortcut is not None:
                raise ValueError(
                    f"Block '{self.name}' may be left out, so its output must "
                    "have the shape of its input, and `filters_in` be "
                    f"`filters`. Received: inputs of the shape {shape}, "
                    f"outputs of {x}, filters_in={self.filters_in}"
                )
            self.gate = ElasticDepth(
                self.position,
                self.depth,
                self.execution,
                name=f"{self.name}_depth",
            )
        for mask in (self.in_mask, self.out_mask, self.gate):
            if mask is not None:
                mask.built = True
        self.built = True

    def _build_squeeze_excite(self, shape, hidden):
        self.se_pool = layers.GlobalAveragePooling2D(
            keepdims=True, dtype=self.dtype_policy
        )
        self.se_reduce = self._conv(
            "se_reduce", hidden, self.se_mask, activation=self.activation
        )
        self.se_expand = self._conv(
            "se_expand", shape[-1], self.in_mask, activation="sigmoid"
        )
        self.se_scale = layers.Multiply(dtype=self.dtype_policy)
        one = (shape[0], 1, 1, shape[-1])
        self._build([self.se_reduce, self.se_expand], one)
        if self.se_mask is not None:
            self.se_mask.built = True
        self.se_scale.build([shape, one])

    def _build_shortcut(self, shape, widths_in, widths):
        self.pool = self.shortcut = None
        if self.strides > 1:
            self.pool = layers.AveragePooling2D(
                self.strides,
                padding="same",
                dtype=self.dtype_policy,
                name=f"{self.name}_shortcut_pool",
            )
        is_same = self.filters is self.filters_in
        if not is_same or (self.filters is None and widths != widths_in):
            self.shortcut = self._conv(
                "shortcut", max(widths), self.out_mask, use_bias=False
            )
            self.shortcut.build(shape)

    def _conv(self, name, filters, width, use_bias=None, **kwargs):
        if use_bias is None:
            use_bias = "activation" in kwargs  # Others have a BatchNorm.
        return ElasticConv2D(
            filters,
            1,
            padding="same",
            use_bias=use_bias,
            width=width,
            dtype=self.dtype_policy,
            name=f"{self.name}_{name}",
            **kwargs,
        )

    def _norm(self, name, **kwargs):
        return ElasticBatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            synchronized=self.synchronized,
            dtype=self.dtype_policy,
            name=f"{self.name}_{name}",
            **kwargs,
        )

    def _mask(self, name, widths, choices):
        choices = [choice for choice in choices if choice is not None]
        if not choices:
            return None
        sizes = [len(choice.options) for choice in choices]
        return ElasticChannels(
            _nested(widths, sizes),
            choices,
            axis=-1,
            execution=self.execution,
            dtype=self.dtype_policy,
            name=f"{self.name}_{name}",
        )

    def _build(self, sublayers, shape):
        for layer in sublayers:
            layer.build(shape)
            shape = tuple(layer.compute_output_shape(shape))
        return shape

    def call(self, inputs, training=None):
        # The graph, which is symbolic, is that of masked execution.
        symbolic = isinstance(inputs, keras.KerasTensor)
        if self.gate is None or symbolic or self.execution == "masked":
            return self._block(inputs, training)
        is_there = self.gate.is_there(training)
        if isinstance(is_there, bool):
            return self._block(inputs, training) if is_there else inputs
        return ops.cond(
            is_there, lambda: self._block(inputs, training), lambda: inputs
        )

    def _block(self, inputs, training):
        x = inputs
        if self.expand is not None:
            x = self.expand(x, training=training)
            x = self.expand_bn(x, training=training)
            x = self.act(self._masked(self.in_mask, x, training))
        x = self.depthwise(x, training=training)
        x = self.depthwise_bn(x, training=training)
        x = self.act(self._masked(self.in_mask, x, training))
        if self.se_ratio:
            gate = self.se_reduce(self.se_pool(x), training=training)
            gate = self._masked(self.se_mask, gate, training)
            x = self.se_scale([x, self.se_expand(gate, training=training)])
        x = self.project(x, training=training)
        x = self.project_bn(x, training=training)
        if self.gate is not None and not self._is_known_there(x):
            x = self.gate(x, training=training)
        shortcut = inputs if self.pool is None else self.pool(inputs)
        if self.shortcut is not None:
            shortcut = self.shortcut(shortcut, training=training)
        x = self.add([shortcut, x])
        return self._masked(self.out_mask, x, training)

    def _is_known_there(self, x):
        is_symbolic = isinstance(x, keras.KerasTensor)
        return self.execution == "sliced" and not is_symbolic

    def _masked(self, mask, x, training):
        # Executed as slices, layers have made those channels only.
        is_symbolic = isinstance(x, keras.KerasTensor)
        if mask is None or (self.execution == "sliced" and not is_symbolic):
            return x
        return mask(x, training=training)

    def compute_output_shape(self, input_shape):
        size = [
            None if n is None else -(-n // self.strides)
            for n in input_shape[1:3]
        ]
        return (input_shape[0], *size, max(self.sizes["filters"]))

    def get_config(self):
        config = {
            key: getattr(self, key)
            for key in (
                "strides",
                "position",
                "se_ratio",
                "activation",
                "momentum",
                "epsilon",
                "zero_gamma",
                "synchronized",
                "execution",
            )
        }
        for key in _CHOICES:
            choice, config[key] = getattr(self, key), None
            if choice is not None:
                (config[key],) = serialize_choices([choice])
            elif key in self.sizes:
                (config[key],) = self.sizes[key]
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        choices = {
            key: deserialize_choices([config[key]])[0] for key in _CHOICES
        }
        return cls(**{**config, **choices})


def _check_choice(name, value):
    if value is not None and not isinstance(value, ElasticChoice):
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"`keras_nas.layers.ElasticChoice`. Received: {name}={value!r}"
        )


def _nested(values, sizes):
    """Returns a flat list as nested lists of the given lengths."""
    if len(sizes) == 1:
        return list(values)
    step = len(values) // sizes[0]
    return [
        _nested(values[i * step : (i + 1) * step], sizes[1:])
        for i in range(sizes[0])
    ]
