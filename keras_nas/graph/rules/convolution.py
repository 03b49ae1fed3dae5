"""Convolutions, transposed and separable ones included."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.depthwise import DepthwiseRule
from keras_nas.graph.rules.grouped import GroupedConvRule
from keras_nas.graph.rules.linear import LinearRule
from keras_nas.graph.rules.registry import register_rule
from keras_nas.layers import ElasticConv2D

_DEPTHWISE = DepthwiseRule()
_GROUPED = GroupedConvRule()


@register_rule(layers.Conv1D, layers.Conv2D, layers.Conv3D, ElasticConv2D)
class ConvRule(LinearRule):
    """Convolutions; with groups = input channels a depthwise one."""

    def specialize(self, node, flow):
        if node.operation.groups == 1:
            return self
        is_depthwise = node.operation.kernel.shape[-2] == 1
        return _DEPTHWISE if is_depthwise else _GROUPED


@register_rule(
    layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose
)
class TransposedConvRule(LinearRule):
    """Transposed convolutions; their kernels are stored `(..., out, in)`.

    The kernel is applied at every input position. Unless it covers a single
    position, a constant input gives different sums at different outputs.
    """

    def positions(self, node, reading):
        return reading.positions(node.input_tensors[0], self.axis(node), node)

    def is_padded(self, node):
        layer = node.operation
        return max(layer.kernel_size) > 1 or max(layer.strides) > 1

    def matrix(self, kernel):
        return np.swapaxes(kernel, -1, -2)


@register_rule(layers.SeparableConv1D, layers.SeparableConv2D)
class SeparableConvRule(LinearRule):
    """A depthwise and a 1x1 convolution in one layer."""

    def macs(self, node, positions, n_in, n_out):
        """Returns positions * (k * k * m * n_in + m * n_in * n_out)."""
        layer = node.operation
        multiplied = layer.depth_multiplier * n_in
        window = int(np.prod(layer.kernel_size))
        return positions * (window * multiplied + multiplied * n_out)

    def kernel_and_bias(self, layer):
        depthwise, pointwise, *bias = layer.get_weights()
        shape = (1,) * (depthwise.ndim - 2) + (*depthwise.shape[-2:], -1)
        pointwise = pointwise.reshape(shape)
        kernel = (depthwise[..., None] * pointwise).sum(-2)
        return kernel, bias[0] if layer.use_bias else 0.0

    def build(self, piece):
        super().build(piece)
        layer = piece.operation
        columns = piece.kept_out()
        rows = piece.kept_in(self.axis(piece.node))
        depthwise, pointwise = layer.get_weights()[:2]
        multiplier = layer.depth_multiplier
        inner = (rows[:, None] * multiplier + np.arange(multiplier)).reshape(-1)
        pointwise = pointwise[..., inner, :][..., columns]
        scale = piece.folded_scale()
        piece.weights[:1] = [depthwise[..., rows, :], pointwise * scale]
