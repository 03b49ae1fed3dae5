"""insert_masks: a model in, the same model with masks out."""

import keras
import numpy as np

from keras_nas.graph import ChannelFlow
from keras_nas.graph.rules.depthwise import DepthwiseRule
from keras_nas.graph.rules.grouped import GroupNormalizationRule
from keras_nas.graph.rules.linear import LinearRule
from keras_nas.graph.rules.merging import ElementwiseMergeRule
from keras_nas.graph.rules.merging import PositionsRule
from keras_nas.graph.rules.normalization import BatchNormalizationRule
from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.layers import AtomicBlockScale
from keras_nas.layers import ElasticChoice
from keras_nas.layers import FiGSMask
from keras_nas.layers import Mask
from keras_nas.layers import PerChannelMask
from keras_nas.slicing.atomic_blocks import find_atomic_blocks
from keras_nas.slicing.rebuild import Rebuilder


def insert_masks(model, mask=FiGSMask, seed=None, skip=(), regularizer=None):
    """Puts masks at every place of a model where channels can be removed.

    A mask goes behind the BatchNormalization or GroupNormalization that
    follows a convolution or Dense layer, or right behind the layer where
    there is none. Channels that
    enter a depthwise convolution are masked behind it and its normalization,
    which would revive them, and before it too if something else reads them.
    Left alone are the classifier (every layer whose channels reach the
    model's output), layers that only compute the gate of a squeeze-excite
    (their channels go with those that they gate), and layers whose channels
    no rule can cut.

    `AtomicBlockScale` goes where AtomNAS has it: between two convolutions,
    once for what is between them, and not on channels that an addition joins.
    Its `factor` is chosen by what can be folded away.

    Args:
        model: A built Keras model. The `call` of a subclassed one is
            traced.
        mask: Callable `mask(name=..., axis=..., seed=...)` that returns a
            mask layer: a class, or a `functools.partial` of one.
        seed: Integer seed of the draws. Every mask draws independently.
        skip: Layers of the model, or their names, that get no mask.
        regularizer: An `ExpectedFLOPs` or other cost to attach.

    Returns:
        A new model with copies of the layers and weights; nested models are
        flattened. The original is left as it is.

    Raises:
        ValueError: If the model is not a built Keras 3 model, has no place
            for a mask, has a `ResolutionSubsample`, or `skip` names a layer
            it does not have.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(32, 32, 3), weights=None
    ... )
    >>> masked = keras_nas.insert_masks(model)
    >>> tuple(masked.get_layer("Conv1_mask").logits.shape)
    (32,)
    """
    if regularizer is not None and not hasattr(regularizer, "attach"):
        raise ValueError(
            "Invalid value received for argument `regularizer`. Expected an "
            "`ExpectedFLOPs` or other cost, or None. Received: "
            f"regularizer={regularizer!r}"
        )
    flow = ChannelFlow(model)
    if flow.resolutions is not None:
        raise ValueError(
            f"Model '{model.name}' chooses its resolution, and a copy with "
            "masks would not. Insert masks into the layers first, and put "
            "those with masks into `keras_nas.ResolutionSubsample`."
        )
    if any(isinstance(m, ElasticChoice) for m in flow.masks):
        raise ValueError(
            f"Model '{model.name}' has elastic layers, whose channels are "
            "chosen already, and no search trains both. Insert masks into a "
            "network that was cut out of it with `keras_nas.slice_model`."
        )
    inserter = _inserter_class(mask)(flow, mask, seed, _names(model, skip))
    masked = inserter.rebuild(model.name) if inserter.places else None
    if not inserter.masks and flow.masks:
        raise ValueError(
            f"Model '{model.name}' has masks already, and no other place for "
            "one. Pass the model as it was before masks were inserted."
        )
    if not inserter.masks:
        reasons = "".join(f"\n{n.name}: {why}" for n, why in flow.barriers)
        raise ValueError(
            f"Model '{model.name}' has no place for a mask: every "
            "convolution and Dense layer reaches the output, or is skipped, "
            f"or {inserter.otherwise}.{reasons}"
        )
    return masked if regularizer is None else regularizer.attach(masked)


