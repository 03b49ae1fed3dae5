"""Normalizations, and layers with a factor for each channel."""

import keras
import numpy as np
from keras import layers
from keras.src.applications.convnext import LayerScale  # It has no other name.

from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.layers import ElasticBatchNormalization


def other_axis(node, flow, axis):
    """Returns why a layer that normalizes an axis is a barrier, or `None`."""
    tensor = node.input_tensors[0]
    if flow.state(tensor).axis != axis % len(tensor.shape):
        return "normalizes another axis than the channels'"
    return None


def affine_cost(node, flow, reading):
    """Returns norm = (scale + offset) * channels."""
    layer = node.operation
    channels = reading.count(flow.view(node, layer.axis))
    return {"norm": (int(layer.scale) + int(layer.center)) * channels}


@register_rule(layers.BatchNormalization, ElasticBatchNormalization)
class BatchNormalizationRule(PassThrough):
    """At inference an affine map. A masked channel behind it is no longer 0.

    Folding: a constant that a convolution before it drops moves into the
    moving mean; a factor of a mask behind it moves into gamma and beta.
    """

    def obstacle(self, node, flow):
        return other_axis(node, flow, node.operation.axis)

    def cost(self, node, flow, reading):
        return affine_cost(node, flow, reading)

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

    def obstacle(self, node, flow):
        state = flow.state(node.input_tensors[0])
        rank = len(node.input_tensors[0].shape)
        if all(
            self.is_per_channel(value, state, rank)
            for value in (node.operation.scale, node.operation.offset)
        ):
            return None
        return "has a factor for each position"

    def is_per_channel(self, value, state, rank):
        shape = np.shape(value)
        if len(shape) and keras.config.image_data_format() == "channels_first":
            shape = shape + (1,) * (3 - len(shape))
        shape = (1,) * (rank - len(shape)) + shape
        per_channel = [1] * rank
        per_channel[state.axis] = state.length
        return np.size(value) == 1 or list(shape) == per_channel

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


@register_rule(layers.LayerNormalization)
class LayerNormalizationRule(Rule):
    """Mean and variance are over all channels, zeros too: a barrier."""

    reason = "its mean and variance are over all channels"

    def cost(self, node, flow, reading):
        sizes = [v.shape for v in node.operation.trainable_variables]
        return {"norm": sum(int(np.prod(shape)) for shape in sizes)}


class LengthRule(Rule):
    """Divides by the length of the vector of channels.

    A channel of zeros adds nothing to it and can go; any other cannot, and
    even a constant varies behind it.
    """

    def obstacle(self, node, flow):
        axes = np.atleast_1d(node.operation.axis)
        if len(axes) > 1:
            return "normalizes several axes"
        return other_axis(node, flow, int(axes[0]))

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        some = flow.logic.some_channel(state.alive)
        varies = state.alive.gated(state.length, some)
        flow.states[id(node.output_tensors[0])] = state.replace(
            alive=flow.logic.both(state.nonzero, varies)
        )

    def demand(self, node, flow, reading, out):
        nonzero = reading.nonzero(flow.state(node.input_tensors[0]))
        nonzero = reading.product(nonzero, reading.live(node))
        return [reading.maximum(out[0], nonzero)]

    def cost(self, node, flow, reading):
        return {}


@register_rule(layers.UnitNormalization)
class UnitNormalizationRule(LengthRule):
    def constant(self, node, flow, values):
        length = np.sqrt(np.sum(np.square(values[0])))
        return [np.asarray(values[0]) / max(length, 1e-12)]


@register_rule(layers.RMSNormalization)
class RMSNormalizationRule(LengthRule):
    """x * scale / sqrt(sum(x**2) / N + epsilon) of N channels.

    For K channels: epsilon grows by N / K, the scale by sqrt(N / K).
    """

    def cost(self, node, flow, reading):
        axes = np.atleast_1d(node.operation.axis)
        if len(axes) > 1:
            return {"norm": int(np.prod(node.operation.scale.shape))}
        return {"norm": reading.count(flow.view(node, int(axes[0])))}

    def constant(self, node, flow, values):
        layer = node.operation
        mean_square = np.mean(np.square(values[0]))
        factor = 1.0 / np.sqrt(mean_square + layer.epsilon)
        return [np.asarray(values[0]) * factor * layer.get_weights()[0]]

    def can_fold_scale(self, operation):
        return True

    def build(self, piece):
        (scale,), kept = piece.operation.get_weights(), piece.kept_in()
        ratio = len(scale) / len(kept)
        piece.config["epsilon"] = piece.operation.epsilon * ratio
        scale = scale[kept] * piece.folded_scale() * piece.gain(np.sqrt(ratio))
        piece.weights = [scale]


@register_rule(LayerScale)
class LayerScaleRule(PassThrough):
    """A trained factor for each channel of the last axis (ConvNeXt)."""

    def obstacle(self, node, flow):
        return other_axis(node, flow, -1)

    def keeps_zero(self, operation):
        return True

    def is_homogeneous(self, operation):
        return True

    def cost(self, node, flow, reading):
        return {"norm": reading.count(flow.state(node.output_tensors[0]))}

    def constant(self, node, flow, values):
        return [np.asarray(values[0]) * node.operation.get_weights()[0]]

    def build(self, piece):
        piece.copy()
        if piece.is_sliced():
            kept = piece.kept_out()
            piece.config["projection_dim"] = len(kept)
            piece.weights = [piece.weights[0][kept]]


@register_rule(layers.PReLU)
class PReLURule(PassThrough):
    """A trained slope for each channel, perhaps for each position too."""

    def axis(self, node, flow):
        """Returns the axis of the slopes that holds the channels."""
        return flow.state(node.input_tensors[0]).axis - 1

    def is_by_position(self, node, flow):
        """Whether a constant becomes another one at each position."""
        others = list(node.operation.alpha.shape)
        del others[self.axis(node, flow)]
        return np.prod(others) > 1

    def is_homogeneous(self, operation):
        return True

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        if self.is_by_position(node, flow):
            state = state.replace(alive=state.nonzero)
        flow.states[id(node.output_tensors[0])] = state

    def cost(self, node, flow, reading):
        """Returns norm = the number of slopes."""
        shape = list(node.operation.alpha.shape)
        slopes = shape.pop(self.axis(node, flow))
        if slopes > 1:
            slopes = reading.count(flow.state(node.output_tensors[0]))
        return {"norm": int(np.prod(shape)) * slopes}

    def constant(self, node, flow, values):
        values, alpha = np.asarray(values[0]), node.operation.get_weights()[0]
        if self.is_by_position(node, flow):
            return [values]  # Only zeros are constants.
        return [np.where(values > 0, values, alpha.reshape(-1) * values)]

    def build(self, piece):
        piece.copy()
        axis = self.axis(piece.node, piece.flow)
        if piece.weights[0].shape[axis] > 1:
            kept = piece.kept_out()
            piece.weights = [np.take(piece.weights[0], kept, axis)]
