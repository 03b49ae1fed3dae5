"""What a rule is, and the rule of a layer that nobody knows."""

import keras
import numpy as np

from keras_nas.graph.reading import Whole


class Rule:
    """How one type of layer treats channels. The base class is a barrier.

    A barrier is always right: it demands every channel of its inputs, keeps
    every channel of its outputs, and is copied as it is.

    `forward`, `demand`, `cost`, `constant` and `build` answer the five
    questions that the graph asks. `node` is the call
    (`keras_nas.graph.Node`), `flow` the `ChannelFlow`.
    """

    reason = None  # Why it is a barrier; by default, that nobody knows it.
    ignores_training = False  # Whether it holds for calls as in training too.

    def specialize(self, node, flow):
        """Returns the rule to use for this call; itself by default."""
        return self

    def obstacle(self, node, flow):
        """Returns why the rule does not hold for this call, or `None`.

        If it does not, the call is a barrier that costs what the rule says.
        """
        return None

    def forward(self, node, flow):
        """Sets the state of the node's output tensors."""
        unknown = f"no rule is registered for {type(node.operation).__name__}"
        flow.barrier(node, node.opaque or self.reason or unknown)

    def demand(self, node, flow, reading, out):
        """Returns the demand on each input tensor, given that on the outputs.

        A scalar stands for all channels of the tensor.
        """
        return [reading.live(node)] * len(node.input_tensors)

    def cost(self, node, flow, reading):
        """Returns the cost of one call as a dict with some of `COST_PARTS`.

        `reading.count(state)` is the number of channels that stay, which may
        be a tensor: use `+` and `*` only.
        """
        return {
            "kernels": sum(
                int(np.prod(v.shape))
                for v in getattr(node.operation, "trainable_variables", [])
            )
        }

    def constant(self, node, flow, values):
        """Returns the constants that come out where `values` come in.

        Args:
            node: The call.
            flow: The flow.
            values: One vector per input tensor.

        Returns:
            One vector per output tensor; entries of channels that are alive
            have no meaning.
        """
        return [np.zeros(flow.state(t).length) for t in node.output_tensors]

    def is_homogeneous(self, operation):
        """Whether a factor s >= 0 on a channel passes through unchanged."""
        return False

    def is_linear_in_each(self, node):
        """Whether any factor on a channel of one input passes through."""
        return False

    def is_pointwise(self, node):
        """Whether each position of a map is computed from that one alone."""
        return False

    def edge_option(self, node, flow, index):
        """Returns `(mask index, switch)` where input number `index` matters
        only when that switch of an exclusive mask is on; else `None`."""
        return None

    def can_fold_scale(self, operation):
        """Whether `build` can multiply output channels by factors s >= 0."""
        return False

    def can_fold_input_scale(self, node, flow):
        """Whether `build` can multiply input channels by any factors."""
        return False

    def build(self, piece):
        """Fills `piece.config` and `piece.weights` for the channels kept."""
        piece.copy()

    def rebuild(self, piece):
        """Returns the new outputs of the call; by default of a new layer."""
        return piece.call()


class Obstructed(Rule):
    """A barrier in place of a rule that does not hold for a call.

    Args:
        rule: The `Rule`, which still says what the call costs.
        reason: String, why it does not hold.
    """

    def __init__(self, rule, reason):
        self.rule, self.reason = rule, reason

    def cost(self, node, flow, reading):
        return self.rule.cost(node, flow, Whole())


COST_PARTS = ("macs", "pool", "kernels", "biases", "norm")


def call_on_constants(node, flow, values):
    """Runs a node on one position of constant channels."""
    arrays = iter(
        _one_position(value, flow.state(tensor), tensor)
        for tensor, value in zip(node.input_tensors, values, strict=True)
    )
    kwargs = {k: v for k, v in node.kwargs.items() if k != "mask"}
    args, kwargs = keras.tree.map_structure(
        lambda t: next(arrays) if isinstance(t, keras.KerasTensor) else t,
        (node.args, kwargs),
    )
    outputs = keras.tree.flatten(node.operation(*args, **kwargs))
    return [keras.ops.convert_to_numpy(o).reshape(-1) for o in outputs]


def _one_position(value, state, tensor):
    shape = [1] * len(tensor.shape)
    shape[state.axis] = -1
    return np.asarray(value, "float32").reshape(shape)
