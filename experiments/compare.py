r"""All methods on the same data, budget and retraining, in one table.

    python -m experiments.compare --output_dir=runs/compare

searches with each method and the baselines, trains every network that was
found from scratch in the same way, exports and times it, and writes report.md,
results.csv, results.json and a picture. It goes on where it was interrupted:
what is finished, for a method and a seed, is never computed twice. More seeds:

    python -m experiments.compare --output_dir=runs/compare --seeds=5

More budgets, for a Pareto front, and the share of each space's largest
network instead of a number of multiply-adds:

    python -m experiments.compare --output_dir=runs/fronts --targets=0.2,0.4

Methods search in spaces of their own, so each is to be compared first with the
largest network of its space, narrowed uniformly to the same budget.
"""

import csv
import io
import statistics
import sys

from absl import app
from absl import flags

from experiments import comparison
from experiments import fitting
from experiments import flags as common_flags
from experiments.compare_presets import PRESETS
from experiments.run import Run
from keras_nas import report
from keras_nas.report.tables import markdown_table
from keras_nas.training import is_chief

FLAGS = flags.FLAGS

COLUMNS = (
    "family",
    "name",
    "target",
    "seed",
    "macs",
    "params",
    "input_size",
    "test_accuracy",
    "inherited_test_accuracy",
    "search_seconds",
    "search_macs",
    "retrain_seconds",
    "latency_ms",
    "tflite_bytes",
)
_OF_AN_ENTRY = ("target", "family", "name")  # What its seeds have in common.


def compute(preset, run, flags_):
    """Computes every cell that is not finished.

    Args:
        preset: A `ComparePreset`.
        run: The `Run` of the comparison.
        flags_: Object with `data_dir`, `download`, `strategy` and `seed`.

    Returns:
        List of the results of all cells.
    """
    results = []
    seeds = range(flags_.seed, flags_.seed + preset.seeds)
    for seed in seeds:
        for entry in preset.entries():
            print(f"\n== {entry.slug()}, seed {seed}", flush=True)
            cell = comparison.Cell(
                entry,
                preset.training(),
                run.path("cells", f"{entry.slug()}_{seed}"),
                comparison.flags_of(flags_, seed),
                run.is_chief,
            )
            results.append(cell.result())
            write(preset, run, results)
    return results


def write(preset, run, results):
    """Writes the tables and the picture of the cells there are."""
    rows = summarize(results)
    environment = {key: results[0][key] for key in ("versions", "machine")}
    cells = [{key: r[key] for key in COLUMNS} for r in results]
    run.write_json(
        run.path("results.json"),
        {
            "command": "python -m experiments.compare --flagfile=flagfile "
            "--output_dir=DIR",
            **environment,
            "cells": cells,
        },
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    run.write_text(run.path("results.csv"), text.getvalue())
    if run.is_chief:
        path = run.path("comparison.png")
        report.plot_families(_families(results), path)
    run.write_text(run.path("report.md"), _report(preset, rows, environment))


def _families(results):
    """Returns the series of each family's panel of the picture."""
    runs = {}
    for cell in results:
        family = runs.setdefault(cell["family"], {})
        family.setdefault(cell["name"], []).append(cell)
    return {
        family: [
            report.ParetoSeries(
                name,
                [cell["macs"] for cell in cells],
                [cell["test_accuracy"] for cell in cells],
            )
            for name, cells in series.items()
        ]
        for family, series in runs.items()
    }


def summarize(results):
    """Returns a dictionary for each entry, with lists over the seeds."""
    rows = {}
    for result in results:
        key = tuple(result[column] for column in _OF_AN_ENTRY)
        row = rows.setdefault(key, {c: [] for c in COLUMNS})
        for column in COLUMNS:
            row[column].append(result[column])
    for key, row in rows.items():
        row.update(zip(_OF_AN_ENTRY, key, strict=True))
    return list(rows.values())


def table(rows):
    """Returns the markdown table of the summarized rows of one budget."""
    narrowed = {
        row["family"]: dict(zip(row["seed"], row["test_accuracy"], strict=True))
        for row in rows
        if row["name"] == comparison.BASELINE
    }
    header = [
        "network or space",
        "method",
        "MACs",
        "params",
        "test accuracy: mean (min to max)",
        "minus narrowed, seed by seed",
        "search: seconds",
        "T MACs",
        "latency",
    ]
    lines = [_line(row, narrowed.get(row["family"], {})) for row in rows]
    return markdown_table(header, lines, text_columns=2)


def _line(row, narrowed):
    accuracies = [100 * a for a in row["test_accuracy"]]
    differences = "-"
    if row["name"] != comparison.BASELINE:
        differences = ", ".join(
            f"{100 * (a - narrowed[seed]):+.1f}"
            for seed, a in zip(row["seed"], row["test_accuracy"], strict=True)
            if seed in narrowed
        )
    mean = {
        key: statistics.mean(row[key])
        for key in (
            "macs",
            "params",
            "search_seconds",
            "search_macs",
            "latency_ms",
        )
    }
    return (
        row["family"],
        row["name"],
        f"{mean['macs'] / 1e6:.3f} M",
        f"{mean['params'] / 1e3:.1f} k",
        f"{statistics.mean(accuracies):.1f}% "
        f"({min(accuracies):.1f} to {max(accuracies):.1f})",
        differences,
        f"{mean['search_seconds']:.0f}",
        f"{mean['search_macs'] / 1e12:.2f}",
        f"{mean['latency_ms']:.3f} ms",
    )


def _report(preset, rows, environment):
    machine, versions = environment["machine"], environment["versions"]
    return f"""# All methods within the same budget

{tables(rows)}

Every network is trained from scratch, alike: {preset.train_epochs} epochs of
`{preset.dataset}`. "Minus narrowed" is the difference, in points, to the
largest network of the same space with every layer narrowed by one factor.
The search's multiply-adds are those of the forward passes that it trains with,
in units of 1e12; its seconds include compilation and evaluations.

![Accuracy against multiply-adds](comparison.png)

Each mark is a run; the gray line is the Pareto front of all.

TensorFlow {versions["tensorflow"]}, Keras {versions["keras"]},
{machine["num_cpus"]} cores of {machine["processor"]}.
"""


def tables(rows):
    """Returns a section with a table for each budget."""
    sections = []
    for target in dict.fromkeys(row["target"] for row in rows):
        budget = f"{target:,.0f} multiply-adds"
        if target <= 1:
            budget = f"{target:g} of the largest network's multiply-adds"
        of_target = [row for row in rows if row["target"] == target]
        sections.append(f"## Within {budget}\n\n{table(of_target)}")
    return "\n\n".join(sections)


def flagfile(preset):
    """Returns the flags that all runs in a folder have in common."""
    lines = common_flags.flagfile(preset).splitlines(keepends=True)
    others = ("--seeds=", "--methods=", "--targets=")
    return "".join(line for line in lines if not line.startswith(others))


def _main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    try:
        preset = common_flags.chosen_preset(PRESETS)
        preset.entries()  # Fails now, if it must.
        chief = is_chief(common_flags.strategy_of(FLAGS))
        run = Run(FLAGS.output_dir, flagfile(preset), chief)
    except ValueError as error:
        sys.exit(f"Error: {error}")
    results = fitting.run_or_exit(lambda: compute(preset, run, FLAGS))
    print(f"\n{tables(summarize(results))}\n\n{run.path('report.md')}")


if __name__ == "__main__":
    common_flags.define(PRESETS)
    flags.adopt_module_key_flags(common_flags)
    app.run(_main)
