"""What a model costs, and what it is expected to cost."""

from keras_nas.costs.conventions import CONVENTIONS
from keras_nas.costs.conventions import Convention
from keras_nas.costs.cost import Cost
from keras_nas.costs.cost import LayerCost
from keras_nas.costs.cost import count_cost
from keras_nas.costs.cost import decided_cost
from keras_nas.costs.expected_cost import ExpectedCost
from keras_nas.costs.expected_cost import ExpectedFLOPs
from keras_nas.costs.expected_cost import ExpectedParams

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Cost",
    "ExpectedCost",
    "ExpectedFLOPs",
    "ExpectedParams",
    "LayerCost",
    "count_cost",
    "decided_cost",
]
