"""The slicer: a model and decisions in, a smaller plain model out."""

import keras
import numpy as np

from keras_nas.graph import ChannelFlow
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_scales
from keras_nas.graph.decisions import read_scales
from keras_nas.graph.rules.pass_through import is_linear
from keras_nas.graph.slices import check_slices
from keras_nas.layers import Mask
from keras_nas.layers import PerChannelMask
from keras_nas.layers import SplitAttention
from keras_nas.layers import SqueezeExcite
from keras_nas.slicing.piece import Piece
from keras_nas.slicing.rebuild import Rebuilder
from keras_nas.slicing.report import SliceReport
from keras_nas.slicing.report import tied_layers
from keras_nas.slicing.rounding import round_scales


def slice_model(
    model, architecture=None, return_report=False, channel_multiple=None
):
    """Cuts the decided network out of a model with masks.

    The result computes what the masked model computes at inference, with the
    inherited weights, and consists of stock Keras layers only. Constants that
    masked channels leave behind are folded into biases or moving means where
    that is exact; where it is not, the channel stays. A layer whose result is
    not needed is gone. The original is left as it is.

    Args:
        model: A built Keras model with mask layers, or with layers such as
            `keras_nas.SplitAttention` that consist of stock ones.
        architecture: An `Architecture` with a decision for each mask. By
            default, what the masks have decided.
        return_report: Boolean, whether to return the `SliceReport` too.
        channel_multiple: Integer such as 8: widths are rounded up to a
            multiple, where a layer has as many channels, by adding back the
            most probable ones. Kernels on CPUs and accelerators work on
            channels in such blocks, and an odd width can cost as much as the
            next multiple, or more. By default widths are as decided. The
            result then computes what the model does with those masks open
            too.

    Returns:
        A plain Functional `keras.Model`, or `(model, report)`.

    Raises:
        ValueError: If the model is not a built Keras 3 model, has no masks,
            the architecture does not fit it, elastic layers executed as slices
            would compute something else, or `channel_multiple` is not a
            positive integer.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3),
    ...     keras_nas.FiGSMask(name="mask"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ...     keras.layers.Dense(10),
    ... ])
    >>> chosen = keras_nas.Architecture("", {"mask": [0, 3, 5]})
    >>> keras_nas.slice_model(model, chosen).layers[1].filters
    3
    """
    flow = ChannelFlow(model)
    if not _has_composites(model):
        check_has_masks(flow)
    check_slices(flow)
    scales = mask_scales(flow, architecture)
    cutter = Cutter(flow, round_scales(flow, scales, channel_multiple))
    sliced = cutter.cut()
    return (sliced, cutter.report) if return_report else sliced


def _has_composites(model):
    """Whether there is something to take apart, though nothing to decide."""
    composites = SplitAttention, SqueezeExcite
    return any(isinstance(x, composites) for x in model._flatten_layers())


