"""What all layers with a kernel share that mixes channels."""

import numpy as np
from keras import ops

from keras_nas.graph.rules.pass_through import is_coupled
from keras_nas.graph.rules.pass_through import is_homogeneous
from keras_nas.graph.rules.pass_through import is_linear
from keras_nas.graph.rules.pass_through import keeps_zero
from keras_nas.graph.rules.rule import Rule

_SPATIAL_ARGUMENTS = "kernel_size", "strides"


def channel_axis(layer, rank):
    """Returns the channel axis of a layer with a `data_format`."""
    return 1 if layer.data_format == "channels_first" else rank - 1


class LinearRule(Rule):
    """A layer with a kernel that mixes input channels: a new source.

    With the sums p_in and p_out of the probabilities that the input and
    output channels stay, the cost is bilinear, coefficient * p_in * p_out:
    FiGS Eq. 6 with every kernel counted once.

    Subclasses say which axes hold the channels, how the kernel is stored and
    what the config calls its width.
    """

    def axis(self, node):
        """Returns the channel axis of the input."""
        return channel_axis(node.operation, len(node.input_tensors[0].shape))

    def axis_out(self, node):
        """Returns the channel axis of the output."""
        return self.axis(node)

    def is_padded(self, node):
        """Whether zeros are mixed in, so that a constant does not stay one."""
        layer = node.operation
        return layer.padding != "valid" and max(layer.kernel_size) > 1

    def needed(self, node, flow):
        """Returns the state of the input, and the channels that matter.

        A channel that is a constant is folded into the bias and needs no
        input, except where zero padding makes it vary along the border, or
        where several calls share the bias.
        """
        state = flow.view(node, self.axis(node))
        foldable = not (self.is_padded(node) or flow.is_shared(node))
        return state, state.alive if foldable else state.nonzero

    def forward(self, node, flow):
        layer, output = node.operation, node.output_tensors[0]
        state, needed = self.needed(node, flow)
        axis = self.axis_out(node)
        length = output.shape[axis]
        alive = needed.gated(length, flow.logic.some_channel(needed))
        nonzero = alive.on(length)
        if not self.has_bias(layer) and keeps_zero(layer.activation):
            some = flow.logic.some_channel(state.nonzero)
            nonzero = nonzero.gated(length, some)
        coupled = is_coupled(layer.activation)
        if coupled:
            flow.note(node, "its activation mixes channels")
        flow.add_source(output, axis, alive, nonzero, fixed=coupled)

    def demand(self, node, flow, reading, out):
        state, needed = self.needed(node, flow)
        live = reading.live(node)
        if state is not flow.state(node.input_tensors[0]):
            return [live]
        demand = reading.product(reading.value(needed), live)
        return [reading.at_least_one(demand, live)]

    def macs(self, node, positions, n_in, n_out):
        """Returns positions * k * k * n_in * n_out."""
        return (
            positions
            * int(np.prod(node.operation.kernel_size))
            * (n_in * n_out)
        )

    def kernels(self, node, n_in, n_out):
        """Returns k * k * n_in * n_out."""
        return self.macs(node, 1, n_in, n_out)

    def positions(self, node, reading):
        """Returns at how many positions the kernel is applied."""
        return reading.positions(
            node.output_tensors[0], self.axis_out(node), node
        )

    def cost(self, node, flow, reading):
        n_in = reading.count(flow.view(node, self.axis(node)))
        n_out = reading.count(flow.state(node.output_tensors[0]))
        biased = self.has_bias(node.operation)
        return {
            "macs": self.macs(node, self.positions(node, reading), n_in, n_out),
            "kernels": self.kernels(node, n_in, n_out),
            "biases": n_out * (biased or self.gains_bias(node, flow, reading)),
        }

    def is_pointwise(self, node):
        layer = node.operation
        sizes = [np.max(getattr(layer, name, 1)) for name in _SPATIAL_ARGUMENTS]
        return max(sizes) == 1

    def gains_bias(self, node, flow, reading):
        """Returns P(a bias must be added to hold folded constants)."""
        state, needed = self.needed(node, flow)
        normalized = flow.feeds_only_batch_norm(node)
        if normalized and is_linear(node.operation.activation):
            return 0
        if needed == state.nonzero:
            return 0
        dropped = reading.product(
            reading.product(
                reading.nonzero(state),
                reading.negation(reading.alive(state)),
            ),
            reading.negation(reading.kept(state)),
        )
        return reading.some(dropped)

    def constant(self, node, flow, values):
        layer = node.operation
        kernel, bias = self.kernel_and_bias(layer)
        out = np.tensordot(values[0], self.sum_of_positions(kernel), 1) + bias
        return [activate(layer, out)]

    def sum_of_positions(self, kernel):
        """Returns the (in, out) matrix that a constant input meets."""
        return kernel.sum(axis=tuple(range(kernel.ndim - 2)))

    def has_bias(self, layer):
        return layer.use_bias

    def kernel_and_bias(self, layer):
        """Returns the kernel, `(..., in, out)`, and the bias or 0."""
        weights = layer.get_weights()
        bias = weights[1].reshape(-1) if self.has_bias(layer) else 0.0
        return self.matrix(weights[0]), bias

    def matrix(self, kernel):
        """Turns a kernel as it is stored into `(..., in, out)`, and back."""
        return kernel

    def configure(self, config, width, use_bias, layer):
        """Sets the width of a layer and whether it has a bias."""
        config["filters"] = width
        config["use_bias"] = use_bias

    def can_fold_scale(self, operation):
        return is_homogeneous(operation.activation)

    def can_fold_input_scale(self, node, flow):
        (tensor,) = node.input_tensors
        own_axis = flow.state(tensor).axis == self.axis(node)
        is_plain = type(self).build is LinearRule.build
        return is_plain and own_axis and not flow.is_shared(node)

    def build(self, piece):
        layer = piece.operation
        axis = self.axis(piece.node)
        rows, columns = piece.kept_in(axis), piece.kept_out()
        kernel, bias = self.kernel_and_bias(layer)
        dropped = np.setdiff1d(np.arange(kernel.shape[-2]), rows)
        offset = np.tensordot(
            piece.constants_in(axis)[dropped],
            self.sum_of_positions(kernel)[dropped][:, columns],
            1,
        )
        if self.has_bias(layer):
            bias = bias[columns] + offset
            if offset.any():
                piece.fold("constants into bias")
        else:
            bias = piece.new_bias(offset)
        scale = piece.folded_scale()
        self.configure(piece.config, len(columns), bias is not None, layer)
        kernel = kernel[..., rows, :][..., columns] * scale
        kernel = kernel * np.reshape(piece.folded_input_scale(), (-1, 1))
        piece.weights = [self.matrix(kernel)]
        if bias is not None:
            piece.weights.append(self.stored_bias(bias * scale, piece.node))

    def stored_bias(self, bias, node):
        """Gives a bias the shape in which the layer stores it."""
        return bias


def activate(layer, values):
    """Applies a layer's fused activation to NumPy values."""
    if layer.activation is None:
        return values
    return ops.convert_to_numpy(
        layer.activation(ops.convert_to_tensor(values, "float32"))
    )
