"""Whether a network that is executed as slices is the one that is cut out."""

import numpy as np

from keras_nas.graph.decisions import read_scales
from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticDepthwiseConv2D

_WITH_WEIGHTS = (
    ElasticBatchNormalization,
    ElasticConv2D,
    ElasticDense,
    ElasticDepthwiseConv2D,
)


def check_slices(flow):
    """Raises a `ValueError` if the first channels are not those that are kept.

    Executed as slices, layers read the first of their weights, as many as
    there are channels. Behind a Flatten or a Concatenate, or an activation
    that makes something of the zeros of a mask, the child that is cut out
    would be another network.
    """
    masks = [m for m in flow.masks if isinstance(m, ElasticChannels)]
    if not any(mask.execution == "sliced" for mask in masks):
        return
    # What the smallest network keeps; of masks that are not elastic, anything.
    reading = read_scales(flow, [mask.scale_limits()[0] for mask in flow.masks])
    for node in flow.graph.nodes:
        if not isinstance(node.operation, _WITH_WEIGHTS):
            continue
        state = flow.state(node.input_tensors[0])
        shape = (state.length,)
        alive, nonzero = (
            np.broadcast_to(values, shape) > 0
            for values in (reading.alive(state), reading.nonzero(state))
        )
        if (alive != nonzero).any() or (alive[1:] > alive[:-1]).any():
            raise ValueError(
                f"Layer '{node.name}' of model '{flow.graph.name}' would be "
                "given other channels than the first ones, or others than "
                "masks keep. Executed as slices, only pooling, additions, "
                "activations of which 0 is 0, and elastic layers are allowed "
                "between `keras_nas.layers.ElasticChannels` and it, no "
                "Flatten or Concatenate. Change the model, or give its layers "
                "`execution='masked'`."
            )
