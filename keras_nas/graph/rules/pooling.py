"""Layers that mix positions and leave channels apart."""

import keras
import numpy as np
from keras import layers

from keras_nas.graph.rules.pass_through import IdentityAtInferenceRule
from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.registry import register_rule


@register_rule(
    layers.AdaptiveAveragePooling1D,
    layers.AdaptiveAveragePooling2D,
    layers.AdaptiveAveragePooling3D,
    layers.AdaptiveMaxPooling1D,
    layers.AdaptiveMaxPooling2D,
    layers.AdaptiveMaxPooling3D,
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
    layers.CenterCrop,
    "MaxPool",
    "AveragePool",
    "AdaptiveMaxPool",
    "AdaptiveAveragePool",
)
class PoolingRule(IdentityAtInferenceRule):
    """Windows that ignore padding: a constant channel stays that constant."""

    def is_pointwise(self, node):
        return False

    def axis(self, node):
        layer, rank = node.operation, len(node.input_tensors[0].shape)
        data_format = getattr(layer, "data_format", None)
        if data_format is None and not isinstance(layer, layers.Layer):
            data_format = keras.config.image_data_format()
        return 1 if data_format == "channels_first" else rank - 1

    def output_axis(self, node):
        return self.axis(node)

    def obstacle(self, node, flow):
        if flow.state(node.input_tensors[0]).axis != self.axis(node):
            return "its channel axis is not that of its input"
        return None

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        if not self.keeps_constants(node.operation):
            state = state.replace(alive=state.nonzero)
        state = state.replace(axis=self.output_axis(node))
        flow.states[id(node.output_tensors[0])] = state

    def constant(self, node, flow, values):
        return [values[0]]


@register_rule(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
class ZeroPaddingRule(PoolingRule):
    """Zeros around a channel: only the constant 0 stays a constant."""

    def keeps_constants(self, operation):
        return False


@register_rule(layers.Resizing, "Resize")
class ResizingRule(PoolingRule):
    """Interpolation weights sum to 1, so constants stay; padding adds zeros,
    or another constant."""

    def keeps_constants(self, operation):
        return not operation.pad_to_aspect_ratio

    def obstacle(self, node, flow):
        layer = node.operation
        if layer.pad_to_aspect_ratio and layer.fill_value:
            return "pads with another number than 0"
        return super().obstacle(node, flow)


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

    def is_linear_in_each(self, node):
        return "Average" in type(node.operation).__name__

    def cost(self, node, flow, reading):
        if "Average" not in type(node.operation).__name__:
            return {}
        tensor = node.input_tensors[0]
        axis = self.axis(node)
        size = reading.positions(tensor, axis, node)
        return {"pool": size * reading.count(flow.view(node, axis))}


@register_rule("Mean", "Max", "Min", "Amax", "Amin", "Sum")
class ReductionRule(PassThrough):
    """`ops.mean(x, axis)` over positions; over channels a barrier."""

    def is_pointwise(self, node):
        return False

    def keeps_constants(self, operation):
        return type(operation).__name__ != "Sum"

    def axes(self, node):
        rank, axes = len(node.input_tensors[0].shape), node.operation.axis
        if axes is None:
            return set(range(rank))
        return {int(axis) % rank for axis in np.atleast_1d(axes)}

    def obstacle(self, node, flow):
        if self.axes(node) & {0, flow.state(node.input_tensors[0]).axis}:
            return "reduces the channels or the batch"
        return None

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        if not self.keeps_constants(node.operation):
            state = state.replace(alive=state.nonzero)
        if not node.operation.keepdims:
            gone = [axis for axis in self.axes(node) if axis < state.axis]
            state = state.replace(axis=state.axis - len(gone))
        flow.states[id(node.output_tensors[0])] = state

    def cost(self, node, flow, reading):
        """Returns pool = the number of elements that a mean reads."""
        if type(node.operation).__name__ != "Mean":
            return {}
        tensor = node.input_tensors[0]
        state = flow.state(tensor)
        size = reading.positions(tensor, state.axis, node)
        return {"pool": size * reading.count(state)}

    def constant(self, node, flow, values):
        return [values[0]]


@register_rule("Pad")
class PadRule(PassThrough):
    """`ops.pad` with zeros around positions; around channels a barrier."""

    def is_pointwise(self, node):
        return False

    def obstacle(self, node, flow):
        state = flow.state(node.input_tensors[0])
        rank, operation = len(node.input_tensors[0].shape), node.operation
        fill = [*node.args[1:], *node.kwargs.values()]
        if operation.mode != "constant" or any(fill):
            return "pads with something else than zeros"
        if np.broadcast_to(operation.pad_width, (rank, 2))[state.axis].any():
            return "pads the channels"
        return None

    def keeps_zero(self, operation):
        return True

    def keeps_constants(self, operation):
        return False

    def constant(self, node, flow, values):
        return [values[0]]
