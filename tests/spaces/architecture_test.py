"""Architecture: plain data in and out, and nothing else in."""

import json

import pytest

from keras_nas import Architecture

DECISIONS = {
    "conv_mask": [0, 2, 5],
    "closed": [],
    "stage1/kernel_size": 5,
    "stage1/expansion": 0.75,
    "stage1/activation": "relu",
    "stage1/skip": False,
}


def test_json_and_back():
    architecture = Architecture("net", DECISIONS)
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    kinds = [type(value) for value in again.decisions.values()]
    assert kinds == [type(value) for value in DECISIONS.values()]


def test_file_and_back(tmp_path):
    path = tmp_path / "architecture.json"
    Architecture("old", {}).save(path)
    Architecture("net", DECISIONS).save(path)
    assert Architecture.load(path) == Architecture("net", DECISIONS)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_text_is_json_that_says_what_it_is():
    data = json.loads(Architecture("net", {"a": [1]}).to_json())
    assert data == {
        "format": "keras_nas.Architecture",
        "version": 1,
        "name": "net",
        "decisions": {"a": [1]},
    }


@pytest.mark.parametrize(
    "name, decisions, field",
    [
        (3, {}, "name"),
        ("net", [], "decisions"),
        ("net", {3: 1}, "decisions"),
        ("net", {"a": None}, "decisions\\['a'\\]"),
        ("net", {"a": {"b": 1}}, "decisions\\['a'\\]"),
        ("net", {"a": [[1]]}, "decisions\\['a'\\]"),
        ("net", {"a": object()}, "decisions\\['a'\\]"),
        ("net", {"a": print}, "decisions\\['a'\\]"),
    ],
)
def test_fields_of_the_wrong_type_are_named(name, decisions, field):
    with pytest.raises(ValueError, match=f"field {field}"):
        Architecture(name, decisions)


def changed(**changes):
    data = json.loads(Architecture("net", DECISIONS).to_json())
    data.update(changes)
    return json.dumps({k: v for k, v in data.items() if v != "missing"})


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "Expected JSON"),
        ("{", "Expected JSON"),
        (None, "Expected JSON"),
        (b"\xff", "Expected JSON"),
        ("[]", "top level"),
        ('"net"', "top level"),
        (changed(format="other"), "format"),
        (changed(format="missing"), "format"),
        (changed(version=2), "newer keras_nas"),
        (changed(name="missing"), "the fields"),
        (changed(code="import os"), "the fields"),
        (changed(name=1), "name"),
        (changed(decisions=None), "decisions"),
        (changed(decisions={"a": {"__class__": "os.system"}}), "decisions"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Architecture.from_json(text)


def test_numbers_that_are_none_are_refused():
    text = Architecture("net", {"a": 1.5}).to_json()
    for number in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(ValueError):
            Architecture.from_json(text.replace("1.5", number))
    with pytest.raises(ValueError):
        Architecture("net", {"a": float("nan")})


def test_architecture_does_not_change():
    architecture = Architecture("net", {"a": [1]})
    with pytest.raises(AttributeError):
        architecture.name = "other"
