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
from keras_nas.costs.expected_latency import ExpectedLatency
from keras_nas.costs.latency_table import LatencyTable

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Cost",
    "ExpectedCost",
    "ExpectedFLOPs",
    "ExpectedLatency",
    "ExpectedParams",
    "LatencyTable",
    "LayerCost",
    "count_cost",
    "decided_cost",
]
