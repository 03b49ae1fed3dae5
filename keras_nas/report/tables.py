"""Markdown tables that also read well in a terminal."""

import dataclasses
import math

from keras_nas.report.atom_block import check_blocks
from keras_nas.report.atom_block import kernel_sizes

_NONE = "-"
_MOST_REMOVED = 12


@dataclasses.dataclass(frozen=True)
class NetworkRow:
    """The figures of one network of a comparison.

    Args:
        name: String, the name in tables and pictures.
        macs: Integer, multiply-adds for one sample.
        params: Integer, trained parameters.
        test_accuracy: Float in [0, 1], or `None` if unknown.
        tflite_bytes: Integer, size of the `.tflite` file, or `None`.
        latency_ms: Float, milliseconds for one sample, or `None`.
        extra: Dictionary from the title of a further column to its value;
            rows may have different ones.

    Raises:
        ValueError: If a figure cannot be one.

    Example:

    >>> from keras_nas.report import NetworkRow
    >>> NetworkRow("full", 12_345_678, 104_250, 0.812).latency_ms is None
    True
    """

    name: str
    macs: int
    params: int
    test_accuracy: float | None = None
    tflite_bytes: int | None = None
    latency_ms: float | None = None
    extra: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for field in ("macs", "params", "tflite_bytes", "latency_ms"):
            value = getattr(self, field)
            optional = field in ("tflite_bytes", "latency_ms")
            if optional and value is None:
                continue
            if not _is_number(value) or value < 0:
                raise ValueError(
                    f"Invalid value received for argument `{field}`. Expected "
                    "a finite number, not negative. Received: "
                    f"{field}={value!r}."
                )
        accuracy = self.test_accuracy
        known = accuracy is not None
        if known and not (_is_number(accuracy) and 0.0 <= accuracy <= 1.0):
            raise ValueError(
                "Invalid value received for argument `test_accuracy`. Expected "
                "a number between 0 and 1, not percent. Received: "
                f"test_accuracy={accuracy!r}."
            )


def comparison_table(rows):
    """Returns a markdown table of networks, the first being the reference.

    Multiply-adds and parameters are followed by how many times those of the
    first row they are.

    Args:
        rows: Sequence of `NetworkRow`, at least one.

    Returns:
        A string without a newline at its end.

    Raises:
        ValueError: If there are no rows.

    Example:

    >>> from keras_nas.report import NetworkRow, comparison_table
    >>> rows = [
    ...     NetworkRow("full", 900, 200, 0.812, 5120, 1.5),
    ...     NetworkRow("FiGS", 450, 120, 0.8),
    ... ]
    >>> print(comparison_table(rows))
    | network |        MACs |      params | test accuracy | .tflite | latency |
    | :------ | ----------: | ----------: | ------------: | ------: | ------: |
    | full    | 900 (1.00x) | 200 (1.00x) |         81.2% |  5.1 kB | 1.50 ms |
    | FiGS    | 450 (0.50x) | 120 (0.60x) |         80.0% |       - |       - |
    """
    rows = _check_rows(rows)
    extra = list(dict.fromkeys(title for row in rows for title in row.extra))
    lines = [
        (
            row.name,
            _count(row.macs, rows[0].macs),
            _count(row.params, rows[0].params),
            _show(row.test_accuracy, _percent),
            _show(row.tflite_bytes, _kilobytes),
            _show(row.latency_ms, _milliseconds),
            *(_show(row.extra.get(title), _cell) for title in extra),
        )
        for row in rows
    ]
    header = ["network", "MACs", "params", "test accuracy", ".tflite"]
    return markdown_table([*header, "latency", *extra], lines)


def kept_table(report):
    """Returns a markdown table of the channels that each layer kept.

    Args:
        report: The `SliceReport` of `keras_nas.slice_model`.

    Returns:
        A string without a newline at its end. Layers that are gone
        altogether follow the table.

    Example:

    >>> from keras_nas.report import kept_table
    >>> from keras_nas.slicing import SliceReport
    >>> print(kept_table(SliceReport([("conv", "Conv2D", 12, 16)])))
    | layer | type   | kept | total | share |
    | :---- | :----- | ---: | ----: | ----: |
    | conv  | Conv2D |   12 |    16 |   75% |
    """
    lines = [
        (
            name,
            type_,
            f"{kept:,}",
            f"{total:,}",
            f"{_share_of(kept, total):.0%}",
        )
        for name, type_, kept, total in report.layers
    ]
    header = ["layer", "type", "kept", "total", "share"]
    table = markdown_table(header, lines, text_columns=2)
    if report.removed:
        shown = report.removed[:_MOST_REMOVED]
        names = ", ".join(f"`{name}`" for name in shown)
        more = len(report.removed) - len(shown)
        rest = f" and {more} more" if more else ""
        table += f"\n\nGone altogether: {names}{rest}."
    return table


