"""Layers that mix channels within groups: whole groups stay or go."""

import numpy as np
from keras import layers

from keras_nas.graph.formula import Channels
from keras_nas.graph.rules.linear import LinearRule
from keras_nas.graph.rules.linear import activate
from keras_nas.graph.rules.normalization import affine_cost
from keras_nas.graph.rules.normalization import other_axis
from keras_nas.graph.rules.pass_through import is_coupled
from keras_nas.graph.rules.pass_through import keeps_zero
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule


class GroupedConvRule(LinearRule):
    """A grouped convolution.

    Its groups must stay of one size, so the channels of a group, inputs and
    outputs, are tied. No constant is ever folded: where a group stays, all of
    its inputs do.
    """

    def forward(self, node, flow):
        layer, output = node.operation, node.output_tensors[0]
        state, needed = self.needed(node, flow)
        axis, groups = self.axis(node), layer.groups
        size = output.shape[axis] // groups
        nonzero = None
        if not layer.use_bias and keeps_zero(layer.activation):
            nonzero = by_group(flow.logic, state.nonzero, groups, size)
        coupled = is_coupled(layer.activation)
        if coupled:
            flow.note(node, "its activation mixes channels")
        alive = by_group(flow.logic, needed, groups, size)
        new = flow.add_source(output, axis, alive, nonzero, fixed=coupled)
        tie_groups(flow, groups, state, new)

    def demand(self, node, flow, reading, out):
        state, _ = self.needed(node, flow)
        if state is not flow.state(node.input_tensors[0]):
            return [reading.live(node)]
        return [spread(reading, out[0], node.operation.groups, state, node)]

    def macs(self, node, positions, n_in, n_out):
        """Returns positions * k * k * (inputs of a group) * n_out."""
        layer = node.operation
        window = int(np.prod(layer.kernel_size))
        return positions * window * layer.kernel.shape[-2] * n_out

    def gains_bias(self, node, flow, reading):
        return 0

    def constant(self, node, flow, values):
        layer = node.operation
        kernel, bias = self.kernel_and_bias(layer)
        matrix = self.sum_of_positions(kernel)
        groups = np.reshape(values[0], (layer.groups, -1))
        columns = matrix.reshape(matrix.shape[0], layer.groups, -1)
        out = np.einsum("gi,igo->go", groups, columns).reshape(-1) + bias
        return [activate(layer, out)]

    def build(self, piece):
        layer, columns = piece.operation, piece.kept_out()
        kernel, bias = self.kernel_and_bias(layer)
        scale = piece.folded_scale()
        size = kernel.shape[-1] // layer.groups
        piece.config["filters"] = len(columns)
        piece.config["groups"] = len(columns) // size
        piece.weights = [kernel[..., columns] * scale]
        if layer.use_bias:
            piece.weights.append(bias[columns] * scale)


@register_rule(layers.GroupNormalization)
class GroupNormalizationRule(Rule):
    """Statistics over positions and the channels of a group.

    With as many groups as channels it is an instance normalization, and every
    channel is by itself.
    """

    def obstacle(self, node, flow):
        return other_axis(node, flow, node.operation.axis)

    def forward(self, node, flow):
        layer = node.operation
        state = flow.state(node.input_tensors[0])
        size = state.length // layer.groups
        alive = by_group(flow.logic, state.alive, layer.groups, size)
        nonzero = state.nonzero.on(state.length)
        if not layer.center:
            nonzero = by_group(flow.logic, state.nonzero, layer.groups, size)
        tie_groups(flow, layer.groups, state)
        flow.states[id(node.output_tensors[0])] = state.replace(
            alive=alive, nonzero=nonzero
        )

    def demand(self, node, flow, reading, out):
        state = flow.state(node.input_tensors[0])
        return [spread(reading, out[0], node.operation.groups, state, node)]

    def cost(self, node, flow, reading):
        return affine_cost(node, flow, reading)

    def constant(self, node, flow, values):
        layer = node.operation
        size = len(values[0]) // layer.groups
        groups = np.reshape(values[0], (layer.groups, size))
        deviation = groups - groups.mean(1, keepdims=True)
        variance = groups.var(1, keepdims=True)
        out = (deviation / np.sqrt(variance + layer.epsilon)).reshape(-1)
        weights = iter(layer.get_weights())
        if layer.scale:
            out = out * next(weights)
        return [out + next(weights) if layer.center else out]

    def can_fold_scale(self, operation):
        return operation.scale and operation.center

    def build(self, piece):
        layer = piece.operation
        kept = piece.kept_in(layer.axis)
        total = piece.node.input_tensors[0].shape[layer.axis]
        piece.config["groups"] = len(kept) * layer.groups // total
        scale = piece.folded_scale() if self.can_fold_scale(layer) else 1.0
        piece.weights = [w[kept] * scale for w in layer.get_weights()]


def by_group(logic, channels, groups, size):
    """Returns `groups * size` channels, on where some channel of their group
    is on in `channels`."""
    each = channels.length // groups
    if each == 1:
        return channels.take(np.repeat(np.arange(groups), size))
    result = Channels()
    for start in range(0, channels.length, each):
        members = channels.take(np.arange(start, start + each))
        result += Channels.gated(size, logic.some_channel(members))
    return result


def tie_groups(flow, groups, *states):
    """Ties the channels of each group, in all of the states."""
    first = states[0].ids.reshape(groups, -1)[:, :1]
    for state in states:
        ids = state.ids.reshape(groups, -1)
        flow.tie(np.broadcast_to(first, ids.shape).reshape(-1), ids.reshape(-1))


def spread(reading, demand, groups, state, node):
    """Demands all input channels of the groups in which one is demanded."""
    length = node.output_tensors[0].shape[state.axis]
    by_output = np.arange(length) // (length // groups)
    by_input = np.arange(state.length) // (state.length // groups)
    demand = reading.fold(demand, by_output, groups)
    return reading.take(demand, by_input)
