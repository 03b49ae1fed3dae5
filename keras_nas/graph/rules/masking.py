"""The rule of all mask layers."""

from keras_nas.graph.formula import Channels
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.layers.mask import Mask


@register_rule(Mask)
class MaskRule(Rule):
    """A masked channel is the constant 0. The slicer removes the layer."""

    ignores_training = True

    def axis(self, node):
        return node.operation.channel_axis(len(node.input_tensors[0].shape))

    def forward(self, node, flow):
        state = flow.view(node, self.axis(node))
        if state is not flow.state(node.input_tensors[0]):
            flow.note(node, "masks another axis")
        index = flow.masks.index(node.operation)
        on = Channels.masked(state.length, index)
        flow.states[id(node.output_tensors[0])] = state.replace(
            alive=flow.logic.both(state.alive, on),
            nonzero=flow.logic.both(state.nonzero, on),
        )

    def demand(self, node, flow, reading, out):
        if flow.is_barrier(node):
            return [reading.live(node)]
        return out

    def is_homogeneous(self, operation):
        return True

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        return [values[0]]

    def rebuild(self, piece):
        scale = piece.remaining_scale()
        if scale is None:
            return piece.inputs[0]
        return piece.rescale(piece.inputs[0], scale, 0.0)
