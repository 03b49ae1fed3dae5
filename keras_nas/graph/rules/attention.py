"""Attention: a barrier whose cost is known."""

import numpy as np
from keras import layers

from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule


@register_rule(layers.MultiHeadAttention)
class MultiHeadAttentionRule(Rule):
    """Its heads share a softmax over positions; all channels are kept."""

    reason = "attention mixes channels"

    def cost(self, node, flow, reading):
        """Returns the multiply-adds of projections and attention.

        With T positions of the query, S of key and value, h heads of k and v
        channels, and kernels W:
        macs = T * (|W_query| + |W_output|) + S * (|W_key| + |W_value|)
        + T * S * h * (k + v).
        """
        layer = node.operation
        length = [
            reading.positions(tensor, len(tensor.shape) - 1, node)
            for tensor in node.input_tensors[:2]
        ]
        sizes = {"query": 0, "key": 0, "value": 0, "attention_output": 0}
        kernels = biases = 0
        for variable in layer.trainable_variables:
            size = int(np.prod(variable.shape))
            if variable.name == "kernel":
                kernels += size
                sizes[variable.path.split("/")[-2]] += size
            else:
                biases += size
        config = layer.get_config()
        width = config["key_dim"] + (config["value_dim"] or config["key_dim"])
        macs = (
            length[0] * (sizes["query"] + sizes["attention_output"])
            + length[1] * (sizes["key"] + sizes["value"])
            + length[0] * length[1] * config["num_heads"] * width
        )
        return {"macs": macs, "kernels": kernels, "biases": biases}
