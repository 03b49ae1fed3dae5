import matplotlib.image
import numpy as np
import pytest

from keras_nas import report as reports
from keras_nas.report import AtomBlock
from keras_nas.report import NetworkRow
from keras_nas.report import ParetoSeries
from keras_nas.report import plot_atoms
from keras_nas.report import plot_comparison
from keras_nas.report import plot_families
from keras_nas.report import plot_kept_channels
from keras_nas.report import plot_pareto
from keras_nas.report import plot_search
from keras_nas.slicing import SliceReport

KEPT = SliceReport([("conv", "Conv2D", 12, 16), ("dense", "Dense", 0, 8)])
ATOMS = [AtomBlock("block", {3: 4, 7: 12}, {3: 16, 5: 16, 7: 32})]
PARETO = [ParetoSeries("selected", [2e8, 4e8], [0.76, 0.78], is_line=True)]
FAMILIES = {
    "net": [
        ParetoSeries("narrowed", [4e6, 2e6], [0.80, 0.70]),
        ParetoSeries("FiGS", [4e6, 1.9e6], [0.79, 0.75]),
    ],
    "space": [ParetoSeries("narrowed", [3e6, 2.5e6], [0.78, 0.72])],
}
ROWS = [
    NetworkRow("full", 4_000_000, 100, 0.81),
    NetworkRow("FiGS", 1_600_000, 40, 0.80),
    NetworkRow("width multiplier", 1_600_000, 40, 0.80),
    NetworkRow("unknown", 2_000_000, 50, None),
]
HISTORY = {
    "expected_cost": [0.9, 0.6, 0.4],
    "decided_cost": [1.0, 0.7, 0.4],
    "channels_alive": [1.0, 0.8, 0.6],
    "accuracy": [0.3, 0.5, 0.6],
    "val_accuracy": [0.25, None, float("nan")],
    "strength": [0.0, 2.0, 1.5],
    "loss": [3.0, 2.0, 1.0],
}


