"""A depthwise convolution whose kernel may be smaller."""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_nas.layers.elastic.elastic_channels import first_channels
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.elastic.elastic_choice import as_choice
from keras_nas.layers.elastic.elastic_choice import sizes_of
from keras_nas.layers.elastic.elastic_mask import check_execution
from keras_nas.layers.elastic.elastic_mask import deserialize_layers
from keras_nas.layers.elastic.elastic_mask import row
from keras_nas.layers.elastic.elastic_mask import serialize_layers
from keras_nas.layers.elastic.elastic_mask import supports_jit
from keras_nas.layers.elastic.slices import add_bias_and_activate
from keras_nas.layers.elastic.slices import channels_of


@keras.saving.register_keras_serializable(package="keras_nas")
class ElasticDepthwiseConv2D(layers.DepthwiseConv2D):
    """A `DepthwiseConv2D` of several kernel sizes, and of fewer channels.

    Use it in a network with elastic widths. A smaller kernel is the centre of
    the largest. It reads the first filters of its kernel, as many as its
    input has channels.

    Args:
        kernel_size: An `ElasticChoice` of sizes; a list of sizes, for a
            choice of its own, called `f"{name}_kernel"`; or an integer. The
            sizes are all odd or all even, so that they have one centre. The
            first option of an `ElasticChoice` may be 0, for a layer that does
            not run then, as in an `ElasticSwitch`.
        *args: As of `keras.layers.DepthwiseConv2D`.
        execution: `"sliced"`, to compute with a smaller kernel, or
            `"masked"`, with zeros around it.
        seed: Integer seed of the draws of a choice of its own.
        **kwargs: As of `keras.layers.DepthwiseConv2D`.

    Call arguments:
        inputs: As of `keras.layers.DepthwiseConv2D`, but perhaps with the
            first channels only.
        training: Boolean; a size is drawn in training.

    Raises:
        ValueError: If the sizes are something else or smaller than the
            strides, or the padding is not "same", with which sizes of maps
            would depend on the kernel.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 4.1 and Appendix B.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> from keras_nas.layers import ElasticDepthwiseConv2D
    >>> conv = ElasticDepthwiseConv2D([3, 5], padding="same", name="conv")
    >>> conv(np.ones((1, 8, 8, 4), "float32")).shape
    TensorShape([1, 8, 8, 4])
    >>> conv.deciding_masks[0].name
    'conv_kernel'
    """

    plain_class = layers.DepthwiseConv2D  # What the slicer makes of it.

    def __init__(
        self, kernel_size, *args, execution="sliced", seed=None, **kwargs
    ):
        if isinstance(kernel_size, dict):  # The config of a choice.
            (kernel_size,) = deserialize_layers([kernel_size])
        super().__init__(max(kernel_sizes_of(kernel_size)), *args, **kwargs)
        self.kernel_choice, self.kernel_sizes = as_kernel_choice(
            kernel_size, f"{self.name}_kernel", seed
        )
        self.execution = check_execution(execution)
        if self.kernel_choice is not None:
            self.supports_jit = supports_jit(execution)
        if len({size % 2 for size in self.kernel_sizes}) > 1:
            raise ValueError(
                "Invalid value received for argument `kernel_size`. Expected "
                "sizes that are all odd or all even, which have one centre. "
                f"Received: {self.kernel_sizes}"
            )
        if self.kernel_choice is not None and min(self.kernel_sizes) < max(
            self.strides
        ):
            raise ValueError(
                "Invalid value received for argument `kernel_size`. Expected "
                "sizes of at least the strides, since smaller ones would not "
                f"be centred. Received: {self.kernel_sizes}, with "
                f"strides={self.strides}"
            )
        if self.kernel_choice is not None and self.padding != "same":
            raise ValueError(
                "Invalid value received for argument `padding`. Expected "
                "'same', since the kernel size is chosen. Received: "
                f"padding={self.padding!r}"
            )
        largest = max(self.kernel_sizes)
        offsets = np.abs(2 * np.arange(largest) + 1 - largest)
        inside = [offsets < size for size in self.kernel_sizes]
        self._windows = np.array([np.outer(i, i) for i in inside], "float32")[
            ..., None, None
        ]

    @property
    def deciding_masks(self):
        """The choice of the kernel size, if there is one, as a list."""
        return [] if self.kernel_choice is None else [self.kernel_choice]

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = layers.InputSpec(ndim=4)

    def call(self, inputs, training=False):
        axis = 1 if self.data_format == "channels_first" else -1
        kernel = first_channels(self.kernel, 2, channels_of(inputs, axis))
        outputs = ops.depthwise_conv(
            inputs,
            self.window(kernel, training),
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return add_bias_and_activate(self, outputs, axis)

    def window(self, kernel, training=False):
        """Returns the part of a kernel that is in use."""
        if self.kernel_choice is None:
            return kernel
        index = self.kernel_choice.index(training)
        if self.execution == "masked":
            window = row(self._windows, index)
            return kernel * ops.cast(window, kernel.dtype)
        sizes = np.array(self.kernel_sizes, "int32")
        size, largest = row(sizes, index), int(sizes.max())
        start = (largest - size) // 2
        stop = start + size
        return kernel[start:stop, start:stop]

    def get_config(self):
        kernel = self.kernel_sizes
        if self.kernel_choice is not None:
            (kernel,) = serialize_layers([self.kernel_choice])
        config = {"kernel_size": kernel, "execution": self.execution}
        return {**super().get_config(), **config}


def as_kernel_choice(kernel_size, name, seed=None):
    """Returns what `as_choice` does, for kernels of which one may be 0."""
    if isinstance(kernel_size, ElasticChoice):
        return kernel_size, kernel_sizes_of(kernel_size)
    return as_choice(kernel_size, name, seed)


def kernel_sizes_of(kernel_size):
    """Returns the size for each option; the smallest one in place of 0.

    Raises:
        ValueError: If they are no sizes.
    """
    if isinstance(kernel_size, ElasticChoice):
        first, *others = kernel_size.options
        if first == 0 and others:
            sizes = sizes_of(others)
            return [sizes[0], *sizes]
    return sizes_of(kernel_size)
