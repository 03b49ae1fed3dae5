"""The slicer: a model and decisions in, a smaller plain model out."""

import keras
import numpy as np
from keras import tree

from keras_nas.graph import ChannelFlow
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_scales
from keras_nas.graph.decisions import read_scales
from keras_nas.graph.rules.merging import ConcatenateRule
from keras_nas.graph.rules.merging import ElementwiseMergeRule
from keras_nas.layers.mask import Mask
from keras_nas.slicing.piece import Piece
from keras_nas.slicing.rebuild import Rebuilder
from keras_nas.slicing.report import SliceReport


def slice_model(model, architecture=None, return_report=False):
    """Cuts the decided network out of a model with masks.

    The result computes what the masked model computes at inference, with the
    inherited weights, and consists of stock Keras layers only. Constants that
    masked channels leave behind are folded into biases or moving means where
    that is exact; where it is not, the channel stays. A layer whose result is
    not needed is gone. The original is left as it is.

    Args:
        model: A Functional or Sequential model with mask layers.
        architecture: An `Architecture` with a decision for each mask. By
            default, what the masks have decided.
        return_report: Boolean, whether to return the `SliceReport` too.

    Returns:
        A plain Functional `keras.Model`, or `(model, report)`.

    Raises:
        ValueError: If the model is not a built Keras 3 model, has no masks,
            or the architecture does not fit it.

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
    check_has_masks(flow)
    cutter = Cutter(flow, mask_scales(flow, architecture))
    sliced = cutter.cut()
    return (sliced, cutter.report) if return_report else sliced


class Cutter(Rebuilder):
    """Rebuilds a flow's model for the channels that stay."""

    def __init__(self, flow, mask_scales):
        super().__init__(flow.graph)
        self.flow = flow
        self.mask_scales = dict(
            zip((id(m) for m in flow.masks), mask_scales, strict=True)
        )
        self.reading = read_scales(flow, mask_scales)
        self.report = SliceReport(
            barriers=[(node.name, reason) for node, reason in flow.barriers]
        )
        self.offsets = {}
        self._constants = {}
        self.scales = {}
        self._folded_masks = set()

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
        return model

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
        if not self.reading.live(node):
            return None
        operation, rule = node.operation, self.flow.rules[node.index]
        if not getattr(operation, "weights", ()):
            # A copy for each call, which may have other channels.
            self.layers.pop(id(operation), None)
        if isinstance(operation, Mask):
            return self._build_mask(node)
        if isinstance(rule, ElementwiseMergeRule):
            merged = self._build_merge(node, rule)
            if merged is not None:
                return merged
        if isinstance(rule, ConcatenateRule):
            return self._build_concatenate(node)
        piece = Piece(node, self)
        if id(operation) not in self.layers:
            rule.build(piece)
            self._report_width(node, piece)
        return self.call(operation, arguments, piece.config, piece.weights)

    def _find_constants(self, node):
        """Computes the constants of a node's outputs, where there are any."""
        varies = [self._varies(tensor) for tensor in node.output_tensors]
        if all(v.all() for v in varies):
            return
        rule = self.flow.rules[node.index]
        if isinstance(node.operation, Mask):
            values = Piece(node, self).constants_in(rule.axis(node))
            outputs = [values * self.mask_scales[id(node.operation)]]
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
        if not isinstance(node.operation, Mask) or not self.reading.live(node):
            return False
        scale = self.mask_scales[id(node.operation)]
        return (scale[self.kept_out(node)] != 1.0).any()

    def _fold_mask(self, mask_node):
        """Moves a mask's factors into a linear layer before it, if it can."""
        scale = self.mask_scales[id(mask_node.operation)]
        tensor = mask_node.input_tensors[0]
        if self.flow.is_barrier(mask_node):
            return
        outputs = {id(t) for t in tree.flatten(self.flow.graph.outputs)}
        while True:
            node = self.flow.producers.get(id(tensor))
            alone = len(self.flow.consumers.get(id(tensor), [])) == 1
            if node is None or not alone or id(tensor) in outputs:
                return
            if self.flow.is_barrier(node):
                return
            if self.flow.is_shared(node) and not isinstance(
                node.operation, Mask
            ):
                return
            rule = self.flow.rules[node.index]
            if rule.can_fold_scale(node.operation):
                before = self.scales.get(node.index, 1.0)
                self.scales[node.index] = before * scale
                self._folded_masks.add(mask_node.index)
                self.report.fold(mask_node.name, f"factors into {node.name}")
                return
            if not rule.is_homogeneous(node.operation):
                return
            tensor = node.input_tensors[0]

    def _build_mask(self, node):
        inputs = self.tensors[id(node.input_tensors[0])]
        if node.index in self._folded_masks or not self._needs_scaling(node):
            return inputs
        scale = self.mask_scales[id(node.operation)]
        scale = scale[self.kept_out(node)]
        return self._rescale(node, inputs, scale, 0.0)

    def _build_merge(self, node, rule):
        """Builds a merge some of whose operands are constants."""
        if rule.operands(node, self.flow) is None:
            return None
        used = rule.used(node, self.flow, self.reading)
        if all(used):
            return None
        constants, operands = [], []
        for tensor, use in zip(node.input_tensors, used, strict=True):
            if use:
                operands.append(self.tensors[id(tensor)])
                continue
            values = self.constants(tensor)
            length = self.flow.state(node.output_tensors[0]).length
            values = values * np.ones(length)
            constants.append(values[self.kept_out(node)])
        result = operands[0]
        if len(operands) > 1:
            is_layer = isinstance(node.operation, keras.layers.Layer)
            args = (operands,) if is_layer else operands
            result = self.call(node.operation, (args, {}))
        scale, offset = rule.affine(constants)
        if np.all(scale == 1.0) and not np.any(offset):
            return result
        self.report.fold(node.name, "constant operand into Rescaling")
        return self._rescale(node, result, scale, offset)

    def _build_concatenate(self, node):
        """Builds a concatenation some of whose operands are gone.

        An operand that nobody needs is left out. Where others keep channels
        that are tied to it, zeros take its place, and what its constants are.
        """
        axis = self.flow.state(node.output_tensors[0]).axis
        operands, constants, missing = [], [], 0
        for tensor in node.input_tensors:
            kept = self.kept(self.flow.state(tensor))
            if id(tensor) in self.tensors:
                operand = self._pad(self.tensors[id(tensor)], axis, missing, 0)
                operands.append(operand)
                constants.append(np.zeros(len(kept)))
                missing = 0
            else:
                constants.append(self.constants(tensor)[kept])
                missing += len(kept)
        operands[-1] = self._pad(operands[-1], axis, 0, missing)
        result = operands[0]
        if len(operands) > 1:
            result = self.call(node.operation, ((operands,), {}))
        offset = np.concatenate(constants)
        if not np.any(offset):
            return result
        return self._rescale(node, result, 1.0, offset)

    def _pad(self, tensor, axis, before, after):
        if not before + after:
            return tensor
        width = [(0, 0)] * len(tensor.shape)
        width[axis] = (before, after)
        return keras.ops.pad(tensor, width)

    def _rescale(self, node, tensor, scale, offset):
        """Applies factors and offsets to channels by a stock layer."""
        axis = self.flow.state(node.output_tensors[0]).axis
        rank = len(tensor.shape)
        if keras.config.image_data_format() == "channels_first" and rank < 4:
            raise NotImplementedError(
                f"Layer '{node.name}' leaves factors on its channels that no "
                "stock layer can hold under the image data format "
                "'channels_first'. Put the mask right behind a linear layer "
                "or a BatchNormalization."
            )
        shape = (-1,) + (1,) * (rank - 1 - axis)

        def nested(value):
            if np.ndim(value) == 0:
                return float(value)
            return np.reshape(value, shape).tolist()

        layer = keras.layers.Rescaling(
            nested(scale),
            nested(offset),
            dtype=getattr(node.operation, "dtype_policy", None),
            name=self.unique_name(f"{node.name}_rescaling"),
        )
        return layer(tensor)

    def _report_width(self, node, piece):
        if getattr(node.operation, "kernel", None) is None and not hasattr(
            node.operation, "pointwise_kernel"
        ):
            return
        total = self.flow.state(node.output_tensors[0]).length
        row = (
            node.name,
            type(node.operation).__name__,
            len(piece.kept_out()),
            total,
        )
        self.report.layers.append(row)
