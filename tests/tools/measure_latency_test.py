"""The tool that writes latency tables."""

import pytest

from keras_nas import LatencyTable
from keras_nas import count_cost
from keras_nas import spaces
from tools import measure_latency


def costly(model):
    return {row.name for row in count_cost(model).layers if row.macs}


def test_table_of_a_network(tmp_path, capsys):
    path = tmp_path / "table.json"
    measure_latency.main(
        ["--model=residual", "--image_size=8", "--num_runs=2", str(path)]
    )
    table = LatencyTable.load(path)
    network = spaces.find_network("residual", (8, 8, 3), 10)
    assert set(table.layers) == costly(network)
    assert table.settings["num_runs"] == 2
    assert str(table) in capsys.readouterr().out


def test_table_of_a_space_knows_the_largest_network(tmp_path):
    path = tmp_path / "table.json"
    measure_latency.main(["--space=smoke_mbconv", "--num_runs=2", str(path)])
    table = LatencyTable.load(path)
    space = spaces.find_space("smoke_mbconv")
    supernet, largest = space.supernet(10), space.build(space.biggest(), 10)
    assert set(table.layers) == costly(supernet) | costly(largest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space=none"], "argument `name`"),
        (["--model=none"], "argument `name`"),
        (["--model=residual", "--num_runs=0"], "argument `num_runs`"),
        (["--model=residual", "--space=smoke_mbconv"], "not allowed"),
        ([], "required"),
    ],
)
def test_wrong_arguments_are_told(arguments, message, tmp_path, capsys):
    path = tmp_path / "table.json"
    with pytest.raises(SystemExit):
        measure_latency.main([*arguments, str(path)])
    assert message in capsys.readouterr().err
    assert not path.exists()
