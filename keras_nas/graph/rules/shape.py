"""Flatten, Reshape and Permute: channels that move to other positions."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule


class MovingRule(Rule):
    """A layer that moves entries and computes nothing.

    Its effect on channels is read off an array that holds, at every entry,
    the number of the entry's channel: if behind the layer that number depends
    on one axis alone, this axis is the new channel axis.
    """

    reason = "after it, no single axis separates the channels"

    def move(self, layer, array):
        """Applies the layer to a NumPy array without batch axis."""
        raise NotImplementedError

    def index(self, node, flow):
        """Returns `(axis, index)` or `None`: where each channel comes from."""
        tensor = node.input_tensors[0]
        state = flow.state(tensor)
        shape = tensor.shape[1:]
        if None in shape or not len(shape):
            return None
        numbers = np.arange(shape[state.axis - 1])
        around = [1] * len(shape)
        around[state.axis - 1] = -1
        array = np.broadcast_to(numbers.reshape(around), shape)
        array = self.move(node.operation, array)
        for axis in reversed(range(array.ndim)):
            lines = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
            if (lines == lines[:, :1]).all():
                return axis + 1, lines[:, 0]
        return None

    def forward(self, node, flow):
        found = self.index(node, flow)
        if found is None:
            flow.barrier(node, self.reason)
            return
        axis, index = found
        state = flow.state(node.input_tensors[0])
        if np.array_equal(index, np.arange(state.length)):
            state = state.replace(axis=axis)
        else:
            state = state.take(index, axis)
        flow.states[id(node.output_tensors[0])] = state

    def demand(self, node, flow, reading, out):
        found = self.index(node, flow)
        if found is None:
            return [reading.live(node)]
        length = flow.state(node.input_tensors[0]).length
        if np.array_equal(found[1], np.arange(length)):
            return out
        return [reading.fold(out[0], found[1], length)]

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        found = self.index(node, flow)
        if found is None:
            return super().constant(node, flow, values)
        return [np.asarray(values[0])[found[1]]]


@register_rule(layers.Flatten)
class FlattenRule(MovingRule):
    def move(self, layer, array):
        if layer.data_format == "channels_first":
            array = np.moveaxis(array, 0, -1)
        return array.reshape(-1)


@register_rule(layers.Reshape)
class ReshapeRule(MovingRule):
    def move(self, layer, array):
        return array.reshape(layer.target_shape)

    def build(self, piece):
        piece.copy()
        if piece.is_sliced():
            shape = list(piece.node.output_tensors[0].shape[1:])
            axis = piece.flow.state(piece.node.output_tensors[0]).axis
            shape[axis - 1] = len(piece.kept_out())
            piece.config["target_shape"] = tuple(shape)


@register_rule(layers.Permute)
class PermuteRule(MovingRule):
    def move(self, layer, array):
        return np.transpose(array, [d - 1 for d in layer.dims])
