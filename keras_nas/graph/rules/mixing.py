"""Activations in which an output channel depends on several inputs."""

import numpy as np
from keras import layers

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

    def cost(self, node, flow, reading):
        return {}
