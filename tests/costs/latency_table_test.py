"""Latency tables: what they hold, and what files they refuse."""

import json

import pytest

import keras_nas
from keras_nas import LatencyTable

LAYERS = {
    "conv": {"macs": 4000, "microseconds": 2.0},
    "dense": {"macs": 10, "microseconds": 1.5},
}
FACTS = {
    "device": {"processor": "a CPU", "num_cpus": 2},
    "versions": {"python": "3.11.0", "tensorflow": None},
    "settings": {"num_threads": 1},
}


def table():
    return LatencyTable(LAYERS, **FACTS)


def test_rate_is_the_time_of_one_multiply_add():
    assert table().rate("conv") == 2.0 / 4000
    assert table().rate("dense") == 0.15
    assert table().microseconds == 3.5


def test_rate_of_an_unknown_layer():
    with pytest.raises(ValueError, match="argument `name`.*'pool'.*'conv'"):
        table().rate("pool")


def test_file_holds_the_table(tmp_path):
    path = tmp_path / "table.json"
    table().save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["table.json"]
    assert LatencyTable.load(path) == table()
    data = json.loads(path.read_text())
    assert data["layers"] == LAYERS
    assert data == table().as_dict()


def test_a_table_without_facts_is_one(tmp_path):
    plain = LatencyTable(LAYERS)
    assert LatencyTable.from_dict(plain.as_dict()) == plain
    assert LatencyTable({}).microseconds == 0.0


def test_print_shows_every_layer_and_the_sum():
    lines = str(table()).splitlines()
    assert [line.split() for line in lines] == [
        ["layer", "MACs", "microseconds"],
        ["conv", "4,000", "2.00"],
        ["dense", "10", "1.50"],
        ["total", "4,010", "3.50"],
    ]


@pytest.mark.parametrize(
    ("layers", "field", "expected"),
    [
        ([], "layers", "a dictionary"),
        ({1: LAYERS["conv"]}, "layers", "string names"),
        ({"a": 3.0}, r"layers\['a'\]", "'macs' and 'microseconds'"),
        ({"a": {"macs": 1}}, r"layers\['a'\]", "'macs' and 'microseconds'"),
        (
            {"a": {"macs": 1, "microseconds": 1.0, "more": 0}},
            r"layers\['a'\]",
            "'macs' and 'microseconds'",
        ),
        *(
            (
                {"a": {"macs": macs, "microseconds": 1.0}},
                r"layers\['a'\]\['macs'\]",
                "an integer above 0",
            )
            for macs in (0, -1, 1.5, "1", True, None)
        ),
        *(
            (
                {"a": {"macs": 1, "microseconds": time}},
                r"layers\['a'\]\['microseconds'\]",
                "a finite number above 0",
            )
            for time in (0, -1.0, float("nan"), float("inf"), "1", True, None)
        ),
    ],
)
def test_invalid_layers_are_named(layers, field, expected):
    with pytest.raises(
        ValueError, match=f"field {field} .*{expected}.*Received"
    ):
        LatencyTable(layers)


@pytest.mark.parametrize("field", sorted(FACTS))
@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (["a"], "a dictionary"),
        ({1: "a"}, "string names"),
        ({"a": []}, "a finite number, string"),
        ({"a": float("nan")}, "a finite number, string"),
    ],
)
def test_invalid_facts_are_named(field, facts, message):
    with pytest.raises(ValueError, match=f"field {field}.*{message}"):
        LatencyTable(LAYERS, **{field: facts})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "keras_nas.Architecture"}, "field format"),
        ({"version": 2}, "field version .*newer"),
        ({"more": 0}, "the fields"),
        ({"layers": [1]}, "field layers"),
        ({"device": "phone"}, "field device"),
    ],
)
def test_files_that_do_not_fit_are_refused(change, message, tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({**table().as_dict(), **change}))
    with pytest.raises(ValueError, match=message):
        LatencyTable.load(path)


def test_a_missing_field_is_refused():
    data = table().as_dict()
    del data["layers"]
    with pytest.raises(ValueError, match="the fields"):
        LatencyTable.from_dict(data)


@pytest.mark.parametrize("text", ["", "no JSON", "[1, 2]", '{"a": NaN}'])
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="latency table. Expected"):
        LatencyTable.load(path)
    with pytest.raises(FileNotFoundError):
        LatencyTable.load(tmp_path / "none.json")


def test_merged_tables_know_the_layers_of_both():
    more = {
        "conv": {"macs": 4000, "microseconds": 9.0},
        "last": {"macs": 2, "microseconds": 1.0},
    }
    merged = table().merge(LatencyTable(more, **FACTS))
    assert merged == LatencyTable({**LAYERS, "last": more["last"]}, **FACTS)


@pytest.mark.parametrize("field", sorted(FACTS))
def test_tables_of_another_measurement_are_not_merged(field):
    other = LatencyTable(LAYERS, **{**FACTS, field: {"a": 1}})
    with pytest.raises(ValueError, match=f"`other`.*{field}.*same way"):
        table().merge(other)
    with pytest.raises(ValueError, match="argument `other`"):
        table().merge(LAYERS)


def test_names_are_public():
    assert keras_nas.LatencyTable is keras_nas.costs.LatencyTable
