"""The picture of the atomic blocks that each block of a network kept."""

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.ticker import PercentFormatter

from keras_nas.report import figure as figures
from keras_nas.report.atom_block import check_blocks
from keras_nas.report.atom_block import kernel_sizes

_COLORS = {3: figures.BLUE, 5: figures.ORANGE, 7: figures.GREEN}
# Those of other kernel sizes; when they are used up, they return hatched.
_MORE_COLORS = (figures.PINK, "#56B4E9", "#8A3B00", "#F0E442")
_BAR, _ROW_HEIGHT = 0.74, 0.21
_LEGEND_COLUMNS, _LEGEND_HEIGHT = 7, 0.18
_LONGEST_NAME = 24
_FONT = 7.5


def plot_atoms(blocks, path):
    """Draws the atomic blocks of each block: how many, and which share.

    There is a row for each block, the first on top. On the left, the atomic
    blocks that are alive, one color for each kernel size, so that the lengths
    are the channels of the network; beside them, how many of how many. On the
    right, the same as shares of those that there were; the rest is dead, and
    grey. The names of blocks without shortcut are bold.

    Args:
        blocks: Sequence of `AtomBlock`, front to back.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If there are no blocks, or the file is of another kind.

    Example:

    >>> import os, tempfile
    >>> from keras_nas.report import AtomBlock, plot_atoms
    >>> blocks = [AtomBlock("block_1", {3: 40, 5: 8}, {3: 48, 5: 48})]
    >>> path = os.path.join(tempfile.mkdtemp(), "atoms.png")
    >>> plot_atoms(blocks, path).name
    'atoms.png'
    """
    blocks = check_blocks(blocks)
    sizes = kernel_sizes(blocks)
    kept = [block.num_kept for block in blocks]
    totals = [block.num_total for block in blocks]
    handles = _legend(blocks, sizes)
    height = 1.1 + _ROW_HEIGHT * len(blocks)
    height += _LEGEND_HEIGHT * ((len(handles) - 1) // _LEGEND_COLUMNS)
    figure = figures.new_figure(8.0, height)
    figure.get_layout_engine().set(w_pad=0.1)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.3, 1.0])
    _draw(left, blocks, sizes, [1] * len(blocks))
    _draw(right, blocks, sizes, totals)
    right.barh(
        range(len(blocks)),
        [1 - k / t for k, t in zip(kept, totals, strict=True)],
        height=_BAR,
        left=[k / t for k, t in zip(kept, totals, strict=True)],
        color=figures.LIGHT,
    )
    counts = [f"{k:,} of {t:,}" for k, t in zip(kept, totals, strict=True)]
    _write(left, kept, counts)
    shares = [_percent(k, t) for k, t in zip(kept, totals, strict=True)]
    _write(right, [1] * len(blocks), shares)
    _finish_counts(left, max(kept), max(map(len, counts)))
    _finish_shares(right)
    _write_names(left, blocks)
    figure.legend(
        handles=handles,
        loc="outside upper right",
        ncols=_LEGEND_COLUMNS,
        frameon=False,
        fontsize=8.5,
    )
    return figures.write_figure(figure, path)


def _styles(sizes):
    """Returns the color, and the hatch if any, of each kernel size."""
    styles, others = {}, 0
    for size in sizes:
        if size in _COLORS:
            styles[size] = {"facecolor": _COLORS[size]}
            continue
        turn, index = divmod(others, len(_MORE_COLORS))
        styles[size] = {"facecolor": _MORE_COLORS[index]}
        if turn:
            hatch = {"hatch": "///" * turn, "edgecolor": figures.DARK}
            styles[size] |= {**hatch, "linewidth": 0.0}
        others += 1
    return styles


def _draw(axes, blocks, sizes, units):
    """Draws a bar of each kernel size, one after the other."""
    before = [0] * len(blocks)
    for size, style in _styles(sizes).items():
        counts = [block.kept.get(size, 0) for block in blocks]
        axes.barh(
            range(len(blocks)),
            [count / unit for count, unit in zip(counts, units, strict=True)],
            height=_BAR,
            left=[
                start / unit for start, unit in zip(before, units, strict=True)
            ],
            **style,
        )
        before = [a + b for a, b in zip(before, counts, strict=True)]


def _write(axes, ends, texts):
    """Writes a text behind the end of each bar."""
    for row, (end, text) in enumerate(zip(ends, texts, strict=True)):
        axes.annotate(
            text,
            (end, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=_FONT,
            color=figures.DARK,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _percent(kept, total):
    """Returns percent that are 0 or 100 of none or all only."""
    if kept and 200 * kept <= total:
        return "<1%"
    if kept < total and 200 * (total - kept) <= total:
        return ">99%"
    return f"{kept / total:.0%}"


def _finish_counts(axes, most, text_length):
    figures.clean(axes, grid="x")
    # Behind the longest bar there is room for the longest text.
    axes.set_xlim(0, (1.05 + 0.03 * text_length) * max(most, 1))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(
        MaxNLocator(6, steps=[1, 2, 5, 10], integer=True)
    )
    axes.set_xlabel("atomic blocks alive", color=figures.DARK)


def _finish_shares(axes):
    figures.clean(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 1)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.set_xlim(0, 1.13)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of those before the search", color=figures.DARK)


def _write_names(axes, blocks):
    names = [figures.shorten(block.name, _LONGEST_NAME) for block in blocks]
    axes.set_yticks(range(len(blocks)), names, fontsize=_FONT)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(blocks) - 0.4, -0.6)
    labels = axes.get_yticklabels()
    for block, label in zip(blocks, labels, strict=True):
        label.set_parse_math(False)
        if not block.has_shortcut:
            label.set_fontweight("bold")


def _legend(blocks, sizes):
    """Returns what explains the colors and the bold names."""
    handles = [
        Patch(label=f"{size}x{size}", **style)
        for size, style in _styles(sizes).items()
    ]
    handles.append(Patch(facecolor=figures.LIGHT, label="dead"))
    if not all(block.has_shortcut for block in blocks):
        label = "bold: no shortcut"
        handles.append(Line2D([], [], linestyle="none", label=label))
    return handles
