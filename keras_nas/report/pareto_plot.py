"""The picture of a selection: accuracy against cost, of very many networks."""

import itertools
import math
import numbers

from matplotlib.ticker import EngFormatter
from matplotlib.ticker import FuncFormatter

from keras_nas.report import figure as figures
from keras_nas.report.pareto_series import ParetoSeries

MULTIPLY_ADDS = "multiply-adds of one sample"
_LOG_FROM = 20.0  # Times the least cost.
_DOTS = (figures.GRAY, "#56B4E9", figures.ORANGE, figures.GREEN)
_LINES = (
    (figures.BLUE, "o", "-"),
    (figures.PINK, "s", "--"),
    (figures.DARK, "D", ":"),
    ("#8A3B00", "^", "-."),
)
_APART = 0.08  # Of the width, between the numbers of two budgets.


def plot_pareto(series, path, budgets=(), cost_label=MULTIPLY_ADDS):
    """Draws the accuracy of networks against their cost, series by series.

    Use it for what a selection evaluated and what it selected: the candidates
    are small dots, the family that was selected a connected line, and so are
    the same networks trained from scratch. Dashed lines are the budgets.

    Args:
        series: Sequence of `ParetoSeries`; later ones lie above earlier ones,
            and lines above dots.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.
        budgets: Sequence of numbers above 0, budgets of the cost.
        cost_label: String, what the costs are, with their unit.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If there are no series, a budget is not above 0, or the
            file is of another kind.

    Example:

    >>> import os, tempfile
    >>> from keras_nas.report import ParetoSeries, plot_pareto
    >>> costs = [210e6, 240e6, 390e6, 405e6]
    >>> series = [
    ...     ParetoSeries("coarse", costs, [0.74, 0.76, 0.75, 0.78]),
    ...     ParetoSeries("selected", costs[1::2], [0.76, 0.78], is_line=True),
    ... ]
    >>> path = os.path.join(tempfile.mkdtemp(), "pareto.png")
    >>> plot_pareto(series, path, budgets=[250e6, 420e6]).name
    'pareto.png'
    """
    series, budgets = list(series), sorted(_read_budgets(budgets))
    if not series or not all(isinstance(x, ParetoSeries) for x in series):
        raise ValueError(
            "Invalid value received for argument `series`. Expected at least "
            f"one `ParetoSeries`. Received: series={str(series)[:200]}"
        )
    figure = figures.new_figure(7.0, 4.8)
    axes = figure.add_subplot()
    figures.clean(axes, grid="both")
    _draw(axes, series)
    costs = [cost for item in series for cost in item.costs]
    accuracies = [value for item in series for value in item.accuracies]
    _set_limits(axes, [*costs, *budgets])
    figures.finish_accuracy(axes, accuracies, "accuracy")
    formatter = _formatter([*costs, *budgets])
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel(cost_label, color=figures.DARK)
    _draw_budgets(axes, budgets, formatter)
    figure.legend(
        loc="outside upper center", ncols=3, frameon=False, fontsize=8.5
    )
    return figures.write_figure(figure, path)


def _read_budgets(budgets):
    budgets = list(budgets)
    for value in budgets:
        is_number = isinstance(value, numbers.Real)
        if not is_number or not 0 < value < math.inf:
            raise ValueError(
                "Invalid value received for argument `budgets`. Expected "
                f"finite numbers above 0. Received: budgets={budgets!r}"
            )
    return budgets


def _draw(axes, series):
    dots, lines = itertools.cycle(_DOTS), itertools.cycle(_LINES)
    for item in series:
        costs, accuracies = zip(*item.points(), strict=True)
        if item.is_line:
            color, marker, line = next(lines)
            style = {"linestyle": line, "linewidth": 1.8, "markersize": 6.5}
            style |= {"markeredgecolor": "white", "zorder": 4}
        else:
            color, marker = next(dots), "o"
            style = {"linestyle": "none", "markersize": 3.2, "zorder": 3}
            style |= {"markeredgewidth": 0.0, "alpha": 0.7}
        axes.plot(
            costs,
            accuracies,
            marker=marker,
            color=color,
            label=item.name,
            **style,
        )


def _set_limits(axes, costs):
    least, most = min(costs), max(costs)
    if least and most / least > _LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlim(least / 1.3, most * 1.3)
    else:
        margin = 0.06 * (most - least) or 0.5 * most or 1.0
        axes.set_xlim(max(0.0, least - margin), most + margin)


def _formatter(costs):
    """Returns `240 M` for counts, and the plain number for milliseconds."""
    if max(costs) >= 1000:
        return EngFormatter(sep=" ")
    return FuncFormatter(lambda value, _: f"{value:g}")


def _draw_budgets(axes, budgets, formatter):
    """Draws lines, with the numbers above them, upright if they are close."""
    to_axes = axes.transData + axes.transAxes.inverted()
    places = [to_axes.transform((value, 0.0))[0] for value in budgets]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    rotation = 90 if gaps and min(gaps) < _APART else 0
    for index, value in enumerate(budgets):
        axes.axvline(
            value,
            color=figures.DARK,
            linestyle=(0, (6, 4)),
            linewidth=1.0,
            zorder=2,
            label=None if index else "budget",
        )
        axes.annotate(
            formatter(float(f"{value:.3g}")),
            (value, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            horizontalalignment="center",
            verticalalignment="bottom",
            rotation=rotation,
            fontsize=8,
            color=figures.DARK,
        )
