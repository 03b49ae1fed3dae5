"""The forward pass: how the state of each channel flows through a model."""

import collections
import dataclasses
import functools
import weakref

import keras
import numpy as np

from keras_nas.graph.checks import check_keras_model
from keras_nas.graph.conditions import find_conditions
from keras_nas.graph.formula import Channels
from keras_nas.graph.formula import Logic
from keras_nas.graph.resolutions import Resolutions
from keras_nas.graph.rules import Obstructed
from keras_nas.graph.rules import rule_for
from keras_nas.graph.tracing import default_training
from keras_nas.graph.walk import ChannelGraph
from keras_nas.graph.walk import walk
from keras_nas.layers import Mask
from keras_nas.layers.mask import masks_of


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelState:
    """What is known of a tensor's channels for every choice of the masks.

    A channel is alive if it can vary, and otherwise a constant. It is nonzero
    unless it is the constant 0. Both are formulas over the masks; the values
    of weights never enter, so what is penalised and what is cut depend on
    decisions alone.

    Attributes:
        axis: The channel axis, counted from 0.
        ids: Integer array; channels with equal ids stay or go together.
        alive: `Channels`.
        nonzero: `Channels`.
    """

    axis: int
    ids: np.ndarray
    alive: Channels
    nonzero: Channels

    @property
    def length(self):
        return len(self.ids)

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)

    def take(self, index, axis=None):
        """Returns the state in which channel j is this one's `index[j]`."""
        return ChannelState(
            self.axis if axis is None else axis,
            self.ids[index],
            self.alive.take(index),
            self.nonzero.take(index),
        )


