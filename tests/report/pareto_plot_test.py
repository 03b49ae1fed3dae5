"""The picture of a selection, and the series that it draws."""

import numpy as np
import pytest

from keras_nas.report import ParetoSeries
from keras_nas.report import plot_pareto

COARSE = ParetoSeries("coarse", [300e6, 200e6, 900e6], [0.75, 0.7, 0.79])
FINE = ParetoSeries("fine", np.array([210e6, 240e6]), np.array([0.75, 0.76]))
FAMILY = ParetoSeries(
    "selected", [400_000_000, 240_000_000], [0.78, 0.76], is_line=True
)
SCRATCH = ParetoSeries("from scratch", [240e6, 400e6], [0.75, 0.77], True)
SERIES = [COARSE, FINE, FAMILY, SCRATCH]


def test_candidates_are_dots_and_families_lines(drawn, tmp_path):
    plot_pareto(SERIES, tmp_path / "pareto.png", [250e6, 420e6])
    (axes,) = drawn[0].axes
    lines = axes.lines[:4]
    assert [line.get_label() for line in lines] == [s.name for s in SERIES]
    kinds = [line.get_linestyle() for line in lines]
    assert kinds == ["None", "None", "-", "--"]
    sizes = [line.get_markersize() for line in lines]
    assert max(sizes[:2]) < min(sizes[2:])
    assert len({line.get_color() for line in lines}) == 4
    # By rising cost, each accuracy with its cost.
    np.testing.assert_equal(lines[0].get_xdata(), [200e6, 300e6, 900e6])
    np.testing.assert_equal(lines[0].get_ydata(), [0.7, 0.75, 0.79])
    np.testing.assert_equal(lines[2].get_xdata(), [240e6, 400e6])
    np.testing.assert_equal(lines[2].get_ydata(), [0.76, 0.78])
    # Lines lie above dots, dots above budgets.
    orders = [line.get_zorder() for line in axes.lines]
    assert orders == [3, 3, 4, 4, 2, 2]


def test_budgets_are_dashed_and_named_once(drawn, tmp_path):
    plot_pareto(SERIES, tmp_path / "pareto.png", budgets=(420e6, 1.1e9))
    (axes,) = drawn[0].axes
    budgets = axes.lines[4:]
    assert [line.get_xdata()[0] for line in budgets] == [420e6, 1.1e9]
    assert all(line.is_dashed() for line in budgets)
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert sorted(texts) == sorted([*(s.name for s in SERIES), "budget"])
    assert [text.get_text() for text in axes.texts] == ["420 M", "1.1 G"]
    low, high = axes.get_xlim()
    assert low < 200e6 and high > 1.1e9  # Also those beside the data.
    plot_pareto(SERIES, tmp_path / "pareto.png")
    texts = [text.get_text() for text in drawn[1].legends[0].get_texts()]
    assert "budget" not in texts and not drawn[1].axes[0].texts


@pytest.mark.parametrize(
    "budgets", [[250e6, 420e6, 600e6, 800e6], [240e6, 270e6, 300e6]]
)
def test_numbers_of_budgets_lie_apart(budgets, drawn, text_boxes, tmp_path):
    plot_pareto(SERIES, tmp_path / "pareto.png", budgets)
    (axes,) = drawn[0].axes
    boxes = text_boxes(axes)
    top = axes.get_window_extent().y1
    legend = drawn[0].legends[0].get_window_extent()
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
        assert box.y0 >= top and box.y1 <= legend.y0


def test_costs_have_their_unit(drawn, tmp_path):
    series = [ParetoSeries("fine", [0.05, 0.08], [0.7, 0.8])]
    plot_pareto(series, tmp_path / "pareto.png", [0.06], "milliseconds")
    plot_pareto([FAMILY], tmp_path / "pareto.png")
    milliseconds, macs = (figure.axes[0] for figure in drawn)
    assert milliseconds.get_xlabel() == "milliseconds"
    assert milliseconds.texts[0].get_text() == "0.06"
    assert macs.get_xlabel() == "multiply-adds of one sample"
    assert macs.xaxis.get_major_formatter()(240e6) == "240 M"


def test_distant_costs_are_logarithmic(drawn, tmp_path):
    series = [ParetoSeries("fine", [1e6, 1e8], [0.5, 0.8])]
    plot_pareto(series, tmp_path / "pareto.png", [1e7])
    plot_pareto(SERIES, tmp_path / "pareto.png")
    scales = [figure.axes[0].get_xscale() for figure in drawn]
    assert scales == ["log", "linear"]


def test_one_network_has_a_picture(drawn, tmp_path):
    for cost in (0, 5):
        series = [ParetoSeries("one", [cost], [0.5])]
        plot_pareto(series, tmp_path / "pareto.png")
        low, high = drawn[-1].axes[0].get_ylim()
        assert low < 0.5 < high and high - low > 0.02


def test_more_series_than_colors(drawn, tmp_path):
    series = [
        ParetoSeries(f"{i}", [i], [0.5], is_line=bool(i % 2)) for i in range(12)
    ]
    plot_pareto(series, tmp_path / "pareto.png")
    assert len(drawn[0].axes[0].lines) == 12


def test_series_are_data():
    assert FINE == ParetoSeries("fine", [210e6, 240e6], [0.75, 0.76])
    assert FINE.costs == (210e6, 240e6) and not FINE.is_line
    assert COARSE.points()[0] == (200e6, 0.7)


@pytest.mark.parametrize(
    "costs, accuracies, argument",
    [
        ([], [], "costs"),
        ([-1], [0.5], "costs"),
        ([float("inf")], [0.5], "costs"),
        (["3"], [0.5], "costs"),
        ([3], [1.5], "accuracies"),
        ([3], [None], "accuracies"),
        ([3], [float("nan")], "accuracies"),
        ([3], [], "accuracies"),
        ([3, 4], [0.5], "accuracies"),
    ],
)
def test_other_numbers_are_refused(costs, accuracies, argument):
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        ParetoSeries("wrong", costs, accuracies)


@pytest.mark.parametrize("series", [[], [None], [([1], [0.5])]])
def test_other_series_are_refused(series, tmp_path):
    with pytest.raises(ValueError, match="argument `series`"):
        plot_pareto(series, tmp_path / "pareto.png")


@pytest.mark.parametrize("budget", [0, -1.0, float("nan"), "240M", None])
def test_other_budgets_are_refused(budget, tmp_path):
    with pytest.raises(ValueError, match="argument `budgets`"):
        plot_pareto(SERIES, tmp_path / "pareto.png", [budget])
