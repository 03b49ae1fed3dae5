"""What all pictures share: size, colors, and how they are written."""

import os
import pathlib

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# After Okabe and Ito, told apart without seeing red or green; the pink is
# darker, so that its axis can be read.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#B25A8C"
DARK, GRAY, LIGHT = "#333333", "#8C8C8C", "#E0E0E0"

_FORMATS = (".pdf", ".png", ".svg")


def new_figure(width, height):
    """Returns an empty figure that no global state of pyplot knows about.

    Args:
        width: Float, inches.
        height: Float, inches.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def clean(axes, grid):
    """Leaves of a frame what is needed to read the values.

    Args:
        axes: A `matplotlib.axes.Axes`.
        grid: `"x"`, `"y"` or `"both"`, the axes that get grid lines.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(color=GRAY, labelcolor=DARK, labelsize=9)
    axes.grid(axis=grid, color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)


def finish_accuracy(axes, accuracies, label):
    """Makes the vertical axis one of accuracies.

    Args:
        axes: A `matplotlib.axes.Axes`.
        accuracies: Sequence of floats in [0, 1], those that are drawn.
        label: String.
    """
    # Two points of accuracy at least, or noise would look like a difference.
    middle = (min(accuracies) + max(accuracies)) / 2
    half = 0.7 * max(max(accuracies) - min(accuracies), 0.02)
    axes.set_ylim(middle - half, middle + half)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_ylabel(label, color=DARK)


def shorten(name, longest):
    """Returns a name without its middle if it is too long.

    Args:
        name: String.
        longest: Integer, the most characters.

    Returns:
        A string.
    """
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def write_figure(figure, path):
    """Writes a figure, at once or not at all.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: Path of a `.png`, `.svg` or `.pdf` file.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If the file is of another kind.
    """
    path = pathlib.Path(path)
    if path.suffix not in _FORMATS:
        raise ValueError(
            "Invalid value received for argument `path`. Expected a file name "
            f"that ends in one of {_FORMATS}. Received: path={str(path)!r}."
        )
    temporary = path.with_name(f"{path.name}.tmp")
    figure.savefig(temporary, format=path.suffix[1:], facecolor="white")
    os.replace(temporary, path)
    return path
