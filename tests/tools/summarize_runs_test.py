"""Tables of runs with several seeds."""

import json

from tools import summarize_runs


def run(seed, accuracy, scratch):
    child = {
        "name": "0.5",
        "macs": 1_000_000 + 100_000 * seed,
        "params": 20_000,
        "test_accuracy": accuracy,
        "scratch_test_accuracy": scratch,
    }
    return {
        "method": "BigNAS",
        "seed": seed,
        "family": [child],
        "search_seconds": 1.0,
        "retrain_seconds": 2.0,
        "versions": {},
        "machine": {},
    }


def test_family_of_networks():
    rows = summarize_runs.summarize_family([run(0, 0.8, 0.9), run(1, 0.7, 0.6)])
    lines = summarize_runs.family_table(rows).splitlines()
    assert lines[2] == (
        "| 0.5 | 1.050 M | 20.0 k | 75.0% (80.0, 70.0) | 75.0% (90.0, 60.0) "
        "| -10.0, +10.0 |"
    )


def test_family_that_was_not_trained_from_scratch():
    rows = summarize_runs.summarize_family([run(0, 0.8, None)])
    assert "| not trained |" in summarize_runs.family_table(rows)


def test_summary_of_a_family_in_a_file(tmp_path, monkeypatch, capsys):
    folder, summary = tmp_path / "run", tmp_path / "summary.json"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(run(3, 0.8, 0.9)))
    command = ["summarize_runs", str(folder), "--json", str(summary)]
    monkeypatch.setattr("sys.argv", command)
    summarize_runs.main()
    assert "| 0.5 |" in capsys.readouterr().out
    written = json.loads(summary.read_text())
    assert written["seeds"] == [3]
    assert written["family"][0]["test_accuracy"] == [0.8]


def test_repeated_searches_show_the_spread_of_their_size():
    def run(params, accuracy):
        return {
            "method": "FiGS",
            "full_macs": 4e6,
            "full_params": 9e3,
            "full_test_accuracy": 0.9,
            "macs": 2e6,
            "params": params,
            "test_accuracy": accuracy,
            "width_multiplier": {
                "macs": 2e6,
                "params": 4e3,
                "test_accuracy": 0.7,
            },
        }

    rows = summarize_runs.summarize([run(3000, 0.8), run(4000, 0.9)])
    lines = summarize_runs.table(rows).splitlines()
    assert "| 9.0 k | 90.0% (90.0 to 90.0) |" in lines[2]
    assert lines[3] == (
        "| FiGS | 2.000 M (0.50x) | 3.5 k (3.0 to 4.0) | 85.0% (80.0 to 90.0) |"
    )
