"""Layers and operations that move entries and compute nothing."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule


class MovingRule(Rule):
    """Entries move to other positions.

    Its effect on channels is read off an array that holds, at every entry,
    the number of the entry's channel: if behind the layer that number depends
    on one axis alone, this axis is the new channel axis.
    """

    reason = "after it, no single axis separates the channels"
    needs_sizes = False  # Whether unknown sizes make the effect unknown.

    def move(self, node, array):
        """Applies the call to a NumPy array."""
        raise NotImplementedError

    def index(self, node, flow):
        """Returns `(axis, index)` or `None`: where each channel comes from."""
        tensor = node.input_tensors[0]
        state = flow.state(tensor)
        batch, *shape = tensor.shape
        if not shape or (self.needs_sizes and None in shape):
            return None
        shape = [batch or 1, *(size or 2 for size in shape)]
        around = [1] * len(shape)
        around[state.axis] = -1
        numbers = np.arange(shape[state.axis]).reshape(around)
        try:
            array = self.move(node, np.broadcast_to(numbers, shape))
        except ValueError:
            return None
        for axis in reversed(range(1, array.ndim)):
            lines = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
            if (lines == lines[:, :1]).all():
                return axis, lines[:, 0]
        return None

    def obstacle(self, node, flow):
        return self.reason if self.index(node, flow) is None else None

    def forward(self, node, flow):
        axis, index = self.index(node, flow)
        state = flow.state(node.input_tensors[0])
        if np.array_equal(index, np.arange(state.length)):
            state = state.replace(axis=axis)
        else:
            state = state.take(index, axis)
        flow.states[id(node.output_tensors[0])] = state

    def demand(self, node, flow, reading, out):
        _, index = self.index(node, flow)
        length = flow.state(node.input_tensors[0]).length
        if np.array_equal(index, np.arange(length)):
            return out
        return [reading.fold(out[0], index, length)]

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        return [np.asarray(values[0])[self.index(node, flow)[1]]]


@register_rule(layers.Flatten)
class FlattenRule(MovingRule):
    needs_sizes = True

    def move(self, node, array):
        if node.operation.data_format == "channels_first":
            array = np.moveaxis(array, 1, -1)
        return array.reshape(len(array), -1)


@register_rule(layers.Reshape)
class ReshapeRule(MovingRule):
    needs_sizes = True

    def move(self, node, array):
        return array.reshape(len(array), *node.operation.target_shape)

    def build(self, piece):
        piece.copy()
        if piece.is_sliced():
            shape = list(piece.node.output_tensors[0].shape[1:])
            axis = piece.flow.state(piece.node.output_tensors[0]).axis
            shape[axis - 1] = len(piece.kept_out())
            piece.config["target_shape"] = tuple(shape)


@register_rule("Reshape")
class ReshapeOperationRule(MovingRule):
    needs_sizes = True

    def move(self, node, array):
        return array.reshape(self._shape(node))

    def _shape(self, node):
        return [-1 if s is None else s for s in node.operation.newshape]

    def build(self, piece):
        if piece.is_sliced():
            shape = self._shape(piece.node)
            axis = piece.flow.state(piece.node.output_tensors[0]).axis
            if shape[axis] != -1:
                shape[axis] = len(piece.kept_out())
            piece.config["newshape"] = tuple(shape)


@register_rule(layers.Permute)
class PermuteRule(MovingRule):
    def move(self, node, array):
        return np.transpose(array, [0, *node.operation.dims])


@register_rule(layers.RepeatVector)
class RepeatVectorRule(MovingRule):
    def move(self, node, array):
        return np.repeat(array[:, None], node.operation.n, axis=1)


@register_rule("Transpose")
class TransposeRule(MovingRule):
    def move(self, node, array):
        return np.transpose(array, node.operation.axes)


@register_rule("Moveaxis")
class MoveaxisRule(MovingRule):
    def move(self, node, array):
        layer = node.operation
        return np.moveaxis(array, layer.source, layer.destination)


@register_rule("Swapaxes")
class SwapaxesRule(MovingRule):
    def move(self, node, array):
        return np.swapaxes(array, node.operation.axis1, node.operation.axis2)


@register_rule("Squeeze")
class SqueezeRule(MovingRule):
    needs_sizes = True

    def move(self, node, array):
        axis = node.operation.axis
        if axis is None:
            axis = [i for i in range(1, array.ndim) if array.shape[i] == 1]
        axis = tuple(axis) if isinstance(axis, list) else axis
        return np.squeeze(array, axis)


@register_rule("ExpandDims")
class ExpandDimsRule(MovingRule):
    def move(self, node, array):
        axis = node.operation.axis
        axis = tuple(axis) if isinstance(axis, list) else axis
        return np.expand_dims(array, axis)
