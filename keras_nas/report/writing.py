"""The report of an experiment: one markdown file and its pictures."""

import dataclasses
import os
import pathlib

from keras_nas.environment import environment
from keras_nas.report.atoms_plot import plot_atoms
from keras_nas.report.comparison_plot import plot_comparison
from keras_nas.report.kept_plot import plot_kept_channels
from keras_nas.report.pareto_plot import MULTIPLY_ADDS
from keras_nas.report.pareto_plot import plot_pareto
from keras_nas.report.search_plot import plot_search
from keras_nas.report.tables import atoms_table
from keras_nas.report.tables import comparison_table
from keras_nas.report.tables import decisions_table
from keras_nas.report.tables import kept_table
from keras_nas.report.tables import markdown_table


@dataclasses.dataclass(frozen=True)
class Report:
    """What `write_report` writes; a section without content is left out.

    Args:
        title: String.
        rows: Sequence of `NetworkRow`, the first being the reference.
        command: String, the command that repeats the experiment.
        settings: Dictionary from a name, such as "preset" or "seed", to its
            value.
        history: Dictionary of the search's epochs; see `plot_search`.
        target: Float in (0, 1], the target as a share of the full cost.
        decisions: Dictionary from the name of a decision to its value.
        slice_report: `SliceReport` of the network that was found.
        verification: A `keras_nas.export.Verification`, or any text that
            tells what was compared.
        notes: Sequence of strings: what a reader must know in order not to
            be misled.
        environment: Dictionary as of `environment()`, which is the default:
            pass the one of the measurement if it was made elsewhere.
        atoms: Sequence of `AtomBlock`, the blocks of a search that removes
            atomic blocks, front to back.
        pareto: Sequence of `ParetoSeries`, the networks that a selection
            evaluated and those that it selected; see `plot_pareto`.
        budgets: Sequence of numbers, the budgets of that selection.
        cost_label: String, what the costs of `pareto` are.

    Example:

    >>> from keras_nas.report import NetworkRow, Report
    >>> rows = [NetworkRow("full", 4000, 200, 0.81)]
    >>> Report("FiGS", rows, settings={"preset": "small", "seed": 0}).title
    'FiGS'
    """

    title: str
    rows: tuple = ()
    command: str = ""
    settings: dict = dataclasses.field(default_factory=dict)
    history: dict = dataclasses.field(default_factory=dict)
    target: float | None = None
    decisions: dict = dataclasses.field(default_factory=dict)
    slice_report: object = None
    verification: object = None
    notes: tuple = ()
    environment: dict = dataclasses.field(default_factory=environment)
    atoms: tuple = ()
    pareto: tuple = ()
    budgets: tuple = ()
    cost_label: str = MULTIPLY_ADDS


def write_report(output_dir, report):
    """Writes `report.md` and its pictures; replaces those of an older report.

    The pictures are `comparison.png`, `search.png`, `pareto.png`, `atoms.png`
    and `kept_channels.png`, linked by relative names, so that the folder can
    be moved.

    Args:
        output_dir: Folder, made if missing.
        report: A `Report`.

    Returns:
        `pathlib.Path` of `report.md`.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If a part of the report cannot be shown.

    Example:

    >>> import tempfile
    >>> from keras_nas.report import NetworkRow, Report, write_report
    >>> rows = [NetworkRow("full", 4000, 200, 0.81)]
    >>> write_report(tempfile.mkdtemp(), Report("FiGS", rows)).name
    'report.md'
    """
    folder = pathlib.Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    sections = [
        f"# {_one_line(report.title)}",
        _how(report),
        _comparison(folder, report),
        _search(folder, report),
        _pareto(folder, report),
        _decided(report),
        _atoms(folder, report),
        _kept(folder, report),
        _same(report),
        _notes(report),
        _environment(report),
    ]
    text = "\n\n".join(section for section in sections if section) + "\n"
    path = folder / "report.md"
    temporary = folder / "report.md.tmp"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def _how(report):
    parts = []
    if report.settings:
        lines = (
            f"- {name}: {_one_line(_as_text(value))}"
            for name, value in report.settings.items()
        )
        parts.append("\n".join(lines))
    if report.command:
        parts.append(_block(report.command, "sh"))
    return "\n\n".join(parts)


def _comparison(folder, report):
    if not report.rows:
        return ""
    parts = ["## Networks", comparison_table(report.rows)]
    parts.append(
        "MACs are multiply-adds of one sample. In parentheses, how many times "
        f"those of {_one_line(report.rows[0].name)}."
    )
    if any(row.test_accuracy is not None for row in report.rows):
        plot_comparison(report.rows, folder / "comparison.png")
        parts.append("![Test accuracy against multiply-adds](comparison.png)")
    return "\n\n".join(parts)


def _search(folder, report):
    if not report.history:
        return ""
    plot_search(report.history, folder / "search.png", report.target)
    return (
        "## Search\n\n![Costs, channels and accuracy over the epochs of the "
        "search](search.png)"
    )


def _pareto(folder, report):
    if not report.pareto:
        return ""
    path = folder / "pareto.png"
    plot_pareto(report.pareto, path, report.budgets, report.cost_label)
    return (
        "## Selection\n\n![Accuracy against cost of the networks that were "
        "evaluated](pareto.png)"
    )


def _decided(report):
    if not report.decisions:
        return ""
    return f"## Decisions\n\n{decisions_table(report.decisions)}"


def _atoms(folder, report):
    if not report.atoms:
        return ""
    plot_atoms(report.atoms, folder / "atoms.png")
    return (
        "## Atomic blocks\n\n![Atomic blocks that each block kept]"
        f"(atoms.png)\n\n{atoms_table(report.atoms)}"
    )


def _kept(folder, report):
    if report.slice_report is None or not report.slice_report.layers:
        return ""
    plot_kept_channels(report.slice_report, folder / "kept_channels.png")
    return (
        "## Channels kept\n\n![Channels that each layer kept]"
        f"(kept_channels.png)\n\n{kept_table(report.slice_report)}"
    )


def _same(report):
    if report.verification is None:
        return ""
    return f"## Verification\n\n{_block(str(report.verification))}"


def _notes(report):
    if not report.notes:
        return ""
    lines = "\n".join(f"- {_one_line(note)}" for note in report.notes)
    return f"## Notes\n\n{lines}"


def _environment(report):
    facts = {**report.environment["versions"], **report.environment["machine"]}
    lines = [
        (name.replace("_", " "), "not installed" if value is None else value)
        for name, value in facts.items()
    ]
    table = markdown_table(["measured with", ""], lines, text_columns=2)
    return f"## Environment\n\n{table}"


def _block(text, language=""):
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _as_text(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    return value


def _one_line(value):
    return " ".join(str(value).split())
