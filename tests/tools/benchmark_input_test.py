"""The benchmark of the input pipeline, on a few images."""

import json

from tools import benchmark_input as benchmark


def test_it_measures_input_step_and_both_on_embedded_data(tmp_path, capsys):
    path = tmp_path / "made" / "rows.json"
    arguments = "--image_size 8 --batch_size 50 --batches 2 --turns 2"
    benchmark.main([*arguments.split(), "--json", str(path)])
    results = json.loads(path.read_text())
    assert [row["kind"] for row in results["rows"]] == [
        "input",
        "step",
        "training",
    ]
    for row in results["rows"]:
        assert 0 < row["slowest"] <= row["images_per_second"] <= row["fastest"]
    assert len(results["input_over_step"]) == 3
    assert results["versions"]["keras"] and results["machine"]["num_cpus"]
    assert "training over step" in capsys.readouterr().out


def test_it_makes_jpegs_of_photographs(tmp_path):
    path = tmp_path / "rows.json"
    arguments = "--jpegs 20 --crop inception --augment flip_color --model="
    sizes = "--image_size 32 --batch_size 10 --batches 1 --turns 2"
    benchmark.main([*arguments.split(), *sizes.split(), "--json", str(path)])
    results = json.loads(path.read_text())
    assert [row["kind"] for row in results["rows"]] == ["input"]
    assert results["arguments"]["jpegs"] == 20
    assert "input_over_step" not in results
