"""Layers that join tensors: Add, Multiply, Concatenate."""

import keras
import numpy as np
from keras import layers

from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.graph.rules.rule import call_on_constants


class ElementwiseMergeRule(Rule):
    """An elementwise function of tensors with the same channels.

    Other operands may be Python numbers, as in `x + 3.0`. The channels of all
    operands are tied. An operand with one channel beside operands with many
    is broadcast and not tied.
    """

    reason = "its operands have different channel axes"
    is_absorbing = False  # Whether 0 on one side makes 0.
    affine = None  # How operands left out are made up for, if they can be.

    def is_pointwise(self, node):
        return True

    def operands(self, node, flow):
        """Returns the states of the operands, or `None` for a barrier."""
        tensors = node.input_tensors
        output = node.output_tensors[0]
        states = [flow.state(t) for t in tensors]
        ranks = {len(t.shape) for t in tensors} | {len(output.shape)}
        axes = {s.axis for s in states if s.length > 1}
        if len(ranks) > 1 or len(axes) > 1:
            return None
        for axis in axes:
            sizes = [t.shape[axis] for t in tensors]
            if sizes != [state.length for state in states]:
                return None
        return states

    def has_arrays(self, node):
        """Whether arrays that are no tensors of the graph are operands."""
        return any(
            hasattr(a, "shape") and not isinstance(a, keras.KerasTensor)
            for a in keras.tree.flatten((node.args, node.kwargs))
        )

    def obstacle(self, node, flow):
        if self.has_arrays(node):
            return "one of its operands is an array"
        return self.reason if self.operands(node, flow) is None else None

    def forward(self, node, flow):
        states = self.operands(node, flow)
        length = max(state.length for state in states)
        first = next(s for s in states if s.length == length)
        result = None
        for state in states:
            if state.length < length:
                state = state.take(np.zeros(length, int))
            else:
                flow.tie(first.ids, state.ids)
            result = (
                state
                if result is None
                else self.join(flow.logic, result, state)
            )
        if len(states) == 1 and not self.is_absorbing:
            result = result.replace(nonzero=result.nonzero.on(length))
        flow.states[id(node.output_tensors[0])] = result.replace(
            axis=first.axis, ids=first.ids
        )

    def join(self, logic, a, b):
        """Returns a state that is alive or nonzero where `a` or `b` is."""
        if self.is_absorbing:
            alive = logic.either(
                logic.both(a.alive, b.nonzero), logic.both(b.alive, a.nonzero)
            )
            nonzero = logic.both(a.nonzero, b.nonzero)
        else:
            alive = logic.either(a.alive, b.alive)
            nonzero = logic.either(a.nonzero, b.nonzero)
        return a.replace(alive=alive, nonzero=nonzero)

    def used(self, node, flow, reading):
        """Returns P(operand is computed) for each operand.

        An operand without a single channel alive is a vector of constants; it
        is left out, and its constants are joined as a `Rescaling`. One operand
        with the output's shape always remains.
        """
        states = self.operands(node, flow)
        target = node.output_tensors[0].shape
        full = [t.shape == target for t in node.input_tensors]
        if self.affine is None or not any(full) or len(full) == 1:
            return [1.0] * len(states)
        used = [reading.some(reading.alive_if_any(state)) for state in states]
        anchor = full.index(True)
        others = [u for u, f in zip(used, full, strict=True) if f][1:]
        nobody = reading.negation(reading.any_of(others))
        used[anchor] = reading.any_of([used[anchor], nobody])
        return used

    def demand(self, node, flow, reading, out):
        states = self.operands(node, flow)
        length = max(state.length for state in states)
        demands = []
        for use, state in zip(
            self.used(node, flow, reading), states, strict=True
        ):
            demand = out[0]
            if state.length < length:
                demand = reading.some(demand)
            demands.append(reading.product(demand, use))
        return demands

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        return call_on_constants(node, flow, values)

    def rebuild(self, piece):
        node, flow = piece.node, piece.flow
        used = self.used(node, flow, piece.reading)
        if all(used):
            return piece.call()
        operands = [x for x, u in zip(piece.inputs, used, strict=True) if u]
        result = piece.join(operands)
        scale, offset = self.affine(
            [
                piece.constants_of(tensor)
                for tensor, u in zip(node.input_tensors, used, strict=True)
                if not u
            ]
        )
        if np.all(scale == 1.0) and not np.any(offset):
            return result
        piece.fold("constant operand into Rescaling")
        return piece.rescale(result, scale, offset)


