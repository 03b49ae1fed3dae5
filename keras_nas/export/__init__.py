"""Exports trained networks and proves that every file computes the same."""

from keras_nas.export.benchmark import LatencyResult
from keras_nas.export.benchmark import benchmark_litert
from keras_nas.export.float32 import as_float32
from keras_nas.export.latency import measure_latency
from keras_nas.export.litert import export_litert
from keras_nas.export.litert_ops import count_litert_ops
from keras_nas.export.saved_model import export_saved_model
from keras_nas.export.verification import ExportMismatchError
from keras_nas.export.verification import Link
from keras_nas.export.verification import Verification
from keras_nas.export.verify import verify_export

__all__ = [
    "ExportMismatchError",
    "LatencyResult",
    "Link",
    "Verification",
    "as_float32",
    "benchmark_litert",
    "count_litert_ops",
    "export_litert",
    "export_saved_model",
    "measure_latency",
    "verify_export",
]
