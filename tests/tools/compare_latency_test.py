"""The tool that compares tables with whole networks."""

import json

import pytest

from tests.common import two_convolutions
from tools import compare_latency


def test_agreement_of_rows_by_hand():
    rows = [
        {"macs": 1, "measured_us": 2.0},
        {"macs": 2, "measured_us": 4.0},
        {"macs": 3, "measured_us": 6.0},
    ]
    facts = compare_latency.agreement(rows, "macs")
    assert facts["correlation"] == pytest.approx(1.0)
    assert facts["mean_ratio"] == pytest.approx(2.0)
    assert facts["spread_of_ratio"] == pytest.approx(0.0)
    rows[2]["measured_us"] = 3.0
    facts = compare_latency.agreement(rows, "macs")
    assert facts["correlation"] == pytest.approx(0.5)
    assert facts["mean_ratio"] == pytest.approx(5 / 3)


@pytest.mark.parametrize("what", ["--space=smoke_mbconv", "--model={}"])
def test_rows_of_networks(what, tmp_path, capsys):
    path, network = tmp_path / "latency.json", tmp_path / "network.keras"
    two_convolutions(8, 8, 10).save(network)
    compare_latency.main(
        [
            what.format(network),
            "--image_size=8",
            "--number=3",
            "--turns=1",
            f"--json={path}",
        ]
    )
    results = json.loads(path.read_text())
    assert len(results["rows"]) == 3
    for row in results["rows"]:
        assert min(row["table_us"], row["macs"], row["measured_us"]) > 0
    assert results["machine"]["processor"]
    assert "macs   correlation" in capsys.readouterr().out
