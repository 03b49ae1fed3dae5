"""Puts runs of an experiment with different seeds into one table.

    python -m tools.summarize_runs --json=summary.json runs/figs_0 runs/figs_1

prints a markdown table with the mean test accuracy of each network and its
smallest and largest value, and the differences seed by seed. Of a family of
networks, as that of BigNAS, it is each network with the weights it was cut out
with, beside the same from scratch.
"""

import argparse
import json
import pathlib
import statistics
import sys


def read_results(folders):
    """Returns the `results.json` of each folder."""
    results = []
    for folder in folders:
        path = pathlib.Path(folder) / "results.json"
        if not path.exists():
            sys.exit(f"Error: {path} does not exist; is that run finished?")
        results.append(json.loads(path.read_text()))
    return results


def summarize(results):
    """Returns one dictionary per network, with lists over the runs."""
    networks = {
        "full": ("full_macs", "full_params", "full_test_accuracy"),
        results[0]["method"]: ("macs", "params", "test_accuracy"),
    }
    rows = [
        {
            "network": name,
            "macs": [r[macs] for r in results],
            "params": [r[params] for r in results],
            "test_accuracy": [r[accuracy] for r in results],
        }
        for name, (macs, params, accuracy) in networks.items()
    ]
    if "retrained_test_accuracy" in results[0]:
        again = {
            "test_accuracy": [r["retrained_test_accuracy"] for r in results]
        }
        rows.append({**rows[1], "network": "the same, from scratch", **again})
    baseline = [r["width_multiplier"] for r in results]
    rows.append(
        {
            "network": "width multiplier",
            **{
                key: [b[key] for b in baseline]
                for key in ("macs", "params", "test_accuracy")
            },
        }
    )
    return rows


def table(rows):
    """Returns the rows as a markdown table."""
    lines = [
        "| network | MACs | params | test accuracy: mean (min to max) |",
        "| :-- | --: | --: | --: |",
    ]
    for row in rows:
        macs = statistics.mean(row["macs"])
        share = macs / statistics.mean(rows[0]["macs"])
        accuracies = [100 * a for a in row["test_accuracy"]]
        lines.append(
            f"| {row['network']} | {macs / 1e6:.3f} M ({share:.2f}x) "
            f"| {_params(row['params'])} | {statistics.mean(accuracies):.1f}% "
            f"({min(accuracies):.1f} to {max(accuracies):.1f}) |"
        )
    return "\n".join(lines)


def _params(values):
    """Returns the mean number of parameters and, if runs differ, its range,
    as the paper of FiGS has for a search that is repeated (Table 1)."""
    low, high = min(values) / 1e3, max(values) / 1e3
    text = f"{statistics.mean(values) / 1e3:.1f} k"
    return text if low == high else f"{text} ({low:.1f} to {high:.1f})"


def summarize_family(results):
    """Returns one dictionary per network of a family, as of BigNAS.

    Args:
        results: List of the `results.json` of runs with a `family`.
    """
    rows = []
    for name in [child["name"] for child in results[0]["family"]]:
        children = [
            next(c for c in r["family"] if c["name"] == name) for r in results
        ]
        keys = "macs", "params", "test_accuracy", "scratch_test_accuracy"
        row = {key: [c.get(key) for c in children] for key in keys}
        rows.append({"network": name, **row})
    return rows


def family_table(rows):
    """Returns the rows of a family as a markdown table."""
    lines = [
        "| budget | MACs | params | cut out: mean (each seed) "
        "| from scratch | gap, seed by seed |",
        "| :-- | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        pairs = list(
            zip(row["test_accuracy"], row["scratch_test_accuracy"], strict=True)
        )
        macs = f"{statistics.mean(row['macs']) / 1e6:.3f}"
        params = f"{statistics.mean(row['params']) / 1e3:.1f}"
        scratch = gaps = "not trained"
        if None not in row["scratch_test_accuracy"]:
            scratch = _mean_and_each(row["scratch_test_accuracy"])
            gaps = ", ".join(f"{100 * (a - b):+.1f}" for a, b in pairs)
        lines.append(
            f"| {row['network']} | {macs} M | {params} k "
            f"| {_mean_and_each(row['test_accuracy'])} | {scratch} | {gaps} |"
        )
    return "\n".join(lines)


def _mean_and_each(accuracies):
    each = ", ".join(f"{100 * value:.1f}" for value in accuracies)
    return f"{statistics.mean(accuracies):.1%} ({each})"


def _write(path, results, summary):
    summary = {
        "seeds": [r["seed"] for r in results],
        **summary,
        "search_seconds": [r["search_seconds"] for r in results],
        "retrain_seconds": [r["retrain_seconds"] for r in results],
        "versions": results[0]["versions"],
        "machine": results[0]["machine"],
    }
    pathlib.Path(path).write_text(json.dumps(summary, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", help="output_dir of each run")
    parser.add_argument("--json", help="file to write the summary to")
    arguments = parser.parse_args()
    results = read_results(arguments.folders)
    if "family" in results[0]:
        rows = summarize_family(results)
        print(family_table(rows))
        if arguments.json:
            _write(arguments.json, results, {"family": rows})
        return
    rows = summarize(results)
    print(table(rows))
    found = rows[1]["test_accuracy"]
    for other in (rows[0], *rows[2:]):
        differences = ", ".join(
            f"{100 * (a - b):+.1f}"
            for a, b in zip(found, other["test_accuracy"], strict=True)
        )
        print(
            f"{rows[1]['network']} minus {other['network']}, seed by seed, "
            f"in points: {differences}"
        )
    ratios = {
        key: [r[key] for r in results]
        for key in ("cost_ratio", "seconds_ratio")
        if key in results[0]
    }
    for key, values in ratios.items():
        each = ", ".join(f"{value:.3f}" for value in values)
        print(f"{key.replace('_', ' ')}, seed by seed: {each}")
    if arguments.json:
        _write(arguments.json, results, {"networks": rows, **ratios})


if __name__ == "__main__":
    main()