class Cutter(Rebuilder):
    """Rebuilds a flow's model for the channels that stay."""

    for_training = False  # Whether masks that can go on learning stay.

    def __init__(self, flow, mask_scales):
        super().__init__(flow.graph)
        self.flow = flow
        self.mask_scales = mask_scales
        self.reading = read_scales(flow, mask_scales)
        self.report = SliceReport(
            barriers=[(node.name, reason) for node, reason in flow.barriers]
        )
        self.offsets = {}
        self._constants = {}
        self.scales, self.input_scales = {}, {}
        self._folded_masks = set()
        self._groups = {}  # By layer name: the groups of its outputs.

    def cut(self):
        """Returns the sliced model."""
        for node in self.flow.graph.nodes:
            self._find_constants(node)
        for node in self.flow.graph.nodes:
            if self._needs_scaling(node):
                self._fold_mask(node)
        model = self.rebuild(self.flow.graph.name)
        built = set(self.layers)
        for node in self.flow.graph.nodes:
            operation = node.operation
            if not isinstance(operation, keras.layers.Layer | Mask):
                continue
            if id(operation) not in built and not isinstance(operation, Mask):
                self.report.removed.append(operation.name)
        self.report.tied = tied_layers(self._groups)
        return model

    def class_of(self, operation):
        return getattr(operation, "plain_class", type(operation))

    def scale(self, mask):
        """Returns what a mask has decided: its switches at inference."""
        return self.mask_scales[self.flow.mask_index(mask)]

    def _new_input(self, tensor):
        resolutions = self.flow.resolutions
        if resolutions is None:
            return super()._new_input(tensor)
        option = int(np.argmax(self.scale(resolutions.mask)))
        shape = resolutions.shapes[option][id(tensor)]
        return super()._new_input(tensor, shape)

    def kept(self, state):
        """Returns the indices of the channels of a state that stay."""
        kept = self.reading.kept(state) * np.ones(state.length)
        return np.flatnonzero(kept)

    def kept_out(self, node):
        """Returns the indices of a node's output channels that stay."""
        return self.kept(self.flow.state(node.output_tensors[0]))

    def constants(self, tensor):
        """Returns the constants of a tensor's channels, 0 where they vary."""
        length = self.flow.state(tensor).length
        return self._constants.get(id(tensor), np.zeros(length))

    def build(self, node, arguments):
        """Builds one node; called by the `Rebuilder` in order."""
        if not self.reading.runs(node):
            return None
        rule = self.flow.rules[node.index]
        return rule.rebuild(Piece(node, self, arguments))

    def _find_constants(self, node):
        """Computes the constants of a node's outputs, where there are any."""
        varies = [self._varies(tensor) for tensor in node.output_tensors]
        if all(v.all() for v in varies):
            return
        rule = self.flow.rules[node.index]
        if isinstance(node.operation, Mask):
            scale = self.scale(node.operation)
            outputs = rule.decided_constants(Piece(node, self), scale)
        else:
            values = [self.constants(tensor) for tensor in node.input_tensors]
            outputs = rule.constant(node, self.flow, values)
        for tensor, v, value in zip(
            node.output_tensors, varies, outputs, strict=True
        ):
            self._constants[id(tensor)] = np.where(v, 0.0, value)

    def _varies(self, tensor):
        state = self.flow.state(tensor)
        alive = self.reading.alive(state) * np.ones(state.length)
        return alive.astype(bool)

    def _needs_scaling(self, node):
        is_mask = isinstance(node.operation, PerChannelMask)
        if self.for_training or not is_mask or not self.reading.runs(node):
            return False
        scale = self.scale(node.operation)
        return (scale[self.kept_out(node)] != 1.0).any()

    def _fold_mask(self, mask_node):
        """Moves a mask's factors into layers before or behind it."""
        rule = self.flow.rules[mask_node.index]
        if self.flow.is_barrier(mask_node):
            return
        if rule.can_move_scale(mask_node.operation):
            moved = self._fold_back(mask_node) or self._fold_on(mask_node)
            if moved:
                self._folded_masks.add(mask_node.index)

    def _fold_back(self, mask_node):
        scale = self.scale(mask_node.operation)
        tensor = mask_node.input_tensors[0]
        outputs = {id(t) for t in self.flow.outputs}
        while True:
            node = self.flow.producers.get(id(tensor))
            alone = len(self.flow.consumers.get(id(tensor), [])) == 1
            if node is None or not alone or id(tensor) in outputs:
                return False
            if self.flow.is_barrier(node):
                return False
            if self.flow.is_shared(node) and not isinstance(
                node.operation, Mask
            ):
                return False
            rule = self.flow.rules[node.index]
            activation = getattr(node.operation, "activation", None)
            if rule.can_fold_scale(node.operation):
                if (scale < 0).any() and not is_linear(activation):
                    return False
                before = self.scales.get(node.index, 1.0)
                self.scales[node.index] = before * scale
                self.report.fold(mask_node.name, f"factors into {node.name}")
                return True
            if (scale < 0).any() or not rule.is_homogeneous(node.operation):
                return False
            tensor = node.input_tensors[0]

    def _fold_on(self, mask_node):
        """Moves factors into the rows of all kernels that they reach."""
        scale = self.scale(mask_node.operation)
        nodes = self._readers_of_scale(mask_node.output_tensors[0], set())
        for node in nodes or ():
            before = self.input_scales.get(node.index, 1.0)
            self.input_scales[node.index] = before * scale
            self.report.fold(mask_node.name, f"factors into {node.name}")
        return bool(nodes)

    def _readers_of_scale(self, tensor, passed):
        """Returns the layers that can apply what scales a tensor's channels.

        `None` if some of what reads the tensor could not do without.
        """
        found = []
        if any(t is tensor for t in self.flow.outputs):
            return None
        for node in self.flow.consumers.get(id(tensor), []):
            rule, index = self.flow.rules[node.index], node.index
            if rule.can_fold_input_scale(node, self.flow):
                found.append(node)
                continue
            if index in passed or not rule.is_linear_in_each(node):
                return None
            if sum(t is tensor for t in node.input_tensors) > 1:
                return None  # A product with itself.
            (output,) = node.output_tensors
            if self.flow.state(output).length != self.flow.state(tensor).length:
                return None
            passed.add(index)
            readers = self._readers_of_scale(output, passed)
            if readers is None:
                return None
            found.extend(readers)
        return found

    def remaining_scale(self, node):
        """Returns a mask's factors that no layer before it took, if any."""
        if node.index in self._folded_masks or not self._needs_scaling(node):
            return None
        return self.scale(node.operation)[self.kept_out(node)]

    def note_layer(self, piece, layer):
        """Is told of each new layer that a rule has built."""

    def report_width(self, piece):
        """Adds a line for a layer with a kernel to the report."""
        node = piece.node
        if getattr(node.operation, "kernel", None) is None and not hasattr(
            node.operation, "pointwise_kernel"
        ):
            return
        state = self.flow.state(node.output_tensors[0])
        self._groups[node.name] = self.flow.group[state.ids]
        row = (
            node.name,
            type(node.operation).__name__,
            len(piece.kept_out()),
            state.length,
        )
        self.report.layers.append(row)
