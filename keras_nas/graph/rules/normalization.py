"""BatchNormalization and Rescaling: one affine map for each channel."""

import keras
import numpy as np
from keras import layers

from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule


@register_rule(layers.BatchNormalization)
class BatchNormalizationRule(PassThrough):
    """At inference an affine map. A masked channel behind it is no longer 0.

    Folding: a constant that a convolution before it drops moves into the
    moving mean; a factor of a mask behind it moves into gamma and beta.
    """

    def specialize(self, operation):
        return self

    def forward(self, node, flow):
        layer, tensor = node.operation, node.input_tensors[0]
        state = flow.view(node, layer.axis)
        if state is not flow.state(tensor):
            flow.barrier(node, "normalizes another axis than the channels'")
        else:
            super().forward(node, flow)

    def demand(self, node, flow, reading, out):
        state = flow.view(node, node.operation.axis)
        if state is not flow.state(node.input_tensors[0]):
            return [reading.live(node)]
        return out

    def cost(self, node, flow, reading):
        layer = node.operation
        channels = reading.count(flow.view(node, layer.axis))
        return {"norm": (int(layer.scale) + int(layer.center)) * channels}

    def build(self, piece):
        layer = piece.operation
        kept = piece.kept_in(layer.axis)
        names = [variable.name for variable in layer.variables]
        weights = dict(zip(names, layer.get_weights(), strict=True))
        weights = {name: value[kept] for name, value in weights.items()}
        weights["moving_mean"] = weights["moving_mean"] - piece.offset_in()
        if self.can_fold_scale(layer):
            scale = piece.folded_scale()
            weights["gamma"] = weights["gamma"] * scale
            weights["beta"] = weights["beta"] * scale
        piece.weights = [weights[name] for name in names]

    def can_fold_scale(self, operation):
        return operation.scale and operation.center


@register_rule(layers.Rescaling)
class RescalingRule(PassThrough):
    """x * scale + offset, where both may have one entry for each channel."""

    reason = "has a factor for each position"

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        rank = len(node.input_tensors[0].shape)
        if all(
            self.is_per_channel(value, state, rank)
            for value in (node.operation.scale, node.operation.offset)
        ):
            super().forward(node, flow)
        else:
            flow.barrier(node, self.reason)

    def is_per_channel(self, value, state, rank):
        shape = np.shape(value)
        if len(shape) and keras.config.image_data_format() == "channels_first":
            shape = shape + (1,) * (3 - len(shape))
        shape = (1,) * (rank - len(shape)) + shape
        per_channel = [1] * rank
        per_channel[state.axis] = state.length
        return np.size(value) == 1 or list(shape) == per_channel

    def demand(self, node, flow, reading, out):
        return [reading.live(node)] if flow.is_barrier(node) else out

    def constant(self, node, flow, values):
        layer = node.operation
        scale, offset = _vector(layer.scale), _vector(layer.offset)
        return [np.asarray(values[0]) * scale + offset]

    def build(self, piece):
        layer, kept = piece.operation, piece.kept_in()
        if not piece.is_sliced():
            return
        for name in ("scale", "offset"):
            value = np.asarray(getattr(layer, name))
            if value.size > 1:
                axis = int(np.argmax(value.shape))
                piece.config[name] = np.take(value, kept, axis).tolist()


def _vector(value):
    value = np.asarray(value)
    return value.reshape(-1) if value.size > 1 else float(value.reshape(()))


@register_rule(layers.Normalization)
class NormalizationRule(Rule):
    """Input normalization; its inputs are the model's, which all stay."""

    reason = "normalizes with statistics of its own for each channel"

    def cost(self, node, flow, reading):
        return {}
