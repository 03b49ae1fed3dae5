"""The picture of a comparison: every run, family by family."""

import itertools

from matplotlib.ticker import EngFormatter
from matplotlib.ticker import MaxNLocator

from keras_nas.report import figure as figures
from keras_nas.report.pareto_series import ParetoSeries

_COLUMNS = 3
_MARKS = (
    (figures.BLUE, "o"),
    (figures.ORANGE, "s"),
    (figures.GREEN, "^"),
    (figures.PINK, "v"),
    ("#8A3B00", "P"),
)


def plot_families(families, path, reference="narrowed"):
    """Draws accuracy against multiply-adds, one panel for each family.

    Use it where methods search in spaces of their own: what can be compared
    directly stands in one panel, all panels have the same axes, and a gray
    line, the same in all of them, is the Pareto front of every run together.

    Args:
        families: Dictionary from the title of a family to a sequence of
            `ParetoSeries`, one for each method, with a point for each run.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.
        reference: String, the name of the series that others are compared
            with: its marks are hollow.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If there are no families or a family has no series, or the
            file is of another kind.

    Example:

    >>> import os, tempfile
    >>> from keras_nas.report import ParetoSeries, plot_families
    >>> families = {
    ...     "ResNet": [
    ...         ParetoSeries("FiGS", [2e8, 4e8], [0.76, 0.78]),
    ...         ParetoSeries("narrowed", [2e8, 4e8], [0.74, 0.77]),
    ...     ]
    ... }
    >>> path = os.path.join(tempfile.mkdtemp(), "comparison.png")
    >>> plot_families(families, path).name
    'comparison.png'
    """
    families = {title: list(series) for title, series in families.items()}
    every = [item for series in families.values() for item in series]
    if not every or not all(families.values()):
        raise ValueError(
            "Invalid value received for argument `families`. Expected at "
            "least one family, and a `ParetoSeries` in each. Received: "
            f"families={str(families)[:200]}"
        )
    columns = min(len(families), _COLUMNS)
    rows = -(-len(families) // columns)
    figure = figures.new_figure(3.0 * columns + 0.6, 2.7 * rows + 0.4)
    panels = figure.subplots(
        rows, columns, sharex=True, sharey=True, squeeze=False
    ).flatten()
    costs = [cost for item in every for cost in item.costs]
    accuracies = [value for item in every for value in item.accuracies]
    front = _front(ParetoSeries("all", costs, accuracies).points())
    for axes, (title, series) in zip(panels, families.items(), strict=False):
        figures.clean(axes, grid="both")
        axes.set_title(title, fontsize=9.5, color=figures.DARK)
        axes.step(
            *front, where="post", color=figures.GRAY, linewidth=1.2, zorder=2
        )
        _draw(axes, series, reference)
        axes.legend(fontsize=7.5, frameon=False, loc="best", handlelength=1.0)
    for axes in panels[len(families) :]:
        axes.remove()
    figures.finish_accuracy(panels[0], accuracies, "")
    panels[0].xaxis.set_major_formatter(EngFormatter(sep=" "))
    panels[0].xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel(
        "multiply-adds of one sample", fontsize=10, color=figures.DARK
    )
    figure.supylabel("test accuracy", fontsize=10, color=figures.DARK)
    return figures.write_figure(figure, path)


def _draw(axes, series, reference):
    marks = itertools.cycle(_MARKS)
    for item in series:
        color, marker = next(marks)
        face = color
        if item.name == reference:
            color, marker, face = figures.DARK, "D", "white"
        axes.plot(
            item.costs,
            item.accuracies,
            linestyle="none",
            marker=marker,
            markersize=6.0,
            markerfacecolor=face,
            markeredgecolor=color,
            label=item.name,
            zorder=4,
        )


def _front(points):
    """Returns the costs and accuracies of those that none is better than."""
    front, best = [], -1.0
    for cost, accuracy in sorted(points, key=lambda p: (p[0], -p[1])):
        if accuracy > best:
            front.append((cost, accuracy))
            best = accuracy
    return tuple(zip(*front, strict=True))
