"""How many elements the tensors of a model have, all and at once."""

import math

import keras

from keras_nas.graph.rules.pass_through import IdentityAtInferenceRule
from keras_nas.layers import Mask
from keras_nas.layers import OwnChannels


def count_activations(flow):
    """Counts the elements of what every call returns, for one sample.

    Masks, which the slicer removes, and layers that do nothing at inference,
    such as Dropout, make no tensor: theirs is the one that they are given.

    Args:
        flow: A `ChannelFlow`.

    Returns:
        `(elements, total, peak)`: a list with the elements that each node
        makes; their sum; and the most that are alive at once, when the calls
        run in topological order and a tensor is freed after its last reader.
        Inputs are alive until then, too, but not in the total; outputs of the
        model stay. What depends on an unknown size is `None`.
    """
    nodes, made, source = flow.graph.nodes, [], {}
    for node, rule in zip(nodes, flow.rules, strict=True):
        outputs = node.output_tensors
        # Subclasses of the rule are of layers that do something.
        if isinstance(node.operation, Mask | OwnChannels) or (
            type(rule) is IdentityAtInferenceRule
        ):
            before = id(node.input_tensors[0])
            source[id(outputs[0])] = source.get(before, before)
            outputs = []
        made.append(outputs)
    elements = [_elements(outputs) for outputs in made]
    inputs = keras.tree.flatten(flow.graph.inputs)
    if None in elements or _elements(inputs) is None:
        total = None if None in elements else sum(elements)
        return elements, total, None

    last_use = {}
    for node, outputs in zip(nodes, made, strict=True):
        if outputs:
            for tensor in node.input_tensors:
                last_use[source.get(id(tensor), id(tensor))] = node.index
    for tensor in keras.tree.flatten(flow.graph.outputs):
        last_use[source.get(id(tensor), id(tensor))] = len(nodes)

    alive = {id(tensor): _elements([tensor]) for tensor in inputs}
    peak = sum(alive.values())
    for node, outputs in zip(nodes, made, strict=True):
        alive.update({id(tensor): _elements([tensor]) for tensor in outputs})
        peak = max(peak, sum(alive.values()))
        alive = {
            key: size
            for key, size in alive.items()
            if last_use.get(key, -1) > node.index
        }
    return elements, sum(elements), peak


def _elements(tensors):
    """Returns the elements of tensors for one sample, or `None`."""
    shapes = [tensor.shape[1:] for tensor in tensors]
    if any(None in shape for shape in shapes):
        return None
    return sum(math.prod(shape) for shape in shapes)
