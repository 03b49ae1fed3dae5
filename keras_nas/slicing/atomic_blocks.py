"""Where a model's atomic blocks are: between two convolutions (AtomNAS)."""

import dataclasses

from keras_nas.graph import Node
from keras_nas.graph import flow_of
from keras_nas.graph.rules.depthwise import DepthwiseRule
from keras_nas.graph.rules.linear import LinearRule
from keras_nas.graph.rules.masking import MaskRule
from keras_nas.graph.rules.merging import AddRule
from keras_nas.graph.rules.merging import ConcatenateRule
from keras_nas.graph.rules.merging import ElementwiseMergeRule
from keras_nas.graph.rules.normalization import BatchNormalizationRule
from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.shape import MovingRule
from keras_nas.layers import AtomicBlockScale

# What leaves the channels apart, perhaps at other places.
_MOVES = (ConcatenateRule, MovingRule)


@dataclasses.dataclass(frozen=True)
class AtomPlace:
    """Where the importance factors of a convolution's channels go.

    Attributes:
        source: The `Node` of the first convolution, f0 of Eq. 1.
        node: The one to put the factors behind.
        factor: `"batch_norm"` if its scales can be the factors, or `"own"`.
    """

    source: Node
    node: Node
    factor: str


@dataclasses.dataclass(frozen=True)
class AtomKind:
    """What the atomic blocks of one mask are.

    Attributes:
        mask: Name of the `AtomicBlockScale`.
        block: Name of the layer that puts them together, f1 of Eq. 1.
        kernel_size: Integer, of the depthwise convolution between f0 and f1,
            or of f0 where there is none.
        has_shortcut: Boolean, whether the block's output is added to another.
    """

    mask: str
    block: str
    kernel_size: int
    has_shortcut: bool


def atom_kinds(model):
    """Returns what the atomic blocks of a model are, an `AtomKind` a mask.

    Args:
        model: A built Keras model with `AtomicBlockScale` layers.

    Returns:
        List of `AtomKind`, in topological order.
    """
    flow, kinds = flow_of(model), []
    for node in flow.graph.nodes:
        if isinstance(node.operation, AtomicBlockScale):
            last = _last_mixed(flow, node)
            kind = AtomKind(
                node.name,
                last.name,
                _kernel_size(flow, node),
                _is_added(flow, last),
            )
            kinds.append(kind)
    return kinds


def _last_mixed(flow, node):
    """Returns the last of the layers that put a mask's channels together.

    Those before it only gate, as in squeeze-excite.
    """
    last, nodes = node, [node]
    while nodes:
        (tensor,) = nodes.pop().output_tensors
        for reader in flow.consumers.get(id(tensor), []):
            is_end = isinstance(flow.rules[reader.index], LinearRule)
            if is_end and reader.index > last.index:
                last = reader
            if not is_end:
                nodes.append(reader)
    return last


def _kernel_size(flow, node):
    while True:
        node = flow.producers[id(node.input_tensors[0])]
        rule = flow.rules[node.index]
        if isinstance(rule, (DepthwiseRule, LinearRule)):
            return int(max(getattr(node.operation, "kernel_size", (1,))))


def _is_added(flow, node):
    """Whether only channel-wise layers are between a layer and an addition."""
    reader = flow.only_reader(_chain(flow, node)[-1])
    return reader is not None and isinstance(flow.rules[reader.index], AddRule)


def find_atomic_blocks(flow):
    """Returns where a model has convolution - channel-wise - convolution.

    The channels of a convolution or Dense layer are followed through what
    treats them one by one, until others read all of them together. Channels
    that an addition joins with others, that only gate others, or that reach
    an output, are not those of atomic blocks.

    The factors are the scales of the last BatchNormalization on the way that
    is trained, if the constant that a channel of scale 0 has behind it can be
    folded into all that reads it. Where it cannot, as in front of zeros that a
    convolution pads with, or of a squeeze-excite, the channel must become 0,
    so the factors go behind the last of the layers that treat channels one by
    one.

    Args:
        flow: A `ChannelFlow`.

    Returns:
        List of `AtomPlace`, in topological order.
    """
    places = []
    for node, rule in zip(flow.graph.nodes, flow.rules, strict=True):
        if isinstance(rule, LinearRule) and not flow.is_shared(node):
            place = _place(flow, node)
            if place is not None:
                places.append(place)
    return places


