"""Layers that mix positions and leave channels apart."""

from keras import layers

from keras_nas.graph.rules.convolution import channel_axis
from keras_nas.graph.rules.pass_through import IdentityAtInferenceRule
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import positions


@register_rule(
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.UpSampling3D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
)
class PoolingRule(IdentityAtInferenceRule):
    """Windows that ignore padding: a constant channel stays that constant."""

    def axis(self, node):
        layer, rank = node.operation, len(node.input_tensors[0].shape)
        if hasattr(layer, "data_format"):
            return channel_axis(layer, rank)
        return rank - 1

    def output_axis(self, node):
        return self.axis(node)

    def forward(self, node, flow):
        state = flow.view(node, self.axis(node))
        if state is not flow.state(node.input_tensors[0]):
            flow.barrier(node, "its channel axis is not that of its input")
            return
        if not self.keeps_constants(node.operation):
            state = state.replace(alive=state.nonzero)
        state = state.replace(axis=self.output_axis(node))
        flow.states[id(node.output_tensors[0])] = state

    def demand(self, node, flow, reading, out):
        state = flow.view(node, self.axis(node))
        if state is not flow.state(node.input_tensors[0]):
            return [reading.live(node)]
        return out

    def constant(self, node, flow, values):
        return [values[0]]


@register_rule(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
class ZeroPaddingRule(PoolingRule):
    """Zeros around a channel: only the constant 0 stays a constant."""

    def keeps_constants(self, operation):
        return False


@register_rule(
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)
class GlobalPoolingRule(PoolingRule):
    """One number for each channel; `pool` counts the elements it reads."""

    def output_axis(self, node):
        return self.axis(node) if node.operation.keepdims else 1

    def cost(self, node, flow, reading):
        if "Average" not in type(node.operation).__name__:
            return {}
        tensor = node.input_tensors[0]
        axis = self.axis(node)
        size = positions(tensor, axis, node)
        return {"pool": size * reading.count(flow.view(node, axis))}
