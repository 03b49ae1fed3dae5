"""The picture of the channels that each layer kept."""

from matplotlib.ticker import MaxNLocator

from keras_nas.report import figure as figures

_LONGEST_NAME = 36
_ROW_HEIGHT = 0.21


def plot_kept_channels(report, path):
    """Draws a bar per layer: its channels as an outline, the kept ones filled.

    Args:
        report: The `SliceReport` of `keras_nas.slice_model`.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If the report has no layers, or the file is of another
            kind.

    Example:

    >>> import os, tempfile
    >>> from keras_nas.report import plot_kept_channels
    >>> from keras_nas.slicing import SliceReport
    >>> report = SliceReport([("conv", "Conv2D", 12, 16)])
    >>> path = os.path.join(tempfile.mkdtemp(), "kept_channels.png")
    >>> plot_kept_channels(report, path).name
    'kept_channels.png'
    """
    if not report.layers:
        raise ValueError(
            "Invalid value received for argument `report`. Expected a "
            "`SliceReport` with at least one layer. Received: "
            f"report={report!r}."
        )
    names, _, kept, total = zip(*report.layers, strict=True)
    height = 1.1 + _ROW_HEIGHT * len(names)
    figure = figures.new_figure(7.5, height)
    axes = figure.add_subplot()
    rows = range(len(names))
    axes.barh(
        rows,
        total,
        height=0.72,
        color="none",
        edgecolor=figures.GRAY,
        linewidth=0.8,
        label="all channels",
    )
    axes.barh(rows, kept, height=0.72, color=figures.BLUE, label="kept")
    for row in rows:
        axes.annotate(
            f"{kept[row]:,} of {total[row]:,}",
            (total[row], row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=7.5,
            color=figures.DARK,
        )
    figures.clean(axes, grid="x")
    labels = [figures.shorten(name, _LONGEST_NAME) for name in names]
    axes.set_yticks(rows, labels, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * max(total))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(
        MaxNLocator(7, steps=[1, 2, 5, 10], integer=True)
    )
    axes.set_xlabel("output channels", color=figures.DARK)
    figure.legend(
        loc="outside upper right", ncols=2, frameon=False, fontsize=8.5
    )
    return figures.write_figure(figure, path)
