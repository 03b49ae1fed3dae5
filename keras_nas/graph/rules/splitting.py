"""What takes a part of a tensor: `x[...]`, `ops.split`, `OwnChannels`."""

import numpy as np
from keras import ops

from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.graph.rules.shape import MovingRule
from keras_nas.layers import OwnChannels


@register_rule("GetItem")
class GetItemRule(MovingRule):
    """`x[key]`, with integers and slices; along the channels, a slice."""

    reason = "takes single channels, or every nth"

    def move(self, node, array):
        return array[self._key(node)]

    def _key(self, node):
        key = node.args[1] if len(node.args) > 1 else node.kwargs["key"]
        return tuple(key) if isinstance(key, (list, tuple)) else (key,)

    def index(self, node, flow):
        found = super().index(node, flow)
        if found is None or (np.diff(found[1]) == 1).all():
            return found
        return None

    def rebuild(self, piece):
        node, flow = piece.node, piece.flow
        state = flow.state(node.input_tensors[0])
        if len(piece.kept_in()) == state.length:
            return piece.call()
        # In the new tensor, the same channels are between these two.
        first, last = self.index(node, flow)[1][[0, -1]]
        start, stop = np.searchsorted(piece.kept_in(), [first, last + 1])
        key = _one_entry_per_axis(self._key(node), len(node.args[0].shape))
        axes = [i for i, entry in enumerate(key) if entry is not None]
        key[axes[state.axis]] = slice(int(start), int(stop))
        return piece.inputs[0][tuple(key)]


def _one_entry_per_axis(key, rank):
    """Returns a key as a list without ellipsis; `None` are new axes."""
    given = len([e for e in key if e is not None and e is not Ellipsis])
    fill = [slice(None)] * (rank - given)
    if Ellipsis not in key:
        return [*key, *fill]
    at = key.index(Ellipsis)
    return [*key[:at], *fill, *key[at + 1 :]]


@register_rule("Split")
class SplitRule(Rule):
    """`ops.split`: along the channels, each part has its own."""

    reason = "its parts have no static size"

    def parts(self, node, flow):
        """Returns the channels of each output, or `None` for a barrier."""
        tensor = node.input_tensors[0]
        state = flow.state(tensor)
        if node.operation.axis % len(tensor.shape) != state.axis:
            return [np.arange(state.length)] * len(node.output_tensors)
        sizes = [t.shape[state.axis] for t in node.output_tensors]
        if None in sizes or sum(sizes) != state.length:
            return None
        return np.split(np.arange(state.length), np.cumsum(sizes)[:-1])

    def obstacle(self, node, flow):
        return self.reason if self.parts(node, flow) is None else None

    def forward(self, node, flow):
        parts = self.parts(node, flow)
        state = flow.state(node.input_tensors[0])
        for tensor, part in zip(node.output_tensors, parts, strict=True):
            whole = len(part) == state.length
            new = state if whole else state.take(part)
            flow.states[id(tensor)] = new

    def demand(self, node, flow, reading, out):
        parts = self.parts(node, flow)
        length = flow.state(node.input_tensors[0]).length
        return [reading.collect(out, parts, length)]

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        return [np.asarray(values[0])[p] for p in self.parts(node, flow)]

    def build(self, piece):
        node, flow = piece.node, piece.flow
        state = flow.state(node.input_tensors[0])
        kept = piece.kept_in()
        along = node.operation.axis % len(node.input_tensors[0].shape)
        if along == state.axis and len(kept) < state.length:
            ends = [part[-1] + 1 for part in self.parts(node, flow)[:-1]]
            ends = np.searchsorted(kept, ends)
            piece.config["indices_or_sections"] = tuple(map(int, ends))


@register_rule(OwnChannels)
class OwnChannelsRule(Rule):
    """The channels of the input, not tied to them."""

    def is_pointwise(self, node):
        return True

    def is_homogeneous(self, operation):
        return True

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        output = node.output_tensors[0]
        flow.add_source(output, state.axis, state.alive, state.nonzero)

    def demand(self, node, flow, reading, out):
        return out

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        return values

    def rebuild(self, piece):
        (tensor,), (old,) = piece.inputs, piece.node.input_tensors
        have, want = piece.kept_in(), piece.kept_out()
        index, missing = np.searchsorted(have, want), ~np.isin(want, have)
        if missing.any():
            # Nobody needs them but what they are tied to.
            tensor = piece.pad(tensor, 0, 1)
            index = np.where(missing, len(have), index)
        if missing.any() or len(want) < len(have):
            tensor = self._take(tensor, index, piece.flow.state(old).axis)
        offset = np.where(missing, piece.constants_of(old), 0.0)
        return piece.rescale(tensor, 1.0, offset) if offset.any() else tensor

    def _take(self, tensor, index, axis):
        if (np.diff(index) == 1).all():
            part = slice(int(index[0]), int(index[-1]) + 1)
            return tensor[(*[slice(None)] * axis, part)]
        return ops.take(tensor, index, axis=axis)
