"""What the tools share that leave one part of a method out at a time."""

import argparse
import dataclasses
import json
import pathlib
import statistics

import keras

from experiments import flags
from experiments import pipeline
from experiments.run import Run
from keras_nas.environment import environment


def context_of(preset, seed, folder):
    """Returns the `Context` of a preset without flags.

    Args:
        preset: The preset of an experiment.
        seed: Integer.
        folder: Path of the folder of a training.
    """
    options = flags.plain(seed=seed)
    run = Run(folder, f"{seed} {preset}\n")
    return pipeline.open_context(run, preset, options)


def by_variant(rows):
    """Returns the rows of each variant, in a dictionary."""
    names = dict.fromkeys(row["variant"] for row in rows)
    return {n: [row for row in rows if row["variant"] == n] for n in names}


def mean_and_each(values):
    """Returns shares as a text in percent, the mean and one for each seed."""
    each = ", ".join(f"{100 * value:.1f}" for value in values)
    return f"{statistics.mean(values):.1%} ({each})"


def main(tool, description, presets, variants, measure, table):
    """Measures all variants for some seeds; prints, and writes JSON.

    Args:
        tool: String, the name of the tool's module.
        description: String, its docstring.
        presets: Dictionary from names to presets.
        variants: Dictionary from names to what is different from a preset, a
            dictionary, or a function from a preset to such a dictionary.
        measure: Function from a preset, a seed and a folder to a row, a
            dictionary of plain data.
        table: Function from rows to a markdown table. Each row has its
            `variant` and `seed`.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=presets)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", help="all by default")
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--json", help="file to write the measurements to")
    arguments = parser.parse_args()
    preset, rows = presets[arguments.preset], []
    known = variants(preset) if callable(variants) else variants
    names = arguments.variants or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--variants must be some of {list(known)}: {unknown}")
    for seed in arguments.seeds:
        for name in names:
            folder = f"{seed}_{name.replace(', ', '_').replace(' ', '_')}"
            folder = pathlib.Path(arguments.output_dir, folder)
            changed = dataclasses.replace(preset, **known[name])
            row = {
                "variant": name,
                "seed": seed,
                **measure(changed, seed, folder),
            }
            rows.append(row)
            keras.utils.clear_session()  # Graphs take much memory.
            shown = {k: v for k, v in row.items() if k != "history"}
            print(shown, flush=True)
    print(table(rows))
    if arguments.json:
        results = {
            "command": f"python -m tools.{tool}",
            "preset": dataclasses.asdict(preset),
            "rows": rows,
            **environment(),
        }
        text = json.dumps(results, indent=1) + "\n"
        pathlib.Path(arguments.json).write_text(text)
