"""The benchmark of costs, on a tiny space."""

import json

import pytest

from keras_nas import spaces
from tools import benchmark_space_costs as benchmark


def test_it_prints_and_writes_what_it_measures(tmp_path, capsys):
    path = tmp_path / "costs.json"
    arguments = ["--space", "smoke_big_nas", "--number", "500", "--turns", "2"]
    benchmark.main([*arguments, "--built", "1", "--json", str(path)])
    result = json.loads(path.read_text())
    assert (result["space"], result["architectures"]) == ("smoke_big_nas", 500)
    assert result["built_and_equal"] == 1
    rate = result["architectures_per_second"]
    assert 0 < result["slowest_turn"] <= rate
    space = spaces.smoke_big_nas()
    assert result["smallest_macs"] == space.cost(space.smallest()).macs
    assert result["largest_macs"] == space.cost(space.biggest()).macs
    assert f"{rate:,}" in capsys.readouterr().out


def test_other_costs_are_an_error(monkeypatch):
    space = spaces.smoke_big_nas()
    exact = space.costs

    def wrong(indices):
        macs, params = exact(indices)
        return macs + 1, params

    monkeypatch.setattr(space, "costs", wrong)
    with pytest.raises(RuntimeError, match="not .* as the tables have them"):
        benchmark.measure(space, 10, 1, 1)
