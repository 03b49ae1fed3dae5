"""Activations in which an output channel depends on several inputs."""

import keras
import numpy as np
from keras import layers

from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule


@register_rule("Glu")
class GluRule(Rule):
    """a * sigmoid(b), where a and b are the halves of the channels."""

    def obstacle(self, node, flow):
        tensor = node.input_tensors[0]
        axis = node.operation.axis % len(tensor.shape)
        if axis != flow.state(tensor).axis:
            return "its halves are of another axis than the channels'"
        return None

    def halves(self, node, flow):
        state = flow.state(node.input_tensors[0])
        return np.split(np.arange(state.length), 2)

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        a, b = (state.take(half) for half in self.halves(node, flow))
        flow.tie(a.ids, b.ids)
        varies = flow.logic.both(b.alive, a.nonzero)
        flow.states[id(node.output_tensors[0])] = a.replace(
            alive=flow.logic.either(a.alive, varies)
        )

    def demand(self, node, flow, reading, out):
        halves = self.halves(node, flow)
        length = flow.state(node.input_tensors[0]).length
        return [reading.collect([out[0]] * 2, halves, length)]

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        a, b = np.split(np.asarray(values[0]), 2)
        return [a / (1.0 + np.exp(-b))]


@register_rule(
    layers.Softmax, "LogSoftmax", "Normalize", "Softmax", "Sparsemax"
)
class MixingRule(Rule):
    reason = "mixes channels"

    def specialize(self, node, flow):
        axes = _OVER_POSITIONS.axes(node)
        apart = {0, flow.state(node.input_tensors[0]).axis}
        return self if axes & apart else _OVER_POSITIONS

    def cost(self, node, flow, reading):
        return {}


class MixingPositionsRule(PassThrough):
    """The same along other axes: constants stay constants, but others."""

    def axes(self, node):
        rank = len(node.input_tensors[0].shape)
        axes = np.atleast_1d(node.operation.axis)
        return {int(axis) % rank for axis in axes}

    def is_pointwise(self, node):
        return False

    def keeps_zero(self, operation):
        return type(operation).__name__ == "Normalize"

    def obstacle(self, node, flow):
        given = keras.tree.flatten((node.args, node.kwargs))
        if sum(value is not None for value in given) > 1:
            return "it leaves positions out"
        shape = node.input_tensors[0].shape
        if any(shape[axis] is None for axis in self.axes(node)):
            return "the number of positions that it mixes is unknown"
        return None

    def constant(self, node, flow, values):
        (tensor,) = node.input_tensors
        axis = flow.state(tensor).axis
        shape = [1] * len(tensor.shape)
        shape[axis] = -1
        x = np.reshape(np.asarray(values[0], "float32"), shape)
        for mixed in self.axes(node):
            x = np.repeat(x, tensor.shape[mixed], mixed)
        x = keras.ops.convert_to_numpy(node.operation(x))
        return [np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)[:, 0]]


_OVER_POSITIONS = MixingPositionsRule()
