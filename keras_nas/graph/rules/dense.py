"""Dense layers: a 1x1 convolution of the last axis."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.convolution import LinearRule
from keras_nas.graph.rules.registry import register_rule


@register_rule(layers.Dense)
class DenseRule(LinearRule):
    width_name = "units"

    def axis(self, node):
        return len(node.input_tensors[0].shape) - 1

    def is_padded(self, node):
        return False

    def macs(self, node, positions, n_in, n_out):
        """Returns positions * n_in * n_out."""
        return positions * (n_in * n_out)

    def sum_of_positions(self, kernel):
        return np.asarray(kernel)
