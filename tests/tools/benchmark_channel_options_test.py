"""The networks of the benchmark of channel options, and what it writes."""

import importlib.util
import json

import keras
import numpy as np
import pytest

import keras_nas
from tests.common import COST_PARTS
from tests.common import FAST_COMPILATION
from tests.common import masks_of
from tests.common import randomize
from tests.common import two_convolutions
from tools import benchmark_channel_options as benchmark

_PNG = b"\x89PNG"
_ONE_OPTION = pytest.mark.filterwarnings("ignore:You are using a softmax")


def build(method, options, blocks=1):
    """Returns a supernet of 4 channels with random weights."""
    model = benchmark.build_supernet(method, options, blocks, 4, 6)
    return randomize(model)


def train_block(model, widths):
    """Returns outputs of the options, their sum, and the weights drawn."""
    padded_sum = model.get_layer("block0_sum")
    padded_sum.draws.logits.assign(np.linspace(-2.0, 2.0, len(widths)))
    padded_sum.draws.temperature.assign(1.0)
    outputs = [model.get_layer(f"block0_{k}_norm").output for k in widths]
    inner = keras.Model(model.inputs[0], [*outputs, padded_sum.output])
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    *maps, total = (np.array(y) for y in inner(x, training=True))
    return maps, total, np.array(padded_sum.draws.weights_of_options())


def test_conventional_block_is_the_sum_of_padded_outputs():
    model = build("conventional", 4)
    maps, total, weights = train_block(model, [1, 2, 3, 4])
    assert [y.shape[-1] for y in maps] == [1, 2, 3, 4]
    expected = np.zeros_like(total)
    for weight, y in zip(weights, maps, strict=True):
        expected[..., : y.shape[-1]] += weight * y
    np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-6)
    assert (weights > 0).all()
    _, _, others = train_block(model, [1, 2, 3, 4])
    assert (others != weights).all()


def test_shared_weights_make_a_mask_of_the_conventional_block():
    model = build("conventional", 2)
    for part in ("conv", "norm"):
        wide = model.get_layer(f"block0_4_{part}").get_weights()
        narrow = [value[..., :2] for value in wide]
        model.get_layer(f"block0_2_{part}").set_weights(narrow)
    maps, total, weights = train_block(model, [2, 4])
    mask = weights @ np.array([[1, 1, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_allclose(total, maps[1] * mask, rtol=1e-4, atol=1e-6)


@_ONE_OPTION
def test_one_masked_option_costs_what_the_plain_network_costs():
    plain = two_convolutions(6, 4, benchmark.CLASSES)
    expected = keras_nas.count_cost(plain)
    for options in (1, 4):
        masked = build("masked", options, blocks=2)
        cost = keras_nas.count_cost(masked)
        for part in COST_PARTS:
            assert getattr(cost, part) == getattr(expected, part)
        logits = sum(mask.logits.shape[0] for mask in masks_of(masked))
        trained = sum(np.prod(v.shape) for v in masked.trainable_variables)
        before = sum(np.prod(v.shape) for v in plain.trainable_variables)
        assert trained == before + logits == before + 2 * options
    conventional = build("conventional", 1, blocks=2)
    assert conventional.count_params() == build("masked", 1, 2).count_params()


@_ONE_OPTION
@pytest.mark.parametrize("options", [1, 2, 4])
def test_both_choose_among_the_same_numbers(options):
    padded_sum = build("conventional", options).get_layer("block0_sum")
    (mask,) = masks_of(build("masked", options))
    assert padded_sum.draws.options == mask.options
    assert len(mask.options) == options


def test_masked_memory_is_flat_and_conventional_memory_grows(
    tmp_path, capfd, monkeypatch
):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("not installed: pip install 'keras_nas[jax]'")
    # What LLVM makes of a plan does not change its memory, but takes long.
    monkeypatch.setenv("XLA_FLAGS", FAST_COMPILATION)
    path, picture = tmp_path / "made" / "rows.json", tmp_path / "rows.png"
    arguments = "--options 1 2 --blocks 2 --channels 8 --image_size 16"
    benchmark.main(
        [
            *arguments.split(),
            *"--batch_size 8 --turns 2".split(),
            *("--json", str(path), "--png", str(picture)),
        ]
    )
    assert capfd.readouterr().out.count("within 1%") == 2
    results = json.loads(path.read_text())
    ratios = {
        (row["method"], row["options"]): row["temporaries_ratio"]
        for row in results["rows"]
    }
    assert ratios["masked", 2] == pytest.approx(1.0, abs=0.01)
    assert ratios["conventional", 2] > 1.3
    first = {row["peak"] for row in results["rows"] if row["options"] == 1}
    assert len(first) == 1  # Without a choice they are the same network.
    assert results["arguments"]["channels"] == 8
    assert results["versions"]["jax"]
    assert picture.read_bytes().startswith(_PNG)


@pytest.fixture
def rows(monkeypatch):
    """Makes the measured rows those that a test puts into the list."""
    rows = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(benchmark, "measure", lambda flags: rows)
    facts = keras_nas.report.environment()
    facts["machine"]["device"] = "cpu"
    monkeypatch.setattr(benchmark, "_facts", lambda: facts)
    return rows


def make_row(method, options, ratio):
    keys = ("params", "temporaries", "peak", "seconds")
    ratios = ("temporaries_ratio", "peak_ratio", "seconds_ratio")
    return {
        "method": method,
        "options": options,
        **dict.fromkeys(keys, 10**6),
        **dict.fromkeys(ratios, ratio),
    }


@pytest.mark.parametrize("ratio", [0.98, 1.02])
def test_memory_that_is_not_flat_fails(rows, ratio, tmp_path, capsys):
    rows += [make_row("masked", 1, 1.0), make_row("masked", 2, ratio)]
    rows += [make_row("conventional", 1, 1.0)]
    path = tmp_path / "rows.json"
    with pytest.raises(SystemExit, match="is not constant"):
        benchmark.main(["--json", str(path), "--max_conventional_options", "8"])
    out = capsys.readouterr().out
    assert out.count("ABOVE 1%") == 2
    assert "Left out: conventional networks with [16, 32] options" in out
    assert json.loads(path.read_text())["rows"] == rows


def test_flat_memory_passes(rows, tmp_path):
    for method in ("masked", "conventional"):
        rows += [make_row(method, k, 1.001) for k in (1, 2)]
    benchmark.main(["--png", str(tmp_path / "rows.png")])
    assert (tmp_path / "rows.png").read_bytes().startswith(_PNG)


def test_missing_jax_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install -e '\.\[jax\]'"):
        benchmark.main([])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--options", "1", "3"], "--channels must be a multiple of each"),
        (["--options", "4", "4"], "two different numbers"),
        (["--options", "0", "4"], "--channels must be a multiple of each"),
        (["--max_conventional_options", "0"], "leaves none"),
        (["--turns", "1"], "at least 2"),
        (["--blocks", "0"], "--blocks must be at least 1"),
        (["--png", "rows.jpg"], "ends in .png"),
    ],
)
def test_wrong_flags_are_told(arguments, message, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(arguments)
    assert message in capsys.readouterr().err
