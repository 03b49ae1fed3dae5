"""What a rule sees when it builds a layer for fewer channels."""

import numpy as np


class Piece:
    """One call of a layer that is being rebuilt.

    A rule's `build` reads the kept channels and fills `config` and `weights`.

    Attributes:
        node: The call.
        operation: The original layer; only read.
        flow: The `ChannelFlow`.
        config: A copy of the layer's config, to be changed in place.
        weights: The new layer's weights, in the order of `get_weights`.
    """

    def __init__(self, node, cutter):
        self.node = node
        self.operation = node.operation
        self.flow = cutter.flow
        self.config = node.operation.get_config()
        self.weights = []
        self._cutter = cutter

    def copy(self):
        """Takes over the weights as they are."""
        if hasattr(self.operation, "get_weights"):
            self.weights = self.operation.get_weights()

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
            self._cutter.report.fold(self.node.name, "constants into new bias")
            return offset
        if np.any(offset):
            output = self.node.output_tensors[0]
            self._cutter.offsets[id(output)] = offset
            self._cutter.report.fold(self.node.name, "constants into BatchNorm")
        return None

    def _state_in(self, axis):
        if axis is None:
            return self.flow.state(self.node.input_tensors[0])
        return self.flow.view(self.node, axis)

    def folded_scale(self):
        """Returns the factors that a later mask puts on the kept outputs."""
        scale = self._cutter.scales.get(self.node.index)
        return 1.0 if scale is None else scale[self.kept_out()]
