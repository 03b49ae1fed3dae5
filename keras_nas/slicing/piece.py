"""What a rule sees when it builds a layer for fewer channels."""

import keras
import numpy as np


class Piece:
    """One call of a layer that is being rebuilt.

    A rule's `build` reads the kept channels and fills `config` and `weights`;
    its `rebuild` makes the new call.

    Attributes:
        node: The call.
        operation: The original layer; only read.
        flow: The `ChannelFlow`.
        reading: The `Reading` of the decisions.
        arguments: `(args, kwargs)` of the new call.
        config: A copy of the layer's config, to be changed in place.
        weights: The new layer's weights, in the order of `get_weights`.
    """

    def __init__(self, node, cutter, arguments=None):
        self.node = node
        self.operation = node.operation
        self.flow = cutter.flow
        self.reading = cutter.reading
        self.arguments = arguments
        self.config = cutter.config_of(node.operation)
        self.weights = []
        self._cutter = cutter

    @property
    def for_training(self):
        """Whether masks that can go on learning stay, cut to what is left."""
        return self._cutter.for_training

    @property
    def inputs(self):
        """The new input tensors; `None` for those that are gone."""
        tensors = self._cutter.tensors
        return [tensors.get(id(t)) for t in self.node.input_tensors]

    def call(self):
        """Calls the new layer, built by the rule at its first call."""
        cutter, operation = self._cutter, self.operation
        if not getattr(operation, "weights", ()):
            # A copy for each call, which may have other channels.
            cutter.layers.pop(id(operation), None)
        is_new = id(operation) not in cutter.layers
        if is_new:
            cutter.flow.rules[self.node.index].build(self)
            cutter.report_width(self)
        outputs = cutter.call(
            operation, self.arguments, self.config, self.weights
        )
        if is_new and id(operation) in cutter.layers:
            cutter.note_layer(self, cutter.layers[id(operation)])
        return outputs

    def join(self, operands):
        """Calls the layer, which takes a list, on some of its operands."""
        if len(operands) == 1:
            return operands[0]
        args, kwargs = self.arguments
        takes_list = isinstance([*args, *kwargs.values()][0], (list, tuple))
        args = (operands,) if takes_list else tuple(operands)
        self._cutter.layers.pop(id(self.operation), None)
        return self._cutter.call(self.operation, (args, {}))

    def copy(self):
        """Takes over the weights as they are."""
        operation = self.operation
        if hasattr(operation, "plain_class") and list(
            operation._flatten_layers(include_self=False)
        ):
            reason = dict(self.flow.barriers)[self.node]
            raise ValueError(
                f"Layer '{operation.name}' follows a choice and must be cut, "
                "but cannot. Expected a call like those of stock layers. "
                f"Received: a call that is a barrier: {reason}"
            )
        if hasattr(operation, "get_weights"):
            self.weights = operation.get_weights()

    def kept_in(self, axis=None):
        """Returns the indices of the input channels that stay.

        Args:
            axis: The axis that the layer reads; by default the input's own
                channel axis. Along any other axis everything stays.
        """
        return self._cutter.kept(self._state_in(axis))

    def kept_out(self):
        """Returns the indices of the output channels that stay."""
        return self._cutter.kept_out(self.node)

    def is_sliced(self):
        """Whether an output channel is dropped."""
        state = self.flow.state(self.node.output_tensors[0])
        return len(self.kept_out()) < state.length

    def constants_in(self, axis=None):
        """Returns the constant of each input channel, 0 where it varies."""
        tensor, state = self.node.input_tensors[0], self._state_in(axis)
        if state is not self.flow.state(tensor):
            return np.zeros(state.length)
        return self._cutter.constants(tensor)

    def offset_in(self):
        """Returns what the layer before should have added to each kept
        channel, had it had a bias."""
        tensor = self.node.input_tensors[0]
        return self._cutter.offsets.get(id(tensor), 0.0)

    def new_bias(self, offset):
        """Finds a place for an offset of a layer without bias.

        Returns:
            The bias to add to the layer, or `None` if it needs none.
        """
        rule = self.flow.rules[self.node.index]
        if rule.gains_bias(self.node, self.flow, self._cutter.reading):
            self.fold("constants into new bias")
            return offset
        if np.any(offset):
            output = self.node.output_tensors[0]
            self._cutter.offsets[id(output)] = offset
            self.fold("constants into BatchNorm")
        return None

    def _state_in(self, axis):
        if axis is None:
            return self.flow.state(self.node.input_tensors[0])
        return self.flow.view(self.node, axis)

    def folded_scale(self):
        """Returns the factors that a later mask puts on the kept outputs."""
        scale = self._cutter.scales.get(self.node.index)
        return 1.0 if scale is None else scale[self.kept_out()]

    def gain(self, factor):
        """Returns a factor that a weight gets for fewer channels."""
        return factor

    def folded_input_scale(self):
        """Returns the factors that a mask before it puts on kept inputs."""
        scale = self._cutter.input_scales.get(self.node.index)
        return 1.0 if scale is None else scale[self.kept_in()]

    def remaining_scale(self):
        """Returns a mask's factors that no layer before it took, if any."""
        return self._cutter.remaining_scale(self.node)

    def constants_of(self, tensor, own=False):
        """Returns the constants of an input for the kept output channels.

        Args:
            tensor: An input tensor of the original call.
            own: Boolean, whether for the input's own kept channels instead.
        """
        values = self._cutter.constants(tensor)
        if own:
            return values[self._cutter.kept(self.flow.state(tensor))]
        length = self.flow.state(self.node.output_tensors[0]).length
        return (values * np.ones(length))[self.kept_out()]

    def all_constants(self, tensor):
        """Returns the constants of all channels of an original tensor."""
        return self._cutter.constants(tensor)

    def scale(self, mask=None):
        """Returns what a mask has decided, by default the one called."""
        return self._cutter.scale(mask or self.operation)

    def fold(self, what):
        """Adds a line to the report."""
        self._cutter.report.fold(self.node.name, what)

    def pad(self, tensor, before, after):
        """Puts channels of zeros around those of a new tensor."""
        if not before + after:
            return tensor
        width = [(0, 0)] * len(tensor.shape)
        width[self._axis_out()] = (before, after)
        return keras.ops.pad(tensor, width)

    def rescale(self, tensor, scale, offset):
        """Applies factors and offsets to channels by a stock layer."""
        axis, rank = self._axis_out(), len(tensor.shape)
        shape = (-1,) + (1,) * (rank - 1 - axis)
        if keras.config.image_data_format() == "channels_first" and rank < 4:
            # There, Rescaling takes every vector for one of image channels.
            dtype = keras.backend.standardize_dtype(tensor.dtype)
            for operation, value in (
                (keras.ops.multiply, scale),
                (keras.ops.add, offset),
            ):
                value = np.asarray(value, dtype)
                if value.ndim:
                    value = value.reshape(shape)
                tensor = operation(tensor, value)
            return tensor

        def nested(value):
            if np.ndim(value) == 0:
                return float(value)
            return np.reshape(value, shape).tolist()

        layer = keras.layers.Rescaling(
            nested(scale),
            nested(offset),
            dtype=getattr(self.operation, "dtype_policy", None),
            name=self._cutter.unique_name(f"{self.node.name}_rescaling"),
        )
        return layer(tensor)

    def _axis_out(self):
        return self.flow.state(self.node.output_tensors[0]).axis
