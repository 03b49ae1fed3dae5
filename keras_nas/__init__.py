"""keras_nas: neural architecture search for Keras 3.

Learn while training which channels are worth their cost, cut that network
out as a plain Keras model, and export it with a proof of equality.
"""

from keras_nas import search
from keras_nas.costs import Cost
from keras_nas.costs import ExpectedFLOPs
from keras_nas.costs import ExpectedLatency
from keras_nas.costs import ExpectedParams
from keras_nas.costs import LatencyTable
from keras_nas.costs import count_cost
from keras_nas.costs import decided_cost
from keras_nas.export import export_litert
from keras_nas.export import export_saved_model
from keras_nas.export import measure_latency
from keras_nas.export import verify_export
from keras_nas.layers import AtomicBlockScale
from keras_nas.layers import BlockChoice
from keras_nas.layers import ChannelMask
from keras_nas.layers import ElasticMBConv
from keras_nas.layers import FiGSMask
from keras_nas.layers import LogisticSigmoidMask
from keras_nas.layers import ResolutionSubsample
from keras_nas.layers import SplitAttention
from keras_nas.slicing import insert_masks
from keras_nas.slicing import slice_model
from keras_nas.spaces.architecture import Architecture
from keras_nas.training import recalibrate_batch_norm
from keras_nas.version import __version__

__all__ = [
    "Architecture",
    "AtomicBlockScale",
    "BlockChoice",
    "ChannelMask",
    "Cost",
    "ElasticMBConv",
    "ExpectedFLOPs",
    "ExpectedLatency",
    "ExpectedParams",
    "FiGSMask",
    "LatencyTable",
    "LogisticSigmoidMask",
    "ResolutionSubsample",
    "SplitAttention",
    "__version__",
    "count_cost",
    "decided_cost",
    "export_litert",
    "export_saved_model",
    "insert_masks",
    "measure_latency",
    "recalibrate_batch_norm",
    "search",
    "slice_model",
    "verify_export",
]