def atoms_table(blocks):
    """Returns a markdown table of the atomic blocks that each block kept.

    Args:
        blocks: Sequence of `AtomBlock`, front to back.

    Returns:
        A string without a newline at its end. The last line adds up all
        blocks if there are several.

    Raises:
        ValueError: If there are no blocks.

    Example:

    >>> from keras_nas.report import AtomBlock, atoms_table
    >>> print(atoms_table([AtomBlock("a", {3: 9}, {3: 16, 5: 16})]))
    | block |     3x3 |     5x5 |     sum |
    | :---- | ------: | ------: | ------: |
    | a     | 9 of 16 | 0 of 16 | 9 of 32 |
    """
    blocks = check_blocks(blocks)
    sizes = kernel_sizes(blocks)
    columns = [*([size] for size in sizes), sizes]  # The last one is the sum.
    parts = [(block.name, [block]) for block in blocks]
    if len(blocks) > 1:
        parts.append(("all", blocks))
    lines = [
        (name, *(_kept_of_total(part, column) for column in columns))
        for name, part in parts
    ]
    header = ["block", *(f"{size}x{size}" for size in sizes), "sum"]
    return markdown_table(header, lines)


def decisions_table(decisions):
    """Returns a markdown table of what a search has decided.

    Args:
        decisions: Dictionary from the name of a decision to its value.

    Returns:
        A string without a newline at its end.

    Example:

    >>> from keras_nas.report import decisions_table
    >>> print(decisions_table({"resolution": 12, "block1_type": "ir_k3"}))
    | decision    | value |
    | :---------- | :---- |
    | resolution  | 12    |
    | block1_type | ir_k3 |
    """
    lines = [(name, value) for name, value in decisions.items()]
    return markdown_table(["decision", "value"], lines, text_columns=2)


def markdown_table(header, lines, text_columns=1):
    """Returns a markdown table with aligned columns.

    Args:
        header: List of the titles of the columns.
        lines: List of tuples of strings, the cells.
        text_columns: Integer, how many of the first columns are aligned to
            the left; the others, with numbers, are to the right.

    Returns:
        A string without a newline at its end.
    """
    lines = [
        [str(cell).replace("|", "\\|").replace("\n", " ") for cell in line]
        for line in (header, *lines)
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths = [max(width, 2) for width in widths]
    is_text = [index < text_columns for index in range(len(widths))]
    rule = [
        ":" + "-" * (width - 1) if text else "-" * (width - 1) + ":"
        for width, text in zip(widths, is_text, strict=True)
    ]
    rows = [
        [
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, is_text, strict=True)
        ]
        for line in lines
    ]
    rows.insert(1, rule)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _percent(share):
    """Returns a share as percent with one decimal."""
    return f"{share:.1%}"


def _milliseconds(value):
    """Returns milliseconds with about three digits."""
    decimals = 3 if value < 1 else 2 if value < 10 else 1
    return f"{value:.{decimals}f} ms"


def _share_of(part, whole):
    """Returns `part / whole`, and 0 of nothing."""
    return part / whole if whole else 0.0


def _kept_of_total(blocks, sizes):
    """Adds up atomic blocks of some kernel sizes."""
    pairs = [(block, size) for block in blocks for size in sizes]
    kept = sum(block.kept.get(size, 0) for block, size in pairs)
    total = sum(block.total.get(size, 0) for block, size in pairs)
    return f"{kept:,} of {total:,}" if total else _NONE


def _check_rows(rows):
    rows = list(rows)
    if not rows or not all(isinstance(row, NetworkRow) for row in rows):
        raise ValueError(
            "Invalid value received for argument `rows`. Expected at least "
            f"one `NetworkRow`. Received: rows={rows!r}."
        )
    return rows


def _is_number(value):
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def _show(value, form):
    return _NONE if value is None else form(value)


def _count(value, reference):
    times = f" ({value / reference:.2f}x)" if reference else ""
    return f"{value:,.0f}{times}"


def _kilobytes(value):
    return f"{value / 1000:,.1f} kB"


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)
