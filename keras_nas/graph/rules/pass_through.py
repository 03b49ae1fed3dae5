"""Layers that treat every channel, and every position, alike."""

import keras
from keras import layers
from keras.src.applications.convnext import StochasticDepth

from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.rule import Rule
from keras_nas.graph.rules.rule import call_on_constants
from keras_nas.layers import ElasticDropout

_activations = keras.activations

# f(0) = 0. Listed rather than evaluated: a rule may run while a training step
# is being traced, where nothing can be evaluated.
_KEEP_ZERO = {
    "celu",
    "elu",
    "gelu",
    "hard_shrink",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "mish",
    "relu",
    "relu6",
    "selu",
    "silu",
    "soft_shrink",
    "softsign",
    "tanh",
    "tanh_shrink",
}

# f(s * x) = s * f(x) for s >= 0.
_HOMOGENEOUS = {"leaky_relu", "linear", "relu"}

# Mix channels.
_COUPLED = {"glu", "log_softmax", "softmax", "sparsemax"}


def _name(activation):
    name = getattr(activation, "__name__", "")
    known = getattr(_activations, name, None) is activation
    return name if known else None


def keeps_zero(activation):
    """Whether an activation function maps 0 to 0."""
    return activation is None or _name(activation) in _KEEP_ZERO


def is_homogeneous(activation):
    """Whether a non-negative factor passes through an activation."""
    return activation is None or _name(activation) in _HOMOGENEOUS


def is_linear(activation):
    """Whether an activation function is none."""
    return activation is None or _name(activation) == "linear"


def is_coupled(activation):
    """Whether an output channel may depend on several input channels."""
    if activation is None:
        return False
    name = _name(activation)
    return name in _COUPLED or name is None


class PassThrough(Rule):
    """One input, one output, the same function for every channel.

    Subclass it for a layer that is elementwise, or that mixes positions but
    not channels.
    """

    def keeps_zero(self, operation):
        """Whether a channel that is 0 everywhere stays 0."""
        return False

    def is_homogeneous(self, operation):
        """Whether a factor s >= 0 on a channel passes through."""
        return False

    def keeps_constants(self, operation):
        """Whether a channel that is constant over positions stays so."""
        return True

    def is_pointwise(self, node):
        return True

    def forward(self, node, flow):
        state = flow.state(node.input_tensors[0])
        if not self.keeps_constants(node.operation):
            state = state.replace(alive=state.nonzero)
        if not self.keeps_zero(node.operation):
            state = state.replace(nonzero=state.nonzero.on(state.length))
        flow.states[id(node.output_tensors[0])] = state

    def demand(self, node, flow, reading, out):
        return out

    def cost(self, node, flow, reading):
        return {}

    def constant(self, node, flow, values):
        return call_on_constants(node, flow, values)


@register_rule(
    layers.Dropout,
    ElasticDropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.GaussianNoise,
    layers.GaussianDropout,
    layers.AlphaDropout,
    layers.ActivityRegularization,
    layers.Identity,
    StochasticDepth,
)
class IdentityAtInferenceRule(PassThrough):
    def keeps_zero(self, operation):
        return True

    def is_homogeneous(self, operation):
        return True


@register_rule(layers.ReLU)
class ReLURule(PassThrough):
    def keeps_zero(self, operation):
        return not (operation.threshold and operation.negative_slope)

    def is_homogeneous(self, operation):
        return operation.max_value is None and not operation.threshold


@register_rule(layers.LeakyReLU)
class LeakyReLURule(IdentityAtInferenceRule):
    pass


@register_rule(layers.ELU)
class ELURule(PassThrough):
    def keeps_zero(self, operation):
        return True


@register_rule(layers.Activation)
class ActivationRule(PassThrough):
    def keeps_zero(self, operation):
        return keeps_zero(operation.activation)

    def is_homogeneous(self, operation):
        return is_homogeneous(operation.activation)

    def obstacle(self, node, flow):
        if is_coupled(node.operation.activation):
            return "its activation mixes channels"
        return None