@pytest.mark.parametrize(
    "plot, content",
    [
        (plot_atoms, ATOMS),
        (plot_kept_channels, KEPT),
        (plot_comparison, ROWS),
        (plot_families, FAMILIES),
        (plot_pareto, PARETO),
        (plot_search, HISTORY),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_are_written_whole(plot, content, suffix, tmp_path):
    path = tmp_path / f"picture.{suffix}"
    assert plot(content, str(path)) == path
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_size > 1000
    if suffix == "png":
        assert np.ptp(matplotlib.image.imread(path)[..., :3]) > 0.5
    with pytest.raises(ValueError, match="argument `path`"):
        plot(content, tmp_path / "picture.txt")


def test_pyplot_knows_nothing_of_them(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums(), str(matplotlib.rcParams)
    plot_search(HISTORY, tmp_path / "search.png")
    assert (pyplot.get_fignums(), str(matplotlib.rcParams)) == before


def test_kept_bars_have_the_lengths_of_the_layers(drawn, tmp_path):
    plot_kept_channels(KEPT, tmp_path / "kept.png")
    (axes,) = drawn[0].axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [16, 8, 12, 0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["conv", "dense"]
    top, bottom = axes.patches[0].get_y(), axes.patches[1].get_y()
    to_pixels = axes.transData.transform
    assert to_pixels((0, top))[1] > to_pixels((0, bottom))[1]


def test_sixty_layers_with_long_names_stay_readable(drawn, tmp_path):
    name = "stage/of/a/nested/model/block{:02d}_depthwise_convolution"
    layers = [(name.format(i), "Conv2D", i, 64) for i in range(60)]
    plot_kept_channels(SliceReport(layers), tmp_path / "kept.png")
    (axes,) = drawn[0].axes
    renderer = drawn[0].canvas.get_renderer()
    boxes = [
        label.get_window_extent(renderer) for label in axes.get_yticklabels()
    ]
    for above, below in zip(boxes, boxes[1:], strict=False):
        assert below.y1 <= above.y0
    assert min(box.x0 for box in boxes) >= 0


def test_comparison_labels_lie_apart(drawn, text_boxes, tmp_path):
    plot_comparison(ROWS, tmp_path / "comparison.png")
    (axes,) = drawn[0].axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["full", "FiGS", "width multiplier"]
    boxes = text_boxes(axes)
    frame = axes.get_window_extent()
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1
    assert axes.get_xlim()[0] == 0


def test_comparison_of_distant_costs_is_logarithmic(drawn, tmp_path):
    rows = [NetworkRow("a", 10**9, 1, 0.7), NetworkRow("b", 10**6, 1, 0.5)]
    plot_comparison(rows, tmp_path / "comparison.png")
    assert drawn[0].axes[0].get_xscale() == "log"


def test_noise_does_not_fill_the_picture(drawn, tmp_path):
    rows = [NetworkRow("a", 10, 1, 0.7), NetworkRow("b", 9, 1, 0.701)]
    plot_comparison(rows, tmp_path / "comparison.png")
    low, high = drawn[0].axes[0].get_ylim()
    assert high - low > 0.02


def test_families_have_panels_and_one_front(drawn, tmp_path):
    plot_families(FAMILIES, tmp_path / "families.png")
    net, space = drawn[0].axes
    assert [axes.get_title() for axes in (net, space)] == list(FAMILIES)
    front = [(1.9e6, 0.75), (3e6, 0.78), (4e6, 0.80)]
    for axes in (net, space):
        assert list(zip(*axes.lines[0].get_data(), strict=True)) == front
    assert net.get_xlim() == space.get_xlim()
    assert net.get_ylim() == space.get_ylim()
    narrowed, figs = net.lines[1:]
    assert narrowed.get_markerfacecolor() == "white"
    assert figs.get_label() == "FiGS" and list(figs.get_ydata()) == [0.79, 0.75]


@pytest.mark.parametrize("families", [{}, {"net": []}])
def test_families_without_networks(families, tmp_path):
    with pytest.raises(ValueError, match="argument `families`"):
        plot_families(families, tmp_path / "families.png")


def test_search_draws_what_is_there(drawn, tmp_path):
    plot_search(HISTORY, tmp_path / "search.png", target=0.4)
    left, below, right = drawn[0].axes
    assert [line.get_label() for line in left.lines] == [
        "expected cost",
        "decided cost",
        "channels alive",
        "target 40.0%",
    ]
    assert [line.get_label() for line in right.lines] == [
        "accuracy",
        "validation accuracy",
    ]
    np.testing.assert_equal(below.lines[0].get_ydata(), HISTORY["strength"])
    np.testing.assert_equal(left.lines[0].get_xdata(), [1, 2, 3])
    plot_search({"decided_cost": [1.0]}, tmp_path / "search.png")
    assert [len(axes.lines) for axes in drawn[1].axes] == [1]


def test_accuracies_without_costs_have_the_left_axis(drawn, tmp_path):
    history = {"val_accuracy": [0.5], "val_smallest_accuracy": [0.4]}
    plot_search(history, tmp_path / "search.png")
    (axes,) = drawn[0].axes
    assert axes.get_ylabel() == "accuracy"
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.5], [0.4]]


def test_the_area_below_the_trained_cost_is_that_of_the_search(drawn, tmp_path):
    history = {"trained_cost": [1.0, 0.5, 0.5, 0.2], "atoms_alive": [0.5] * 4}
    plot_search(history, tmp_path / "search.png")
    (axes,) = drawn[0].axes
    area, line = (patch.get_data() for patch in axes.patches)
    np.testing.assert_equal(area.edges, [0, 1, 2, 3, 4])
    np.testing.assert_equal(area.values, history["trained_cost"])
    assert area.baseline == 0 and line.baseline is None
    np.testing.assert_equal(line.values, history["trained_cost"])
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert sorted(texts) == ["atomic blocks alive", "trained cost (mean 55%)"]
    np.testing.assert_equal(axes.lines[0].get_ydata(), history["atoms_alive"])


@pytest.mark.parametrize(
    "values, label",
    [
        ([1.0, None, float("nan"), 0.5], "trained cost (mean 75%)"),
        ([None, None, None, None], "trained cost"),
    ],
)
def test_unknown_trained_costs_leave_gaps(values, label, drawn, tmp_path):
    history = {"trained_cost": values, "strength": [1.0] * 8}
    plot_search(history, tmp_path / "search.png")
    area, line = drawn[0].axes[0].patches
    assert line.get_label() == label
    np.testing.assert_equal(area.get_data().edges, [0, 2, 4, 6, 8])
    np.testing.assert_equal(
        area.get_data().values, np.array(values, dtype=float)
    )


def test_values_of_every_fifth_epoch_stand_there(drawn, tmp_path):
    history = {"expected_cost": [0.5] * 10, "val_accuracy": [0.1, 0.2]}
    plot_search(history, tmp_path / "search.png")
    right = drawn[0].axes[1]
    np.testing.assert_equal(right.lines[0].get_xdata(), [5, 10])


@pytest.mark.parametrize("history", [{}, {"loss": [1.0]}, {"accuracy": []}])
def test_a_search_without_values_is_refused(history, tmp_path):
    with pytest.raises(ValueError, match="argument `history`"):
        plot_search(history, tmp_path / "search.png")


@pytest.mark.parametrize("target", [0.0, 1.5, 12e6])
def test_a_target_that_is_no_share_is_refused(target, tmp_path):
    with pytest.raises(ValueError, match="argument `target`"):
        plot_search(HISTORY, tmp_path / "search.png", target)


def test_empty_reports_and_comparisons_are_refused(tmp_path):
    with pytest.raises(ValueError, match="argument `report`"):
        plot_kept_channels(SliceReport(), tmp_path / "kept.png")
    with pytest.raises(ValueError, match="argument `blocks`"):
        plot_atoms([], tmp_path / "atoms.png")
    with pytest.raises(ValueError, match="argument `rows`"):
        plot_comparison(ROWS[3:], tmp_path / "comparison.png")


def test_every_name_of_the_package_is_there():
    for name in reports.__all__:
        assert callable(getattr(reports, name))
