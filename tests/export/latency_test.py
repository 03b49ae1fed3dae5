"""Measuring layers one by one. No times are asserted."""

import types

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import BlockChoice
from keras_nas import ExpectedLatency
from keras_nas import LatencyTable
from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import measure_latency
from keras_nas.export import count_litert_ops
from keras_nas.export import latency
from tests.export.conftest import build_mbconv


@pytest.fixture
def files(monkeypatch):
    """Counts the files that are timed, the first of which takes 1 ms."""
    seen = []

    def benchmark(path, **kwargs):
        seen.append((count_litert_ops(path), kwargs))
        return types.SimpleNamespace(median_ms=float(len(seen)))

    monkeypatch.setattr(latency, "benchmark_litert", benchmark)
    return seen


def macs_of(model):
    rows = {}
    for row in count_cost(model).layers:
        if row.macs:
            rows[row.name] = rows.get(row.name, 0) + row.macs
    return rows


def macs_in(table):
    return {name: entry["macs"] for name, entry in table.layers.items()}


def times_in(table):
    return {n: entry["microseconds"] for n, entry in table.layers.items()}


def test_every_costly_layer_has_a_time(mbconv, tmp_path):
    table = measure_latency(mbconv, num_runs=5, num_warmup_runs=1)
    assert macs_in(table) == macs_of(mbconv)
    assert len(table.layers) == 7
    assert all(time > 0 for time in times_in(table).values())
    assert table.settings == {
        "num_threads": 1,
        "num_runs": 5,
        "num_warmup_runs": 1,
        "method": "interpreter",
    }
    assert table.device["processor"] and table.versions["ai-edge-litert"]
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json") == table


def test_the_table_fits_the_model_with_masks(files):
    model = build_mbconv()
    table = measure_latency(model)
    masked = insert_masks(model)
    assert measure_latency(masked).layers.keys() == table.layers.keys()
    full = ExpectedLatency(1.0, table).full(masked)
    assert full == pytest.approx(table.microseconds, rel=1e-12)


def test_equal_layers_are_measured_once(files):
    def conv(name, kernel=3, **kwargs):
        return layers.Conv2D(4, kernel, padding="same", name=name, **kwargs)

    inputs = keras.Input((8, 8, 4))
    x = conv("a")(inputs)
    x = conv("b")(x)  # As a.
    x = conv("c", activation="relu")(x)  # More to do.
    x = layers.MaxPooling2D()(x)
    x = conv("d")(x)  # On smaller maps.
    x = conv("e", kernel=1)(x)
    x = layers.Conv2DTranspose(4, 1, name="f")(x)  # Another type.
    model = keras.Model(inputs, conv("g")(x))  # As d.
    table = measure_latency(model, num_threads=2, num_runs=7)
    times = {"a": 1, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 3}
    assert times_in(table) == {n: 1000.0 * t for n, t in times.items()}
    assert macs_in(table) == macs_of(model)
    assert len(files) == 5
    for ops, kwargs in files:
        assert len(ops) == 1
        assert (kwargs["num_threads"], kwargs["num_runs"]) == (2, 7)


def test_a_layer_that_is_called_twice_has_the_sum(files):
    inputs = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="c")
    x = shared(layers.MaxPooling2D()(shared(shared(inputs))))
    table = measure_latency(keras.Model(inputs, x))
    # Two calls on large maps, timed once, and one on small ones.
    assert table.layers == {
        "c": {"macs": (2 * 64 + 16) * 81, "microseconds": 1000.0 * 4}
    }
    assert len(files) == 2


def test_layers_in_nested_models_and_candidates(files):
    inside = keras.Input((8, 8, 2))
    nested = keras.Model(inside, layers.Conv2D(2, 1, name="in")(inside))
    inputs = keras.Input((8, 8, 2))
    x = nested(inputs)
    candidates = [
        layers.SeparableConv2D(2, 3, padding="same", name="a")(x),
        layers.DepthwiseConv2D(5, padding="same", name="b")(x),
    ]
    x = layers.GlobalAveragePooling2D()(BlockChoice(["a", "b"])(candidates))
    model = keras.Model(inputs, layers.Dense(3, name="d")(x))
    table = measure_latency(model)
    assert list(table.layers) == ["in", "a", "b", "d"]
    assert macs_in(table) == macs_of(model)
    assert len(files) == 4


def test_layers_of_several_inputs(files):
    query, value = keras.Input((5, 8)), keras.Input((7, 8))
    x = layers.MultiHeadAttention(2, 4, name="cross")(query, value)
    model = keras.Model(
        [query, value],
        layers.MultiHeadAttention(2, 4, name="self")(x, x, x),
    )
    table = measure_latency(model)
    assert macs_in(table) == macs_of(model)
    assert times_in(table) == {"cross": 1000.0, "self": 2000.0}


def test_layers_in_mixed_precision_are_timed_in_float32(files):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, dtype="mixed_bfloat16", name="a")(inputs)
    x = layers.Conv2D(4, 3, dtype="mixed_bfloat16", name="b")(x)
    table = measure_latency(keras.Model(inputs, x))
    assert list(table.layers) == ["a", "b"]
    assert [set(ops) for ops, _ in files] == [{"CONV_2D"}] * 2


def test_the_model_is_left_alone(files):
    model = build_mbconv()
    before = model.get_weights()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    measure_latency(model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes


def test_nothing_to_measure(files):
    model = keras.Sequential([keras.Input((4,)), layers.ReLU()])
    assert measure_latency(model).layers == {} and not files


@keras.saving.register_keras_serializable(package="latency_test")
def odd(inputs):
    """An activation that LiteRT does not have."""
    return keras.ops.erfinv(inputs)


def test_a_layer_that_litert_cannot_express_is_named(files):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="plain"),
            layers.Dense(4, activation=odd, name="odd"),
        ]
    )
    with pytest.raises(ValueError, match="'odd' with Erfinv"):
        measure_latency(model)
    assert len(files) == 1


def test_models_that_cannot_be_measured(files):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3, name="conv")(inputs))
    with pytest.raises(ValueError, match="'conv'.*fixed input size"):
        measure_latency(model)
    with pytest.raises(ValueError, match="argument `model`"):
        measure_latency("model.keras")
    with pytest.raises(ValueError, match="argument `model`.*built"):
        measure_latency(keras.Sequential([layers.Dense(2)]))
    assert not files


@pytest.mark.parametrize("name", ["num_threads", "num_runs"])
def test_wrong_arguments_are_refused(name):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=f"argument `{name}`"):
        measure_latency(model, **{name: 0})


def test_another_backend_is_refused(monkeypatch):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="`measure_latency` needs the Tens"):
        measure_latency(model)
