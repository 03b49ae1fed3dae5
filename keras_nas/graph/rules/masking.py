"""The rules of mask layers, which the slicer removes."""

import numpy as np

from keras_nas.graph.formula import Channels
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.layers import AtomicBlockScale
from keras_nas.layers import BlockChoice
from keras_nas.layers import ElasticBranch
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticDepth
from keras_nas.layers import ElasticMatch
from keras_nas.layers import ElasticZeros
from keras_nas.layers import PerChannelMask


class MaskRule(Rule):
    """What the rules of all masks share; `scale` is a mask's decision."""

    ignores_training = True

    def is_pointwise(self, node):
        return True

    def cost(self, node, flow, reading):
        return {}

    def decided_constants(self, piece, scale):
        """Returns the constants of the output, given the decision."""
        raise NotImplementedError

    def can_move_scale(self, operation):
        """Whether the switches are factors, which other layers may apply."""
        return True


@register_rule(PerChannelMask, ElasticChannels)
class PerChannelMaskRule(MaskRule):
    """A masked channel is the constant 0."""

    def axis(self, node):
        return node.operation.channel_axis(len(node.input_tensors[0].shape))

    def forward(self, node, flow):
        state = flow.view(node, self.axis(node))
        if state is not flow.state(node.input_tensors[0]):
            flow.note(node, "masks another axis")
        index = flow.mask_index(node.operation)
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

    def decided_constants(self, piece, scale):
        return [piece.constants_in(self.axis(piece.node)) * scale]

    def rebuild(self, piece):
        scale = piece.remaining_scale()
        if scale is None:
            return piece.inputs[0]
        return piece.rescale(piece.inputs[0], scale, 0.0)


@register_rule(AtomicBlockScale)
class AtomicBlockScaleRule(PerChannelMaskRule):
    """A dead block's channel is what a factor of 0 makes of it.

    With a factor of its own that is 0, and behind a BatchNormalization the
    offset of this.
    """

    def forward(self, node, flow):
        super().forward(node, flow)
        state = flow.state(node.input_tensors[0])
        if flow.is_shared(node):
            # It is cut itself, where training goes on, and has one width.
            first = next(
                n for n in flow.graph.nodes if n.operation is node.operation
            )
            flow.tie(flow.state(first.input_tensors[0]).ids, state.ids)
        if node.operation.factor_kind == "batch_norm":
            output = id(node.output_tensors[0])
            flow.states[output] = flow.states[output].replace(
                nonzero=state.nonzero
            )

    def decided_constants(self, piece, scale):
        (constants,) = super().decided_constants(piece, scale)
        return [constants + piece.operation.offset() * (scale == 0)]

    def build(self, piece):
        kept = piece.kept_out()
        piece.weights = [w[kept] for w in piece.operation.get_weights()]

    def is_homogeneous(self, operation):
        return operation.factor_kind == "own"

    def can_move_scale(self, operation):
        return operation.factor_kind == "own"

    def rebuild(self, piece):
        if piece.for_training:
            return piece.call()
        scale, operation = piece.remaining_scale(), piece.operation
        if scale is None:
            return piece.inputs[0]
        # Dead channels that something needs nevertheless.
        offset = operation.offset()[piece.kept_out()] * (scale == 0)
        return piece.rescale(piece.inputs[0], scale, offset)


@register_rule(BlockChoice, ElasticBranch, ElasticDepth)
class BlockChoiceRule(MaskRule):
    """One of the inputs, or zeros; their channels are tied.

    A channel is on if it is on in the candidate that is chosen. What only
    one candidate needs is computed with the probability of its choice
    (`Reading.runs`), and the demands of candidates on what they share are
    added up with these.
    """

    def forward(self, node, flow):
        states = [flow.state(tensor) for tensor in node.input_tensors]
        first = states[0]
        if len({(state.axis, state.length) for state in states}) > 1:
            flow.barrier(node, "its candidates have different channel axes")
            return
        index = flow.mask_index(node.operation)
        alive = nonzero = Channels.off(first.length)
        for option, state in zip(
            node.operation.input_options, states, strict=True
        ):
            chosen = Channels.chosen(first.length, index, option)
            alive = flow.logic.either(
                alive, flow.logic.both(state.alive, chosen)
            )
            nonzero = flow.logic.either(
                nonzero, flow.logic.both(state.nonzero, chosen)
            )
            flow.tie(first.ids, state.ids)
        flow.states[id(node.output_tensors[0])] = first.replace(
            alive=alive, nonzero=nonzero
        )

    def demand(self, node, flow, reading, out):
        return out * len(node.input_tensors)

    def edge_option(self, node, flow, index):
        option = node.operation.input_options[index]
        return flow.mask_index(node.operation), option

    def decided_constants(self, piece, scale):
        options = piece.node.operation.input_options
        return [
            sum(
                scale[option] * piece.all_constants(tensor)
                for option, tensor in zip(
                    options, piece.node.input_tensors, strict=True
                )
            )
        ]

    def rebuild(self, piece):
        operation = piece.node.operation
        chosen = int(np.argmax(piece.scale()))
        if chosen not in operation.input_options:
            raise ValueError(
                f"The choice '{operation.name}' is for '{operation.zero}', "
                "which is nothing, and there is no shortcut beside it, so the "
                "network would end there. Expected another decision, or an "
                "addition of the choice and its shortcut."
            )
        return piece.inputs[operation.input_options.index(chosen)]


@register_rule(ElasticMatch)
class MatchRule(MaskRule):
    """The channels of the input, or none, as channels of its own.

    They are not tied to those of the input, which may be fewer or more than
    there are where they are not added.
    """

    def forward(self, node, flow):
        operation, output = node.operation, node.output_tensors[0]
        state = flow.state(node.input_tensors[0])
        length = output.shape[operation.axis]
        if state.axis != operation.axis:
            flow.barrier(node, "matches another axis")
            return
        both = np.arange(min(length, state.length))
        rest = Channels.off(length - len(both)) if length > len(both) else ()
        on = Channels.masked(length, flow.mask_index(operation))
        alive, nonzero = (
            flow.logic.both(Channels(channels.take(both) + rest), on)
            for channels in (state.alive, state.nonzero)
        )
        flow.add_source(output, operation.axis, alive, nonzero)

    def demand(self, node, flow, reading, out):
        if flow.is_barrier(node):
            return [reading.live(node)]
        length = flow.state(node.input_tensors[0]).length
        both = np.arange(min(length, flow.state(node.output_tensors[0]).length))
        return [reading.collect([reading.take(out[0], both)], [both], length)]

    def decided_constants(self, piece, scale):
        constants = piece.constants_in()[: len(scale)]
        missing = len(scale) - len(constants)
        return [np.pad(constants, (0, missing)) * scale]

    def rebuild(self, piece):
        if not np.array_equal(piece.kept_in(), piece.kept_out()):
            raise ValueError(
                f"Only some of the channels that '{piece.node.name}' adds are "
                "kept. Expected no masks before or behind it other than "
                "elastic ones."
            )
        return piece.inputs[0]


@register_rule(ElasticZeros)
class ZerosRule(Rule):
    """Channels of its own, all of which are off."""

    def forward(self, node, flow):
        output, axis = node.output_tensors[0], node.operation.channel_axis
        off = Channels.off(output.shape[axis])
        flow.add_source(output, axis, off, off)

    def demand(self, node, flow, reading, out):
        return [0.0]

    def cost(self, node, flow, reading):
        return {}
