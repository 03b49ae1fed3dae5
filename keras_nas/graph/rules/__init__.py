"""One rule per layer type: state, demand, cost, constants, construction."""

from keras_nas.graph.rules import attention as _attention
from keras_nas.graph.rules import convolution as _convolution
from keras_nas.graph.rules import dense as _dense
from keras_nas.graph.rules import masking as _masking
from keras_nas.graph.rules import merging as _merging
from keras_nas.graph.rules import mixing as _mixing
from keras_nas.graph.rules import normalization as _normalization
from keras_nas.graph.rules import operations as _operations
from keras_nas.graph.rules import pooling as _pooling
from keras_nas.graph.rules import shape as _shape
from keras_nas.graph.rules import splitting as _splitting
from keras_nas.graph.rules.pass_through import PassThrough
from keras_nas.graph.rules.registry import has_rule
from keras_nas.graph.rules.registry import register_rule
from keras_nas.graph.rules.registry import rule_for
from keras_nas.graph.rules.rule import COST_PARTS
from keras_nas.graph.rules.rule import Obstructed
from keras_nas.graph.rules.rule import Rule

__all__ = [
    "COST_PARTS",
    "Obstructed",
    "PassThrough",
    "Rule",
    "has_rule",
    "register_rule",
    "rule_for",
]
