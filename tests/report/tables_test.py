import numpy as np
import pytest

from keras_nas.report import AtomBlock
from keras_nas.report import NetworkRow
from keras_nas.report import atoms_table
from keras_nas.report import comparison_table
from keras_nas.report import kept_table
from keras_nas.slicing import SliceReport

ROWS = [
    NetworkRow("full", 12_345_678, 104_250, 0.8124, 425_300, 0.213),
    NetworkRow("FiGS", 4_938_271, 31_275, 0.7996, 135_040, 12.34),
    NetworkRow("width multiplier", 4_900_000, 31_000, None, None, None),
]


def cells_of(table):
    """Returns the cells of a markdown table without their padding."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in table.splitlines()
    ]


def test_comparison_shows_every_figure():
    header, rule, *lines = cells_of(comparison_table(ROWS))
    assert header == [
        "network",
        "MACs",
        "params",
        "test accuracy",
        ".tflite",
        "latency",
    ]
    assert [cell[-1] for cell in rule] == ["-", ":", ":", ":", ":", ":"]
    assert lines == [
        [
            "full",
            "12,345,678 (1.00x)",
            "104,250 (1.00x)",
            "81.2%",
            "425.3 kB",
            "0.213 ms",
        ],
        [
            "FiGS",
            "4,938,271 (0.40x)",
            "31,275 (0.30x)",
            "80.0%",
            "135.0 kB",
            "12.3 ms",
        ],
        [
            "width multiplier",
            "4,900,000 (0.40x)",
            "31,000 (0.30x)",
            "-",
            "-",
            "-",
        ],
    ]


def test_columns_line_up_in_a_terminal():
    lines = comparison_table(ROWS).splitlines()
    bars = [[i for i, c in enumerate(line) if c == "|"] for line in lines]
    assert all(positions == bars[0] for positions in bars)


def test_further_columns_are_added_for_all_rows():
    rows = [
        NetworkRow("a", 10, 1, extra={"search": "2 min"}),
        NetworkRow("b", 10, 1, extra={"top-5": 0.98765, "search": "3 min"}),
    ]
    header, _, *lines = cells_of(comparison_table(rows))
    assert header[-2:] == ["search", "top-5"]
    assert [line[-2:] for line in lines] == [
        ["2 min", "-"],
        ["3 min", "0.9877"],
    ]


def test_names_do_not_break_the_table():
    table = comparison_table([NetworkRow("a|b\nc", 10, 1)])
    assert len(table.splitlines()) == 3
    assert r"| a\|b c  |" in table


def test_figures_of_numpy_and_a_reference_without_cost():
    row = NetworkRow("a", np.int64(0), np.int64(5), np.float32(0.5))
    assert cells_of(comparison_table([row]))[2][1:4] == [
        "0",
        "5 (1.00x)",
        "50.0%",
    ]


@pytest.mark.parametrize(
    "field, value",
    [
        ("test_accuracy", 81.2),
        ("test_accuracy", float("nan")),
        ("macs", None),
        ("macs", -1),
        ("params", "many"),
        ("tflite_bytes", -5),
        ("latency_ms", float("inf")),
    ],
)
def test_figures_that_cannot_be_are_refused(field, value):
    facts = {"name": "a", "macs": 1, "params": 1, field: value}
    with pytest.raises(ValueError, match=f"argument `{field}`.*Received"):
        NetworkRow(**facts)


@pytest.mark.parametrize("rows", [[], ["full"]])
def test_a_comparison_of_nothing_is_refused(rows):
    with pytest.raises(ValueError, match="argument `rows`"):
        comparison_table(rows)


def test_kept_shows_layers_in_order_and_what_is_gone():
    report = SliceReport(
        [("conv", "Conv2D", 12, 16), ("dense", "Dense", 1000, 2048)],
        removed=["conv_b", "relu_b"],
    )
    table, _, gone = kept_table(report).partition("\n\n")
    assert cells_of(table)[2:] == [
        ["conv", "Conv2D", "12", "16", "75%"],
        ["dense", "Dense", "1,000", "2,048", "49%"],
    ]
    assert gone == "Gone altogether: `conv_b`, `relu_b`."


def test_kept_of_nothing_is_a_header():
    assert len(kept_table(SliceReport()).splitlines()) == 2


def test_atoms_are_added_up_by_block_and_by_kernel_size():
    blocks = [
        AtomBlock("a", {3: 5, 7: 1000}, {7: 2000, 3: 5}),
        AtomBlock("b", {5: 0}, {3: np.int64(4), 5: 6}),
    ]
    header, rule, *lines = cells_of(atoms_table(blocks))
    assert header == ["block", "3x3", "5x5", "7x7", "sum"]
    assert [cell[-1] for cell in rule] == ["-", ":", ":", ":", ":"]
    assert lines == [
        ["a", "5 of 5", "-", "1,000 of 2,000", "1,005 of 2,005"],
        ["b", "0 of 4", "0 of 6", "-", "0 of 10"],
        ["all", "5 of 9", "0 of 6", "1,000 of 2,000", "1,005 of 2,015"],
    ]
    assert len(atoms_table(blocks[:1]).splitlines()) == 3


@pytest.mark.parametrize("blocks", [[], [("a", {3: 1}, {3: 1})]])
def test_atoms_of_nothing_are_refused(blocks):
    with pytest.raises(ValueError, match="argument `blocks`.*Received"):
        atoms_table(blocks)


@pytest.mark.parametrize(
    "field, value",
    [
        ("total", {}),
        ("total", {3: 0}),
        ("total", [8]),
        ("total", {"3": 8}),
        ("total", {0: 8}),
        ("total", {True: 8}),
        ("kept", None),
        ("kept", {3: -1}),
        ("kept", {3: 0.5}),
        ("kept", {3: 9}),
        ("kept", {5: 1}),
    ],
)
def test_counts_that_cannot_be_are_refused(field, value):
    facts = {"name": "a", "kept": {3: 8}, "total": {3: 8}, field: value}
    with pytest.raises(ValueError, match=f"argument `{field}`.*Received"):
        AtomBlock(**facts)
