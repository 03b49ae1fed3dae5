import json

import pytest

from keras_nas.export import benchmark
from keras_nas.export import benchmark_litert


def test_the_tool_of_the_package_measures(artifacts):
    result = benchmark_litert(
        artifacts["litert"], num_runs=30, method="litert-benchmark"
    )
    assert result.method == "litert-benchmark"
    assert 0 <= result.min_ms <= result.median_ms <= result.p95_ms < 1000
    assert result.p90_ms is None
    assert result.num_runs == 30
    assert result.num_threads == 1
    assert result.model_bytes == artifacts["litert"].stat().st_size
    assert result.versions["ai-edge-litert"]
    assert json.loads(json.dumps(result.as_dict())) == result.as_dict()
    assert result.device["processor"] in str(result)


@pytest.mark.parametrize("has_tool", [True, False])
def test_auto_times_in_process_what_the_tool_cannot(
    has_tool, artifacts, monkeypatch
):
    monkeypatch.setattr(benchmark, "_has_tool", lambda: has_tool)
    result = benchmark_litert(artifacts["litert"], num_runs=30)
    assert result.method == "interpreter"
    assert 0 < result.min_ms <= result.median_ms <= result.p90_ms
    assert result.p90_ms <= result.p95_ms
    assert result.resolution_ms < 1e-3


def test_auto_takes_the_tool_for_slower_files(artifacts, monkeypatch):
    monkeypatch.setattr(benchmark, "_TOOL_RESOLUTION_MS", 0.0)
    result = benchmark_litert(artifacts["litert"], num_runs=5)
    assert result.method == "litert-benchmark"


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_runs": 0},
        {"num_threads": 1.5},
        {"num_warmup_runs": -1},
        {"method": "stopwatch"},
    ],
)
def test_wrong_arguments_are_refused(arguments, artifacts):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"argument `{name}`"):
        benchmark_litert(artifacts["litert"], **arguments)


def test_missing_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(FileNotFoundError, match="argument `path`"):
        benchmark_litert(path)
    path.write_text("something else")
    with pytest.raises(ValueError, match="argument `path`"):
        benchmark_litert(path)