class ChannelFlow:
    """The channel states of all tensors of a model, and who is tied to whom.

    Args:
        model: A Keras model, or a `ChannelGraph`.

    Attributes:
        graph: The `ChannelGraph`.
        rules: The rule of each node, in the order of `graph.nodes`.
        masks: The model's mask layers, in topological order, but one only of
            those that have the same switches.
        outputs: List of the model's output tensors.
        states: Map from tensor id to `ChannelState`, or `None` where no axis
            has a static size.
        sources: List of `(tensor, ids)` of the channels' first appearances.
        fixed: Boolean array by id: channels that no decision can remove.
        barriers: List of `(node, reason)`.
        resolutions: The `Resolutions`, or `None` if there is no choice.
        conditions: List of the conditions of each node; see
            `find_conditions`.
        edge_conditions: List of those of each node's inputs.
    """

    def __init__(self, model):
        is_graph = isinstance(model, ChannelGraph)
        self.graph = model if is_graph else walk(model)
        self.outputs = keras.tree.flatten(self.graph.outputs)
        self.masks = self._find_masks()
        self._mask_indices = {
            mask.identity(): index for index, mask in enumerate(self.masks)
        }
        self.logic = Logic(
            {
                index: len(mask.options)
                for index, mask in enumerate(self.masks)
                if mask.is_exclusive
            }
        )
        self.states, self.sources, self.barriers = {}, [], []
        self._noted = set()  # Indices of the nodes among `barriers`.
        self._size, self._ties, self._fixed = 0, [], []
        self.shared = self._shared_operations()
        for tensor in keras.tree.flatten(self.graph.inputs):
            self.add_source(tensor, len(tensor.shape) - 1, fixed=True)
        self._views = {}
        self.rules = []
        for node in self.graph.nodes:
            self.rules.append(self._rule(node))
            self.rules[-1].forward(node, self)
            for tensor in node.mask_tensors:
                self.fix(self.states[id(tensor)])
        self._tie_shared_calls()
        for tensor in self.outputs:
            self.fix(self.states[id(tensor)])
        self._resolve()
        self.resolutions = Resolutions(self) if self.graph.wraps else None
        self.conditions, self.edge_conditions = find_conditions(self)

    def _find_masks(self):
        masks = {}
        for layer in [
            *(wrap.layer for wrap in self.graph.wraps),
            *(node.operation for node in self.graph.nodes),
        ]:
            for mask in masks_of(layer):
                for one in (*mask.leaders(), mask):
                    masks.setdefault(one.identity(), one)
        return list(masks.values())

    def mask_index(self, mask):
        """Returns where a mask's switches are in the order of `masks`."""
        return self._mask_indices[mask.identity()]

    def _rule(self, node):
        rule = rule_for(node.operation).specialize(node, self)
        told = node.kwargs.get("training") is True
        # Keras notes a layer's default as if the call had said it.
        told = told and default_training(node.operation) is not True
        if told and not rule.ignores_training:
            return Obstructed(rule, "always runs as in training")
        reason = rule.obstacle(node, self)
        return rule if reason is None else Obstructed(rule, reason)

    def _shared_operations(self):
        calls = collections.Counter(id(n.operation) for n in self.graph.nodes)
        return {operation for operation, n in calls.items() if n > 1}

    def is_shared(self, node):
        """Whether the node's layer is called at other places too."""
        return id(node.operation) in self.shared

    def add_source(self, tensor, axis, alive=None, nonzero=None, fixed=False):
        """Gives `tensor` channels of its own along `axis`."""
        state = self._new_state(tensor, axis, alive, nonzero, fixed)
        self.states[id(tensor)] = state
        self.sources.append((tensor, state))
        return state

    def _new_state(self, tensor, axis, alive=None, nonzero=None, fixed=False):
        rank = len(tensor.shape)
        axis = axis % rank if rank else 0
        size = tensor.shape[axis] if rank > 1 else 1
        if size is None:
            size, fixed = 1, True
        state = ChannelState(
            axis,
            np.arange(self._size, self._size + size),
            alive or Channels.on(size),
            nonzero or Channels.on(size),
        )
        self._size += size
        if fixed:
            self.fix(state)
        return state

    def fix(self, state):
        """Marks channels as ones that no decision can remove."""
        self._fixed.append(state.ids)

    def tie(self, a, b):
        """Makes the channels with ids `a` stay or go with those of `b`."""
        if a is not b:
            self._ties.append((a, b))

    def state(self, tensor):
        return self.states[id(tensor)]

    def view(self, node, axis):
        """Returns the state of the first input of `node` along `axis`.

        Where the tensor's channels are known along another axis, they are
        fixed, and the state along `axis` has channels of its own, all on. A
        rule that reads a view in any of its methods asks for it in `forward`.
        """
        tensor = node.input_tensors[0]
        state = self.state(tensor)
        if state.axis == axis % len(tensor.shape):
            return state
        key = (id(tensor), axis % len(tensor.shape))
        if key not in self._views:
            self.fix(state)
            self._views[key] = self._new_state(tensor, axis, fixed=True)
        return self._views[key]

    def barrier(self, node, reason):
        """Demands everything of the node's inputs, and keeps its outputs."""
        self.note(node, reason)
        for tensor in node.input_tensors:
            self.fix(self.state(tensor))
        for tensor in node.output_tensors:
            self.add_source(tensor, len(tensor.shape) - 1, fixed=True)

    def note(self, node, reason):
        """Notes that channels are kept for what a node is, and why."""
        self.barriers.append((node, reason))
        self._noted.add(node.index)

    def is_barrier(self, node):
        """Whether some of a node's channels are kept for what the node is."""
        return node.index in self._noted

    def _tie_shared_calls(self):
        first_calls = {}
        for node in self.graph.nodes:
            first = first_calls.setdefault(id(node.operation), node)
            if first is node or isinstance(node.operation, Mask):
                continue
            if not getattr(node.operation, "weights", None):
                continue
            pairs = zip(
                first.input_tensors + first.output_tensors,
                node.input_tensors + node.output_tensors,
                strict=True,
            )
            for a, b in pairs:
                a, b = self.state(a).ids, self.state(b).ids
                if len(a) == len(b):
                    self.tie(a, b)

    def _resolve(self):
        self.group = _connected(self._size, self._ties)
        self.fixed = np.zeros(self._size, bool)
        if self._fixed:
            self.fixed[self.group[np.concatenate(self._fixed)]] = True

    def feeds_only_batch_norm(self, node):
        """Whether a node's output is read by one unshared BatchNorm alone.

        Then the moving mean can hold what would otherwise need a bias.
        """
        reader = self.only_reader(node)
        if reader is None or self.is_barrier(reader):
            return False
        return isinstance(reader.operation, keras.layers.BatchNormalization)

    def only_reader(self, node):
        """Returns the unshared node that alone reads a node's output, if any.

        An output of the model has none.
        """
        (output,) = node.output_tensors
        readers = self.consumers.get(id(output), [])
        outputs = [id(t) for t in self.outputs]
        if len(readers) != 1 or id(output) in outputs:
            return None
        return None if self.is_shared(readers[0]) else readers[0]

    @functools.cached_property
    def consumers(self):
        return self.graph.consumers()

    @functools.cached_property
    def producers(self):
        return self.graph.producers()


def flow_of(model):
    """Returns the flow of a model, kept until its layers change.

    Args:
        model: A built Keras model.

    Returns:
        A `ChannelFlow`.

    Raises:
        ValueError: If `model` is not such a model.
    """
    check_keras_model(model)
    layers = [id(layer) for layer in model.layers]
    known = _FLOWS.get(model)
    if known is None or known[0] != layers:
        known = _FLOWS[model] = (layers, ChannelFlow(model))
    return known[1]


_FLOWS = weakref.WeakKeyDictionary()


def _connected(size, ties):
    """Returns the smallest id that each id is tied to, directly or not."""
    label = np.arange(size)
    if not ties:
        return label
    a, b = (np.concatenate(side) for side in zip(*ties, strict=True))
    while True:
        before = label.copy()
        low = np.minimum(label[a], label[b])
        np.minimum.at(label, a, low)
        np.minimum.at(label, b, low)
        np.minimum.at(label, before[a], low)
        np.minimum.at(label, before[b], low)
        label = label[label]
        if np.array_equal(label, before):
            return label