def _inserter_class(mask):
    kind = getattr(mask, "func", mask)  # Of a `functools.partial`.
    is_atomic = isinstance(kind, type) and issubclass(kind, AtomicBlockScale)
    return _AtomInserter if is_atomic else _Inserter


def _names(model, skip):
    skip = [skip] if isinstance(skip, (str, keras.layers.Layer)) else skip
    if not isinstance(skip, (list, tuple, set, frozenset)):
        raise ValueError(
            "Invalid value received for argument `skip`. Expected layers of "
            f"the model, or their names. Received: skip={skip!r}"
        )
    return {getattr(entry, "name", entry) for entry in skip}


class _Inserter(Rebuilder):
    otherwise = "meets a layer that needs all of its channels"

    def __init__(self, flow, mask, seed, skip):
        super().__init__(flow.graph)
        self.flow, self.mask, self.seed = flow, mask, seed
        self.masks = {}
        self.mask_at = {}  # Index of a node -> the mask behind it.
        known = {node.name for node in flow.graph.nodes}
        if not skip <= known:
            raise ValueError(
                "Invalid value received for argument `skip`. Expected layers "
                f"of the model. Received unknown: {sorted(skip - known)}"
            )
        self.skip = skip
        self.places = self.find_places()  # Index of a node -> a source.

    def find_places(self):
        """Returns the nodes to put masks behind, and the layers these mask."""
        places = {}
        for node, rule in zip(self.graph.nodes, self.flow.rules, strict=True):
            if isinstance(rule, (LinearRule, DepthwiseRule)):
                place = self._behind_normalization(node)
                places[place.index] = node
        return places

    def build(self, node, arguments):
        outputs = self.call(node.operation, arguments)
        source = self.places.get(node.index)
        if source is None or source.name in self.skip:
            return outputs
        return self.masked(node, source, outputs)

    def masked(self, node, source, outputs):
        """Returns the new outputs of a node, masked if they have to be."""
        mask = self._mask_for(source, node.output_tensors[0])
        if mask is None:
            return outputs
        self.mask_at[node.index] = mask
        tensor = node.output_tensors[0]
        return outputs if self._comes_again(tensor) else mask(outputs)

    def _behind_normalization(self, node):
        (tensor,) = node.output_tensors
        readers = self.flow.consumers.get(id(tensor), [])
        outputs = {id(t) for t in keras.tree.flatten(self.graph.outputs)}
        if len(readers) != 1 or id(tensor) in outputs:
            return node
        (reader,) = readers
        normalizes = (BatchNormalizationRule, GroupNormalizationRule)
        if not isinstance(self.flow.rules[reader.index], normalizes):
            return node
        return reader if self._is_shared_alike(node, reader) else node

    def _is_shared_alike(self, node, reader):
        """Whether all calls of a layer read those of one other layer."""
        calls = [n for n in self.graph.nodes if n.operation is reader.operation]
        sources = [
            self.flow.producers.get(id(n.input_tensors[0])) for n in calls
        ]
        return all(s and s.operation is node.operation for s in sources)

    def _mask_for(self, source, tensor):
        state = self.flow.state(source.output_tensors[0])
        if self.flow.fixed[self.flow.group[state.ids]].any():
            return None
        if isinstance(self.flow.rules[source.index], DepthwiseRule):
            return self._mask_before(source)
        if self._is_gate(tensor) or self._is_masked(tensor):
            return None
        if id(source.operation) not in self.masks:
            name = self.unique_name(f"{source.name}_mask")
            axis = self.flow.state(tensor).axis
            self.masks[id(source.operation)] = self._new_mask(name, axis)
        return self.masks[id(source.operation)]

    def _new_mask(self, name, axis, **kwargs):
        expected = (
            "Invalid value received for argument `mask`. Expected a callable "
            "`mask(name=..., axis=..., seed=...)` that returns a mask layer, "
            "such as `keras_nas.FiGSMask` or, with more arguments, "
            "`functools.partial(keras_nas.ChannelMask, [8, 16])`. Received: "
            f"mask={self.mask!r}"
        )
        try:
            mask = self.mask(name=name, axis=axis, seed=self.seed, **kwargs)
        except TypeError as error:
            raise ValueError(f"{expected}. {error}") from error
        if not isinstance(mask, PerChannelMask):
            raise ValueError(f"{expected}, which returned {mask!r}")
        return mask

    def _mask_before(self, node):
        """Returns the mask of the channels that enter a depthwise layer.

        `None` if they were joined since, by an addition for one: then no mask
        decides on them alone.
        """
        known = (PassThrough, DepthwiseRule)
        while node is not None and node.index not in self.mask_at:
            if not isinstance(self.flow.rules[node.index], known):
                return None
            (tensor,) = node.input_tensors
            before = self.flow.state(tensor).ids
            if before is not self.flow.state(node.output_tensors[0]).ids:
                return None
            node = self.flow.producers.get(id(tensor))
        return None if node is None else self.mask_at[node.index]

    def _comes_again(self, tensor):
        """Whether the same mask is applied behind every reader of a tensor.

        Then it need not be applied here: a depthwise convolution and what
        follows it would only compute with zeros that are masked afterwards.
        """
        consumers = self.flow.consumers.get(id(tensor), [])
        outputs = {id(t) for t in keras.tree.flatten(self.graph.outputs)}
        if not consumers or id(tensor) in outputs:
            return False
        return all(self._passes_mask_on(tensor, n) for n in consumers)

    def _passes_mask_on(self, tensor, node):
        rule = self.flow.rules[node.index]
        if not isinstance(rule, (DepthwiseRule, PassThrough)):
            return False
        (output,) = node.output_tensors
        if self.flow.state(tensor).ids is not self.flow.state(output).ids:
            return False
        if isinstance(rule, DepthwiseRule):
            return node.name not in self.skip
        return self._comes_again(output)

    def _is_masked(self, tensor):
        consumers = self.flow.consumers.get(id(tensor), [])
        return any(isinstance(n.operation, Mask) for n in consumers)

    def _is_gate(self, tensor):
        """Whether a tensor only gates others: broadcast in a Multiply."""
        consumers = self.flow.consumers.get(id(tensor), [])
        gates = [self._is_gated_by(tensor, node) for node in consumers]
        return bool(gates) and all(gates)

    def _is_gated_by(self, tensor, node):
        """Whether what a node makes of a tensor only gates others."""
        rule = self.flow.rules[node.index]
        shapes = [t.shape for t in node.input_tensors]
        if len(shapes) > 1 and getattr(rule, "is_absorbing", False):
            return shapes.count(tensor.shape) < len(shapes) and (
                np.prod(_static(tensor.shape))
                < np.prod(_static(node.output_tensors[0].shape))
            )
        # `x + 3.0`, as in a hard sigmoid by hand, has one operand. Gates that
        # are weighed against each other are positions side by side.
        elementwise = (PassThrough, ElementwiseMergeRule)
        has_one = len(shapes) == 1 and isinstance(rule, elementwise)
        if not has_one and not isinstance(rule, PositionsRule):
            return False
        return self._is_gate(node.output_tensors[0])


class _AtomInserter(_Inserter):
    """Puts importance factors between two convolutions each."""

    otherwise = (
        "has something else behind it than another convolution or Dense layer "
        "with, between the two, only layers that treat channels one by one, "
        "which GroupNormalization and additions do not"
    )

    def find_places(self):
        self.atoms = {p.node.index: p for p in find_atomic_blocks(self.flow)}
        return {index: place.source for index, place in self.atoms.items()}

    def masked(self, node, source, outputs):
        axis = self.flow.state(node.output_tensors[0]).axis
        mask = self._new_mask(
            self.unique_name(f"{source.name}_mask"),
            axis,
            factor=self.atoms[node.index].factor,
        )
        self.masks[id(source.operation)] = mask
        return mask(outputs)


def _static(shape):
    return [size or 1 for size in shape]