@register_rule(layers.Add, "Add")
class AddRule(ElementwiseMergeRule):
    def affine(self, constants):
        """Returns `(scale, offset)` that stand for the operands left out."""
        return 1.0, np.sum(constants, axis=0)


@register_rule(layers.Multiply, "Multiply")
class MultiplyRule(ElementwiseMergeRule):
    is_absorbing = True

    def is_linear_in_each(self, node):
        return True

    def affine(self, constants):
        return np.prod(constants, axis=0), 0.0


@register_rule("TrueDivide", "Divide")
class DivideRule(ElementwiseMergeRule):
    """Division by a number; by anything else, which may be 0, a barrier."""

    reason = "divides by something else than a number"
    is_absorbing = True

    def operands(self, node, flow):
        is_number = isinstance(node.args[-1], (int, float))
        return super().operands(node, flow) if is_number else None


@register_rule(
    layers.Subtract,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    "Subtract",
    "Maximum",
    "Minimum",
)
class OtherMergeRule(ElementwiseMergeRule):
    """Every operand is always computed."""


@register_rule(layers.Concatenate, "Concatenate")
class ConcatenateRule(Rule):
    """Channels side by side."""

    def is_pointwise(self, node):
        return True

    def specialize(self, node, flow):
        axis = node.operation.axis % len(node.output_tensors[0].shape)
        axes = {state.axis for state in self.states(node, flow)}
        return self if axes == {axis} else _POSITIONS

    def states(self, node, flow):
        return [flow.state(tensor) for tensor in node.input_tensors]

    def forward(self, node, flow):
        states = self.states(node, flow)
        first, *rest = states
        alive, nonzero = first.alive, first.nonzero
        for state in rest:
            alive, nonzero = alive + state.alive, nonzero + state.nonzero
        ids = np.concatenate([state.ids for state in states])
        flow.states[id(node.output_tensors[0])] = first.replace(
            ids=ids, alive=alive, nonzero=nonzero
        )

    def demand(self, node, flow, reading, out):
        states = self.states(node, flow)
        ends = np.cumsum([0] + [state.length for state in states])
        return [
            reading.take(out[0], np.arange(a, b))
            for a, b in zip(ends, ends[1:], strict=False)
        ]

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        vectors = zip(values, self.states(node, flow), strict=True)
        return [np.concatenate([v * np.ones(s.length) for v, s in vectors])]

    def rebuild(self, piece):
        """Leaves out operands that nobody needs.

        Where others keep channels that are tied to those of an operand left
        out, zeros take its place, and then what its constants are.
        """
        node = piece.node
        operands, constants, missing = [], [], 0
        for tensor, new in zip(node.input_tensors, piece.inputs, strict=True):
            values = piece.constants_of(tensor, own=True)
            if new is None:
                constants.append(values)
                missing += len(values)
                continue
            operands.append(piece.pad(new, missing, 0))
            constants.append(np.zeros(len(values)))
            missing = 0
        operands[-1] = piece.pad(operands[-1], 0, missing)
        result = piece.join(operands)
        offset = np.concatenate(constants)
        return piece.rescale(result, 1.0, offset) if offset.any() else result


class PositionsRule(OtherMergeRule):
    """A concatenation of positions: channels are tied, and vary along it."""

    def is_pointwise(self, node):
        return False

    def operands(self, node, flow):
        states = [flow.state(tensor) for tensor in node.input_tensors]
        axis = node.operation.axis % len(node.output_tensors[0].shape)
        same = {(state.axis, state.length) for state in states}
        return states if len(same) == 1 and states[0].axis != axis else None

    def join(self, logic, a, b):
        nonzero = logic.either(a.nonzero, b.nonzero)
        return a.replace(alive=nonzero, nonzero=nonzero)

    def constant(self, node, flow, values):
        return [np.zeros(flow.state(node.output_tensors[0]).length)]


_POSITIONS = PositionsRule()
