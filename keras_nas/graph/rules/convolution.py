"""Convolutions: the sources of channels, and depthwise ones that keep them."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.pass_through import is_coupled
from keras_nas.graph.rules.pass_through import is_homogeneous
from keras_nas.graph.rules.pass_through import is_linear
from keras_nas.graph.rules.pass_through import keeps_zero
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.graph.rules.rule import positions


def channel_axis(layer, rank):
    """Returns the channel axis of a layer with a `data_format`."""
    return 1 if layer.data_format == "channels_first" else rank - 1


class LinearRule(Rule):
    """A layer with a kernel that mixes input channels: a new source.

    With the sums p_in and p_out of the probabilities that the input and
    output channels stay, the cost is bilinear, coefficient * p_in * p_out:
    FiGS Eq. 6 with every kernel counted once.
    """

    def axis(self, node):
        return channel_axis(node.operation, len(node.input_tensors[0].shape))

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
        axis = self.axis(node)
        length = output.shape[axis]
        alive = needed.gated(length, flow.logic.some_channel(needed))
        nonzero = alive.on(length)
        if not layer.use_bias and keeps_zero(layer.activation):
            some = flow.logic.some_channel(state.nonzero)
            nonzero = nonzero.gated(length, some)
        coupled = is_coupled(layer.activation)
        if coupled:
            flow.barriers.append((node, "its activation mixes channels"))
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

    def positions(self, node):
        """Returns at how many positions the kernel is applied."""
        return positions(node.output_tensors[0], self.axis(node), node)

    def cost(self, node, flow, reading):
        n_in = reading.count(flow.view(node, self.axis(node)))
        n_out = reading.count(flow.state(node.output_tensors[0]))
        biased = node.operation.use_bias
        return {
            "macs": self.macs(node, self.positions(node), n_in, n_out),
            "kernels": self.kernels(node, n_in, n_out),
            "biases": n_out * (biased or self.gains_bias(node, flow, reading)),
        }

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

    def kernel_and_bias(self, layer):
        weights = layer.get_weights()
        return weights[0], weights[1] if layer.use_bias else 0.0

    def can_fold_scale(self, operation):
        return is_homogeneous(operation.activation)

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
        if layer.use_bias:
            bias = bias[columns] + offset
        else:
            bias = piece.new_bias(offset)
        scale = piece.folded_scale()
        piece.config[self.width_name] = len(columns)
        piece.config["use_bias"] = bias is not None
        piece.weights = [kernel[..., rows, :][..., columns] * scale]
        if bias is not None:
            piece.weights.append(bias * scale)

    width_name = "filters"


def activate(layer, values):
    """Applies a layer's fused activation to NumPy values."""
    from keras import ops

    if layer.activation is None:
        return values
    return ops.convert_to_numpy(
        layer.activation(ops.convert_to_tensor(values, "float32"))
    )


@register_rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class ConvRule(LinearRule):
    """Convolutions; with groups = input channels a depthwise one."""

    def specialize(self, operation):
        if operation.groups == 1:
            return self
        depthwise = operation.built and operation.kernel.shape[-2] == 1
        return _DEPTHWISE if depthwise else _GROUPED


class GroupedConvRule(LinearRule):
    """A grouped convolution: its channels stay, but its cost is known."""

    reason = "grouped convolution"

    def forward(self, node, flow):
        axis = self.axis(node)
        flow.view(node, axis)  # Whatever axis the channels are on, it is this.
        flow.barrier(node, self.reason)
        flow.add_source(node.output_tensors[0], axis, fixed=True)

    def demand(self, node, flow, reading, out):
        return [reading.live(node)]

    def macs(self, node, positions, n_in, n_out):
        macs = super().macs(node, positions, n_in, n_out)
        return macs // getattr(node.operation, "groups", 1)

    constant = Rule.constant
    build = Rule.build


@register_rule(
    layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose
)
class TransposedConvRule(GroupedConvRule):
    """A transposed convolution applies its kernel at every input position."""

    reason = "transposed convolution"

    def positions(self, node):
        return positions(node.input_tensors[0], self.axis(node), node)


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
            flow.barriers.append((node, "its activation mixes channels"))
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

    def cost(self, node, flow, reading):
        layer, output = node.operation, node.output_tensors[0]
        n_out = reading.count(flow.state(output))
        kernels = int(np.prod(layer.kernel_size)) * n_out
        return {
            "macs": positions(output, self.axis(node), node) * kernels,
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
        if "groups" in piece.config:
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


_GROUPED = GroupedConvRule()
_DEPTHWISE = register_rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)(
    DepthwiseRule
)()


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
