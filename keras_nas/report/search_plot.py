"""The picture of a search: costs, channels and accuracy over the epochs."""

import math

from matplotlib.ticker import MaxNLocator
from matplotlib.ticker import PercentFormatter

from keras_nas.report import figure as figures

_COSTS = {
    "expected_cost": ("expected cost", figures.BLUE, "-"),
    "decided_cost": ("decided cost", figures.ORANGE, "-"),
    "channels_alive": ("channels alive", figures.GREEN, "--"),
    "atoms_alive": ("atomic blocks alive", figures.GREEN, "-."),
    "uncertainty": ("uncertainty", figures.GREEN, "--"),
}
_TRAINED = "trained_cost"
_SHARES = (*_COSTS, _TRAINED)
_ACCURACIES = {
    "accuracy": ("accuracy", figures.PINK, ":"),
    "val_accuracy": ("validation accuracy", figures.PINK, "-"),
    "val_smallest_accuracy": ("that of the smallest", figures.PINK, "-."),
}


def plot_search(history, path, target=None):
    """Draws how a search went: the costs, the channels, the accuracy.

    Costs, channels and atomic blocks are shares of those of the full network,
    and the uncertainty of choices of its largest value, on the left axis; the
    accuracy is on the right one; the strength of the penalty has a panel of
    its own below. Where the network that is trained shrinks, the area below
    its cost is filled: it is the cost of the search, and what is above it, up
    to 100%, is saved. The mean in the legend is the same in one number.

    Args:
        history: Dictionary from a name to a list with a value per epoch, as
            in the `history` of what `fit` returns. `expected_cost`,
            `decided_cost`, `trained_cost`, `channels_alive`, `atoms_alive`,
            `uncertainty`, `accuracy`, `val_accuracy`, `val_smallest_accuracy`
            and `strength` are drawn where they are there; accuracies are on
            the left axis where they are alone. `trained_cost` is the cost of
            the network that was trained in the epoch, as a share of the first
            one's.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.
        target: Float in (0, 1], the target as a share of the full cost, or
            `None`.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If there is nothing to draw, the target is not a share, or
            the file is of another kind.

    Example:

    >>> import os, tempfile
    >>> from keras_nas.report import plot_search
    >>> path = os.path.join(tempfile.mkdtemp(), "search.png")
    >>> plot_search({"expected_cost": [1.0, 0.6, 0.5]}, path, 0.5).name
    'search.png'
    """
    epochs = _check(history, target)
    has_strength = bool(history.get("strength"))
    figure = figures.new_figure(7.0, 5.2 if has_strength else 4.2)
    if has_strength:
        axes, below = figure.subplots(
            2, 1, sharex=True, height_ratios=[3.2, 1.0]
        )
        _draw_strength(below, history["strength"], epochs)
        below.set_xlabel("epoch", color=figures.DARK)
    else:
        axes = figure.add_subplot()
        axes.set_xlabel("epoch", color=figures.DARK)
    if history.get(_TRAINED):
        _draw_trained(axes, history[_TRAINED], epochs)
    _draw(axes, history, _COSTS, epochs)
    if target is not None:
        axes.axhline(
            target,
            color=figures.DARK,
            linestyle=(0, (6, 4)),
            linewidth=1.2,
            label=f"target {target:.1%}",
        )
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
    has_shares = target is not None or any(map(history.get, _SHARES))
    if has_shares:
        _finish(axes, "share of the full network", grid="both")
        axes.set_ylim(0.0, max(1.05, axes.get_ylim()[1]))
    else:
        _draw(axes, history, _ACCURACIES, epochs)
        _finish(axes, "accuracy", grid="both")
        axes.set_ylim(0.0, 1.05)
    if has_shares and any(map(history.get, _ACCURACIES)):
        right = axes.twinx()
        _draw(right, history, _ACCURACIES, epochs)
        _finish(right, "accuracy", grid=None)
        right.spines["right"].set(visible=True, color=figures.GRAY)
        right.yaxis.label.set_color(figures.PINK)
        right.set_ylim(0.0, 1.05)
    figure.legend(
        loc="outside upper center", ncols=3, frameon=False, fontsize=8.5
    )
    return figures.write_figure(figure, path)


def _check(history, target):
    """Returns the number of epochs."""
    keys = [*_SHARES, *_ACCURACIES, "strength"]
    epochs = max((len(history.get(key, ())) for key in keys), default=0)
    if not epochs:
        raise ValueError(
            "Invalid value received for argument `history`. Expected at least "
            f"one value of {keys}. Received: {sorted(history)}."
        )
    if target is not None and not 0.0 < target <= 1.0:
        raise ValueError(
            "Invalid value received for argument `target`. Expected a share "
            "of the full cost above 0 and up to 1, or None. Received: "
            f"target={target!r}."
        )
    return epochs


def _draw(axes, history, styles, epochs):
    for key, (label, color, line) in styles.items():
        values = history.get(key)
        if values:
            axes.plot(
                _positions(values, epochs),
                [_number(value) for value in values],
                line,
                color=color,
                label=label,
                linewidth=1.8,
                **_markers(values),
            )


def _draw_trained(axes, values, epochs):
    """Draws a cost that holds for a whole epoch, from its start to its end."""
    edges = [0.0, *_positions(values, epochs)]
    values = [_number(value) for value in values]
    known = [value for value in values if not math.isnan(value)]
    mean = f" (mean {sum(known) / len(known):.0%})" if known else ""
    axes.stairs(values, edges, fill=True, color=figures.GRAY, alpha=0.18)
    axes.stairs(
        values,
        edges,
        baseline=None,
        color=figures.GRAY,
        label=f"trained cost{mean}",
        linewidth=1.8,
    )


def _draw_strength(axes, values, epochs):
    axes.plot(
        _positions(values, epochs),
        [_number(value) for value in values],
        color=figures.DARK,
        linewidth=1.5,
        **_markers(values),
    )
    figures.clean(axes, grid="both")
    axes.set_ylabel("strength", color=figures.DARK)
    axes.set_ylim(bottom=0.0)


def _finish(axes, label, grid):
    if grid:
        figures.clean(axes, grid)
    else:
        figures.clean(axes, "both")
        axes.grid(False)
    axes.set_ylabel(label, color=figures.DARK)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _positions(values, epochs):
    """Returns the epochs of values that may not be logged in every one."""
    every = epochs / len(values)
    return [every * (index + 1) for index in range(len(values))]


def _number(value):
    return math.nan if value is None else float(value)


def _markers(values):
    """Marks single epochs while they can be told apart."""
    if len(values) > 40:
        return {}
    return {"marker": "o", "markersize": 4, "markeredgecolor": "white"}
