"""Elementwise operations that are not layers, such as `ops.tanh(x)`."""

from keras_nas.graph.rules.pass_through import IdentityAtInferenceRule
from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.registry import register_rule


@register_rule("Relu", "LeakyRelu", "Copy", "StopGradient")
class HomogeneousOperationRule(IdentityAtInferenceRule):
    pass


@register_rule(
    "Abs",
    "Absolute",
    "Arctan",
    "Cast",
    "Cbrt",
    "Ceil",
    "Celu",
    "Elu",
    "Expm1",
    "Floor",
    "Gelu",
    "HardShrink",
    "HardSilu",
    "HardTanh",
    "Log1p",
    "Negative",
    "Relu6",
    "Round",
    "Selu",
    "Sign",
    "Silu",
    "Sin",
    "SoftShrink",
    "Softsign",
    "Sqrt",
    "Square",
    "Tanh",
    "TanhShrink",
)
class ZeroKeepingOperationRule(PassThrough):
    def keeps_zero(self, operation):
        return True


@register_rule(
    "Cos",
    "Exp",
    "HardSigmoid",
    "Log",
    "LogSigmoid",
    "Reciprocal",
    "Sigmoid",
    "Softplus",
    "SparsePlus",
    "SparseSigmoid",
    "Squareplus",
    "Threshold",
)
class ElementwiseOperationRule(PassThrough):
    pass


@register_rule("Clip")
class ClipRule(PassThrough):
    def obstacle(self, node, flow):
        limits = node.operation.x_min, node.operation.x_max
        if all(isinstance(limit, (int, float)) for limit in limits):
            return None
        return "its limits are not numbers"

    def keeps_zero(self, operation):
        return operation.x_min <= 0 <= operation.x_max
