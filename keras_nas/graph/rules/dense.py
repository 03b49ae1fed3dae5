"""Dense layers: 1x1 convolutions of one axis."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.linear import LinearRule
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.layers import ElasticDense


@register_rule(layers.Dense, ElasticDense)
class DenseRule(LinearRule):
    def axis(self, node):
        return len(node.input_tensors[0].shape) - 1

    def is_padded(self, node):
        return False

    def macs(self, node, positions, n_in, n_out):
        """Returns positions * n_in * n_out."""
        return positions * (n_in * n_out)

    def sum_of_positions(self, kernel):
        return np.asarray(kernel)

    def configure(self, config, width, use_bias, layer):
        config["units"] = width
        config["use_bias"] = use_bias


@register_rule(layers.EinsumDense)
class EinsumDenseRule(DenseRule):
    """An EinsumDense that maps one axis to one: a Dense of that axis."""

    def specialize(self, node, flow):
        return self if _is_dense(node.operation) else _EINSUM

    def axis(self, node):
        layer = node.operation
        inputs, kernel, outputs = _labels(layer)
        (label,) = set(kernel) - set(outputs)
        return _position(inputs, label, len(node.input_tensors[0].shape))

    def axis_out(self, node):
        outputs = _labels(node.operation)[2]
        rank = len(node.output_tensors[0].shape)
        return _position(outputs, _new_label(node.operation), rank)

    def has_bias(self, layer):
        return layer.bias is not None

    def kernel_and_bias(self, layer):
        kernel, bias = super().kernel_and_bias(layer)
        is_last = _labels(layer)[1][-1] == _new_label(layer)
        return kernel if is_last else kernel.T, bias

    def build(self, piece):
        super().build(piece)
        if _labels(piece.operation)[1][-1] != _new_label(piece.operation):
            piece.weights[0] = piece.weights[0].T

    def stored_bias(self, bias, node):
        after = len(node.output_tensors[0].shape) - 1 - self.axis_out(node)
        return bias.reshape((-1,) + (1,) * after)

    def configure(self, config, width, use_bias, layer):
        outputs, label = _labels(layer)[2], _new_label(layer)
        # The shape leaves out what an ellipsis covers, and the batch.
        index = outputs.replace(".", "").index(label)
        index -= not outputs.startswith("...")
        shape = np.atleast_1d(config["output_shape"]).tolist()
        shape[index] = width
        config["output_shape"] = tuple(shape)
        config["bias_axes"] = label if use_bias else None


class EinsumRule(Rule):
    """Any other EinsumDense: a barrier of known cost."""

    reason = "its kernel maps several axes at once"

    def cost(self, node, flow, reading):
        """Returns macs = the product of the sizes of all labels."""
        layer = node.operation
        inputs, kernel, _ = _labels(layer)
        new = [
            size
            for label, size in zip(kernel, layer.kernel.shape, strict=True)
            if label not in inputs
        ]
        size = reading.positions(node.input_tensors[0], None, node)
        kernels = int(np.prod(layer.kernel.shape))
        biases = 0 if layer.bias is None else int(np.prod(layer.bias.shape))
        return {
            "macs": size * int(np.prod(new)),
            "kernels": kernels,
            "biases": biases,
        }


_EINSUM = EinsumRule()


def _labels(layer):
    """Returns the labels of input, kernel and output."""
    left, outputs = layer.equation.replace(" ", "").split("->")
    inputs, kernel = left.split(",")
    return inputs, kernel, outputs


def _new_label(layer):
    inputs, kernel, _ = _labels(layer)
    (label,) = set(kernel) - set(inputs)
    return label


def _is_dense(layer):
    inputs, kernel, outputs = _labels(layer)
    new, summed = set(kernel) - set(inputs), set(kernel) - set(outputs)
    bias_axes = layer.bias_axes or ""
    return (
        len(kernel) == 2
        and len(new) == len(summed) == 1
        and summed <= set(inputs)
        and set(inputs) - summed == set(outputs) - new
        and set(bias_axes) <= new
    )


def _position(labels, label, rank):
    """Returns the axis that a label of an equation stands for."""
    if "..." not in labels or labels.index(label) < labels.index("..."):
        return labels.index(label)
    return rank - len(labels) + labels.index(label)
