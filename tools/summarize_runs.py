"""Puts runs of an experiment with different seeds into one table.

    python -m tools.summarize_runs --json=summary.json runs/figs_0 runs/figs_1

prints a markdown table with the mean test accuracy of each network and its
smallest and largest value, and the differences seed by seed.
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
        params = statistics.mean(row["params"])
        share = macs / statistics.mean(rows[0]["macs"])
        accuracies = [100 * a for a in row["test_accuracy"]]
        lines.append(
            f"| {row['network']} | {macs / 1e6:.3f} M ({share:.2f}x) "
            f"| {params / 1e3:.1f} k | {statistics.mean(accuracies):.1f}% "
            f"({min(accuracies):.1f} to {max(accuracies):.1f}) |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", help="output_dir of each run")
    parser.add_argument("--json", help="file to write the summary to")
    arguments = parser.parse_args()
    results = read_results(arguments.folders)
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
        summary = {
            "seeds": [r["seed"] for r in results],
            "networks": rows,
            "search_seconds": [r["search_seconds"] for r in results],
            "retrain_seconds": [r["retrain_seconds"] for r in results],
            **ratios,
            "versions": results[0]["versions"],
            "machine": results[0]["machine"],
        }
        text = json.dumps(summary, indent=1) + "\n"
        pathlib.Path(arguments.json).write_text(text)


if __name__ == "__main__":
    main()
