"""Stochastic depth in any network with residual connections."""

import keras
from keras import tree

from keras_nas.graph.rules import rule_for
from keras_nas.graph.rules.merging import AddRule
from keras_nas.graph.walk import walk
from keras_nas.layers.step_seed import layer_seed
from keras_nas.slicing.rebuild import Rebuilder


def add_stochastic_depth(model, rate, seed=None):
    """Returns a model for training that drops residual branches at random.

    Use it to train a network that stays as it is: the model that is returned
    has the same layers, so what trains it trains `model`, which is the one to
    save and export. At inference both compute the same.

    A residual branch is the operand of an addition of two tensors that is
    computed from the other operand, the shortcut, and has its shape. Where
    neither operand is computed from the other, as with a convolution in the
    shortcut, nothing is dropped. Of L branches, number l from the input on is
    dropped for each example with probability `rate * l / L`, and divided by
    one minus it where it is not: a stock `Dropout`.

    Args:
        model: A built Keras model. The `call` of a subclassed one is traced.
        rate: Float in [0, 1), the probability for the last branch.
        seed: Integer seed of the draws. Every branch draws independently.

    Returns:
        A Functional model.

    Raises:
        ValueError: If `rate` is not in [0, 1), the model is not a built
            Keras 3 model, has no residual branch, or has weights that a
            Functional model of its layers would lack.

    Reference:
        Deep Networks with Stochastic Depth, Section 3 (there the survival
        probability is `p_l = 1 - l / L * (1 - p_L)`).

    Example:

    >>> import keras
    >>> from keras_nas.training import add_stochastic_depth
    >>> inputs = keras.Input((8, 8, 4))
    >>> x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    >>> x = keras.layers.Add(name="sum")([inputs, x])
    >>> model = add_stochastic_depth(keras.Model(inputs, x), 0.2)
    >>> model.get_layer("sum_stochastic_depth").rate
    0.2
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(
            "Invalid value received for argument `rate`. Expected a "
            f"probability in [0, 1). Received: rate={rate!r}"
        )
    graph = walk(model)
    branches = _find_branches(graph)
    if not branches:
        raise ValueError(
            f"Model '{model.name}' has no residual branch. Expected an "
            "addition of two tensors of one shape, one of which is computed "
            "from the other."
        )
    deep = _Dropper(graph, branches, rate, seed).rebuild(model.name)
    lacking = {id(v) for v in model.trainable_variables}
    lacking -= {id(v) for v in deep.trainable_variables}
    if lacking:
        raise ValueError(
            f"Model '{model.name}' has {len(lacking)} trainable weights that "
            "belong to none of its layers. Put them into a layer with a "
            "`call` of its own."
        )
    return deep


def _find_branches(graph):
    """Returns a map from the index of an addition to its residual branch."""
    branches, sources = {}, {}
    for node in graph.nodes:
        tensors = node.input_tensors
        above = {id(t) for t in tensors}
        for tensor in tensors:
            above |= sources.get(id(tensor), set())
        for tensor in node.output_tensors:
            sources[id(tensor)] = above
        if _adds_two(node):
            first, second = tensors
            if id(first) in sources.get(id(second), ()):
                branches[node.index] = second
            elif id(second) in sources.get(id(first), ()):
                branches[node.index] = first
    return branches


def _adds_two(node):
    """Whether a call adds two tensors of its output's shape."""
    if not isinstance(rule_for(node.operation), AddRule):
        return False
    shape = node.output_tensors[0].shape
    return [t.shape for t in node.input_tensors] == [shape, shape]


class _Dropper(Rebuilder):
    """Calls the layers of the model itself, with a Dropout on each branch."""

    def __init__(self, graph, branches, rate, seed):
        super().__init__(graph)
        self.branches = branches
        self.numbers = {index: n for n, index in enumerate(branches, 1)}
        self.rate = rate
        self.seed = seed

    def build(self, node, arguments):
        branch = self.branches.get(node.index)
        if branch is not None:
            arguments = self.with_dropout(node, branch, arguments)
        args, kwargs = arguments
        return node.operation(*args, **kwargs)

    def with_dropout(self, node, branch, arguments):
        """Returns the arguments of an addition with the branch dropped."""
        name = self.unique_name(f"{node.name}_stochastic_depth")
        seed = None if self.seed is None else layer_seed(self.seed, name)
        shape = branch.shape
        dropped = keras.layers.Dropout(
            self.rate * self.numbers[node.index] / len(self.branches),
            noise_shape=(None, *[1] * (len(shape) - 1)),
            seed=seed,
            name=name,
        )(self.tensors[id(branch)])
        replaced = self.tensors[id(branch)]
        return tree.map_structure(
            lambda value: dropped if value is replaced else value, arguments
        )
