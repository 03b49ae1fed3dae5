"""How long a `.tflite` file takes on this machine."""

import dataclasses
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from keras_nas.environment import environment
from keras_nas.export.litert_ops import find_custom_ops

_TOOL = "ai_edge_litert.tools.benchmark_litert_model"
# The tool rounds all times to this step.
_TOOL_RESOLUTION_MS = 0.01
_METHODS = ("auto", "litert-benchmark", "interpreter")


@dataclasses.dataclass(frozen=True)
class LatencyResult:
    """Latency of one inference of a `.tflite` file, and where it was measured.

    Attributes:
        median_ms: Float, the median in milliseconds.
        mean_ms: Float, the mean.
        min_ms: Float, the shortest run.
        p90_ms: Float, the 90th percentile, or `None`: `litert-benchmark` does
            not report it.
        p95_ms: Float, the 95th percentile.
        num_runs: Number of timed runs.
        num_threads: Number of CPU threads.
        method: `"litert-benchmark"` (the tool of the ai-edge-litert package)
            or `"interpreter"` (timed in this process).
        resolution_ms: Float, the step to which the times are rounded.
        model_bytes: Size of the file.
        device: Dictionary: processor, machine, system, number of CPUs.
        versions: Dictionary: ai-edge-litert, python.
    """

    median_ms: float
    mean_ms: float
    min_ms: float
    p90_ms: float | None
    p95_ms: float
    num_runs: int
    num_threads: int
    method: str
    resolution_ms: float
    model_bytes: int
    device: dict
    versions: dict

    def as_dict(self):
        """Returns plain data for JSON."""
        return dataclasses.asdict(self)

    def __str__(self):
        return (
            f"{self.median_ms:.3f} ms median, {self.p95_ms:.3f} ms p95 "
            f"({self.num_runs} runs, {self.num_threads} threads, "
            f"{self.method}, {self.device['processor']})"
        )


def benchmark_litert(
    path, num_threads=1, num_runs=200, num_warmup_runs=20, method="auto"
):
    """Measures the latency of a `.tflite` file on the CPU of this machine.

    The inputs are random. Nothing else should run meanwhile; compare medians.

    Args:
        path: Path of the `.tflite` file, with static shapes.
        num_threads: Integer, the number of CPU threads.
        num_runs: Integer, the number of timed runs.
        num_warmup_runs: Integer, the number of runs before them.
        method: `"litert-benchmark"` runs the tool of the ai-edge-litert
            package in a process of its own. It rounds to 0.01 ms.
            `"interpreter"` times the LiteRT interpreter in this process,
            without rounding. `"auto"` takes the tool where it is installed,
            unless the file is so fast (under 1 ms) that rounding would show.

    Returns:
        A `LatencyResult`; its `method` says which one measured.

    Raises:
        FileNotFoundError: If there is no such file.
        RuntimeError: If the tool fails.
        ValueError: If an argument is not what is described here.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> from keras_nas.export import benchmark_litert, export_litert
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> path = os.path.join(tempfile.mkdtemp(), "model.tflite")
    >>> result = benchmark_litert(export_litert(model, path), num_runs=50)
    >>> result.method, result.num_runs
    ('interpreter', 50)
    """
    path = _check_path(path)
    _check_count("num_threads", num_threads, 1)
    _check_count("num_runs", num_runs, 1)
    _check_count("num_warmup_runs", num_warmup_runs, 0)
    if method not in _METHODS:
        raise ValueError(
            "Invalid value received for argument `method`. Expected one of "
            f"{_METHODS}. Received: method={method!r}."
        )
    runs = (num_threads, num_runs, num_warmup_runs)
    times = None
    if method == "litert-benchmark" or (method == "auto" and _has_tool()):
        times = _time_by_tool(path, *runs)
        if method == "auto" and times["median_ms"] < 100 * _TOOL_RESOLUTION_MS:
            times = None
    if times is None:
        times = _time_by_interpreter(path, *runs)
    facts = environment()
    return LatencyResult(
        **times,
        num_runs=num_runs,
        num_threads=num_threads,
        model_bytes=path.stat().st_size,
        device=facts["machine"],
        versions={
            name: facts["versions"][name]
            for name in ("ai-edge-litert", "python")
        },
    )


def _check_path(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            "Invalid value received for argument `path`. Expected a `.tflite` "
            f"file. Received: path={str(path)!r}, where there is none."
        )
    custom = find_custom_ops(path)
    if custom:
        raise ValueError(
            "Invalid value received for argument `path`. Expected a `.tflite` "
            f"file of builtin operations. Received: path={str(path)!r} with "
            f"{', '.join(custom)}. Write it with `export_litert`."
        )
    return path


def _check_count(name, value, lowest):
    if not isinstance(value, int) or value < lowest:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected an "
            f"integer of at least {lowest}. Received: {name}={value!r}."
        )


def _has_tool():
    return importlib.util.find_spec(_TOOL) is not None


def _time_by_tool(path, num_threads, num_runs, num_warmup_runs):
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        # The entry point of the command `litert-benchmark`; -P keeps modules
        # of the working directory from shadowing others.
        command = [sys.executable, "-P", "-m", _TOOL]
        command += [f"--model={path}", f"--result_json={result}"]
        command += [f"--num_threads={num_threads}", f"--num_runs={num_runs}"]
        command += [f"--warmup_runs={num_warmup_runs}"]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode or not result.is_file():
            raise RuntimeError(
                f"litert-benchmark failed on {str(path)!r}. Try "
                'method="interpreter". Its last words: '
                + process.stderr[-1000:]
            )
        latency = json.loads(result.read_text())["latency"]
    return {
        "median_ms": latency["median_ms"],
        "mean_ms": latency["avg_ms"],
        "min_ms": latency["min_ms"],
        "p90_ms": None,
        "p95_ms": latency["p95_ms"],
        "method": "litert-benchmark",
        "resolution_ms": _TOOL_RESOLUTION_MS,
    }


def _time_by_interpreter(path, num_threads, num_runs, num_warmup_runs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=num_threads)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        values = generator.uniform(-1.0, 1.0, details["shape"])
        if np.issubdtype(details["dtype"], np.integer):
            values = 127 * np.abs(values)
        interpreter.set_tensor(
            details["index"], values.astype(details["dtype"])
        )
    for _ in range(num_warmup_runs):
        interpreter.invoke()
    times = []
    for _ in range(num_runs):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(1000 * (time.perf_counter() - start))
    return {
        "median_ms": statistics.median(times),
        "mean_ms": statistics.fmean(times),
        "min_ms": min(times),
        "p90_ms": float(np.percentile(times, 90)),
        "p95_ms": float(np.percentile(times, 95)),
        "method": "interpreter",
        "resolution_ms": 1000 * time.get_clock_info("perf_counter").resolution,
    }