def _place(flow, source):
    state = flow.state(source.output_tensors[0])
    if flow.fixed[flow.group[state.ids]].any():
        return None
    chain = _chain(flow, source)
    (end,) = chain[-1].output_tensors
    if not _Readers(flow, source).mix(end):
        return None
    norms = [n for n in chain if _is_scaled_norm(flow, n)]
    if norms and _folds(flow, norms[-1].output_tensors[0]):
        return AtomPlace(source, norms[-1], "batch_norm")
    return AtomPlace(source, chain[-1], "own")


def _chain(flow, node):
    """Returns the nodes that treat the channels of a layer one by one."""
    chain = [node]
    while True:
        reader = flow.only_reader(chain[-1])
        if reader is None or not _keeps_channels(flow, reader):
            return chain
        chain.append(reader)


def _keeps_channels(flow, node):
    is_own = isinstance(flow.rules[node.index], (PassThrough, DepthwiseRule))
    if not is_own or flow.is_barrier(node):
        return False
    before = flow.state(node.input_tensors[0])
    after = flow.state(node.output_tensors[0])
    return before.ids is after.ids and before.axis == after.axis


def _is_scaled_norm(flow, node):
    is_norm = isinstance(flow.rules[node.index], BatchNormalizationRule)
    # What is frozen cannot be driven to 0.
    return is_norm and node.operation.scale and node.operation.trainable


class _Readers:
    """What becomes of the channels of a layer, further on."""

    def __init__(self, flow, source):
        self.flow = flow
        self.earlier = _before(flow, source)  # Ids of tensors.

    def mix(self, tensor):
        """Whether all that reads a tensor ends in layers that mix channels."""
        readers = self.flow.consumers.get(id(tensor), [])
        return bool(readers) and all(self._mixes(tensor, n) for n in readers)

    def _mixes(self, tensor, node):
        rule = self.flow.rules[node.index]
        if self.flow.is_barrier(node) or isinstance(rule, MaskRule):
            return False
        if isinstance(rule, LinearRule):
            return True
        passes = (PassThrough, DepthwiseRule, *_MOVES)
        if isinstance(rule, ElementwiseMergeRule):
            # `x + 3.0`, as in a hard sigmoid by hand, has one operand.
            if len(node.input_tensors) > 1 and not rule.is_absorbing:
                return False
            if self._is_gate(tensor, node):
                return False
        elif not isinstance(rule, passes):
            return False
        return self.mix(node.output_tensors[0])

    def _is_gate(self, tensor, node):
        """Whether a tensor is a factor of another one.

        It is broadcast over the positions of that, or computed from it, as
        in a squeeze-excite of a map with one position.
        """
        if tuple(tensor.shape) != tuple(node.output_tensors[0].shape):
            return True
        return any(id(other) in self.earlier for other in node.input_tensors)


def _before(flow, node):
    """Returns the ids of all tensors that a node's output depends on."""
    found, waiting = set(), [node]
    while waiting:
        for tensor in waiting.pop().input_tensors:
            producer = flow.producers.get(id(tensor))
            if id(tensor) not in found and producer is not None:
                waiting.append(producer)
            found.add(id(tensor))
    return found


def _folds(flow, tensor):
    """Whether all that reads a constant channel can do without it."""
    return all(
        _folds_into(flow, node) for node in flow.consumers.get(id(tensor), [])
    )


def _folds_into(flow, node):
    rule = flow.rules[node.index]
    if isinstance(rule, LinearRule):
        return not (rule.is_padded(node) or flow.is_shared(node))
    if isinstance(rule, PassThrough):
        if not rule.keeps_constants(node.operation):
            return False
    elif not isinstance(rule, _MOVES):
        return False
    return _folds(flow, node.output_tensors[0])
