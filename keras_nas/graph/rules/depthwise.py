"""Depthwise convolutions, which keep the channels of their input."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.linear import activate
from keras_nas.graph.rules.linear import channel_axis
from keras_nas.graph.rules.pass_through import is_coupled
from keras_nas.graph.rules.pass_through import is_homogeneous
from keras_nas.graph.rules.pass_through import keeps_zero
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.layers import ElasticDepthwiseConv2D


@register_rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
class DepthwiseRule(Rule):
    """One filter, or `depth_multiplier` filters, for each input channel."""

    def axis(self, node):
        return channel_axis(node.operation, len(node.input_tensors[0].shape))

    def index(self, node):
        """Returns the input channel of each output channel."""
        axis = self.axis(node)
        n_in = node.input_tensors[0].shape[axis]
        n_out = node.output_tensors[0].shape[axis]
        return np.repeat(np.arange(n_in), n_out // n_in)

    def forward(self, node, flow):
        layer, output = node.operation, node.output_tensors[0]
        state = flow.view(node, self.axis(node))
        index = self.index(node)
        if len(index) > state.length:
            state = state.take(index)
        if layer.padding != "valid" and max(layer.kernel_size) > 1:
            state = state.replace(alive=state.nonzero)
        if layer.use_bias or not keeps_zero(layer.activation):
            state = state.replace(nonzero=state.nonzero.on(state.length))
        if is_coupled(layer.activation):
            flow.note(node, "its activation mixes channels")
            flow.fix(state)
        flow.states[id(output)] = state

    def demand(self, node, flow, reading, out):
        state = flow.view(node, self.axis(node))
        if state is not flow.state(node.input_tensors[0]):
            return [reading.live(node)]
        if is_coupled(node.operation.activation):
            return [reading.live(node)]
        index = self.index(node)
        if len(index) == state.length:
            return out
        return [reading.fold(out[0], index, state.length)]

    def window(self, node, flow, reading):
        """Returns the size of a filter, k * k."""
        return int(np.prod(node.operation.kernel_size))

    def cost(self, node, flow, reading):
        layer, output = node.operation, node.output_tensors[0]
        n_out = reading.count(flow.state(output))
        kernels = self.window(node, flow, reading) * n_out
        return {
            "macs": reading.positions(output, self.axis(node), node) * kernels,
            "kernels": kernels,
            "biases": n_out if layer.use_bias else 0,
        }

    def constant(self, node, flow, values):
        layer = node.operation
        weights = layer.get_weights()
        kernel = weights[0].reshape(-1, len(self.index(node)))
        out = np.asarray(values[0])[self.index(node)] * kernel.sum(0)
        out = out + (weights[1] if layer.use_bias else 0.0)
        return [activate(layer, out)]

    def can_fold_scale(self, operation):
        return is_homogeneous(operation.activation)

    def build(self, piece):
        layer = piece.operation
        weights = layer.get_weights()
        scale = piece.folded_scale()
        kernel = weights[0]
        columns = piece.kept_out()
        rows = piece.kept_in(self.axis(piece.node))
        if "filters" in piece.config:  # A Conv2D with groups.
            piece.config["filters"] = len(columns)
            piece.config["groups"] = len(rows)
            kernel = kernel[..., columns] * scale
        else:
            shape = (-1, layer.depth_multiplier)
            kernel = kernel[..., rows, :] * np.reshape(
                scale * np.ones(len(columns)), shape
            )
        piece.weights = [kernel]
        if layer.use_bias:
            piece.weights.append(weights[1][columns] * scale)


@register_rule(ElasticDepthwiseConv2D)
class ElasticDepthwiseRule(DepthwiseRule):
    """The centre of the kernel, of the size that is chosen."""

    def window(self, node, flow, reading):
        """Returns the expected size of a filter, sum_i p_i k_i * k_i."""
        layer = node.operation
        sizes = [size**2 for size in layer.kernel_sizes]
        if layer.kernel_choice is None:
            return sizes[0]
        return reading.expected(flow.mask_index(layer.kernel_choice), sizes)

    def constant(self, node, flow, values):
        # Behind zero padding no channel is a constant but 0.
        return [np.zeros(flow.state(node.output_tensors[0]).length)]

    def build(self, piece):
        super().build(piece)
        layer, size = piece.operation, piece.operation.kernel_sizes[0]
        if layer.kernel_choice is not None:
            scale = piece.scale(layer.kernel_choice)
            size = layer.kernel_sizes[int(np.argmax(scale))]
        start = (max(layer.kernel_sizes) - size) // 2
        window = slice(start, start + size)
        piece.config["kernel_size"] = size
        piece.weights[0] = piece.weights[0][window, window]
