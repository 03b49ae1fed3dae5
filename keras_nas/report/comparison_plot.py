"""The picture of a comparison: accuracy against multiply-adds."""

import itertools
import math

from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter

from keras_nas.report import figure as figures

_LOG_FROM = 20.0  # Times the least multiply-adds.
# Directions in which a label may lie from its point, the best ones first.
_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1)]
_DIRECTIONS += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
_DISTANCES = (9, 16, 28, 42)


def plot_comparison(rows, path):
    """Draws the test accuracy of networks against their multiply-adds.

    Args:
        rows: Sequence of `NetworkRow`; those without accuracy are left out.
            The first of the others is drawn as the reference.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If no row has an accuracy, or the file is of another kind.

    Example:

    >>> import os, tempfile
    >>> from keras_nas.report import NetworkRow, plot_comparison
    >>> rows = [NetworkRow("full", 4000, 200, 0.81)]
    >>> path = os.path.join(tempfile.mkdtemp(), "comparison.png")
    >>> plot_comparison(rows, path).name
    'comparison.png'
    """
    shown = [row for row in rows if row.test_accuracy is not None]
    if not shown:
        raise ValueError(
            "Invalid value received for argument `rows`. Expected at least "
            f"one `NetworkRow` with an accuracy. Received: rows={rows!r}."
        )
    figure = figures.new_figure(7.0, 4.4)
    axes = figure.add_subplot()
    figures.clean(axes, grid="both")
    macs = [row.macs for row in shown]
    accuracies = [row.test_accuracy for row in shown]
    axes.plot(
        macs[1:],
        accuracies[1:],
        "o",
        color=figures.BLUE,
        markersize=8,
        markeredgecolor="white",
    )
    axes.plot(
        macs[0],
        accuracies[0],
        "D",
        color="white",
        markersize=7.5,
        markeredgecolor=figures.DARK,
        markeredgewidth=1.6,
    )
    _set_limits(axes, macs)
    figures.finish_accuracy(axes, accuracies, "test accuracy")
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.set_xlabel("multiply-adds of one sample", color=figures.DARK)
    _label(figure, axes, shown)
    return figures.write_figure(figure, path)


def _set_limits(axes, macs):
    least = min(macs)
    if least and max(macs) / least > _LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlim(least / 1.6, max(macs) * 1.6)
    else:
        axes.set_xlim(0, 1.18 * max(macs) or 1.0)


def _label(figure, axes, rows):
    """Writes each name beside its point, where it covers least."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # Labels shall not move the axes.
    renderer = figure.canvas.get_renderer()
    pixels = figure.dpi / 72
    points = [
        axes.transData.transform((row.macs, row.test_accuracy)) for row in rows
    ]
    taken = [
        (x - 5 * pixels, y - 5 * pixels, x + 5 * pixels, y + 5 * pixels)
        for x, y in points
    ]
    frame = axes.get_window_extent(renderer).extents
    for row, point in zip(rows, points, strict=True):
        text = axes.annotate(
            row.name,
            (row.macs, row.test_accuracy),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=9,
            color=figures.DARK,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
        size = text.get_window_extent(renderer)
        box, offset = _best_place(
            point, size.width, size.height, taken, frame, pixels
        )
        text.set_position(offset)
        taken.append(box)


def _best_place(point, width, height, taken, frame, pixels):
    """Returns the box of a label in pixels and its offset in points."""
    best = None
    for distance, (right, up) in itertools.product(_DISTANCES, _DIRECTIONS):
        length = distance * pixels / math.hypot(right, up)
        left = point[0] + right * length + (right - 1) / 2 * width
        low = point[1] + up * length + (up - 1) / 2 * height
        box = (left, low, left + width, low + height)
        covered = sum(_overlap(box, other) for other in taken)
        outside = width * height - _overlap(box, frame)
        loss = covered + outside
        if best is None or loss < best[0] - 1.0:
            offset = (left - point[0]) / pixels, (low - point[1]) / pixels
            best = loss, box, offset
    return best[1:]


def _overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)
