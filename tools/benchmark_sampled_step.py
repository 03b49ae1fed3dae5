"""What a step on a sampled network costs in a supernet, and alone.

    python -m tools.benchmark_sampled_step --space small_fp_nas \
        --json step.json

The claim of FP-NAS that a search holds one network in memory, and not all that
there are. For the biggest network of a space, and for one that was drawn, a
training step is measured of

* `single`: the network alone, as the space builds it;
* `sampled`: the supernet, which is told in each step what to run, in the
  execution for CPUs and GPUs, where sizes change from step to step;
* `masked`: the same in the execution for XLA, where they do not;
* `all`: the supernet with the outputs of all branches, weighted and summed.

Each is measured in a process of its own: see `tools/step_memory.py`. With
`--tpu`, the memory that XLA's compiler plans for a TPU is added, for all but
`sampled`. It needs no TPU, but `pip install libtpu` and JAX.
"""

import argparse
import json

import keras

from keras_nas import spaces
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import named_deciders
from keras_nas.layers import ElasticSwitch
from tools import option_benchmarks as shared
from tools import step_memory

_NAME = "benchmark_sampled_step"
_METHODS = ("single", "sampled", "masked", "all")
_PANELS = (
    ("peak", "memory, MB", 1e-6),
    ("seconds", "time, ms", 1e3),
    ("tpu_peak", "TPU's plan, MB", 1e-6),
)


def network_of(space, name):
    """Returns the architecture called `"biggest"`, or one that is drawn."""
    if name == "biggest":
        return space.biggest()
    return space.sample(seed=int(name))


def all_branches(model):
    """Returns a supernet that computes all branches of every switch."""

    def call(layer, *args, **kwargs):
        if isinstance(layer, ElasticSwitch):
            kwargs.pop("training", None)
            return layer.call(*args, **kwargs)  # What the graph of it is.
        return layer(*args, **kwargs)

    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )


def build(space, method, architecture):
    """Returns the model of a method, and the child of it to run."""
    if method == "single":
        return space.build(architecture, shared.CLASSES), ()
    masked = method != "sampled"
    model = space.supernet(
        shared.CLASSES,
        execution="masked" if masked else "sliced",
        recompute=method == "masked",
        seed=0,
    )
    choices = named_deciders(flow_of(model))
    child = [
        (choice, choice.options.index(architecture.decisions[name]))
        for name, choice in choices.items()
    ]
    return (all_branches(model) if method == "all" else model), child


def measure(flags):
    """Returns rows of plain data, one for each network and method."""
    cells = [(name, m) for name in ("biggest", "0") for m in flags.methods]
    sizes = {
        key: getattr(flags, key) for key in ("space", "batch_size", "steps")
    }
    measured = step_memory.measure(_NAME, sizes, cells, flags.tpu)
    rows = []
    for (name, method), row in zip(cells, measured, strict=True):
        row = {"network": name, "method": method, **row}
        single = next((r for r in rows if r["network"] == name), row)
        for kind, _, _ in _PANELS:
            if kind in row and kind in single:
                row[f"{kind}_ratio"] = row[kind] / (single[kind] or 1)
        rows.append(row)
    return rows


def _print_cells(text):
    """Measures in this process, and prints JSON for the one that asks."""
    sizes = json.loads(text)
    space, rows = spaces.find_space(sizes["space"]), []
    for name, method in sizes["cells"]:
        keras.utils.set_random_seed(0)
        if keras.backend.backend() == "jax" and method == "sampled":
            rows.append({})  # Its sizes are not known when it is compiled.
            continue
        model, child = build(space, method, network_of(space, name))
        arguments = model, sizes["batch_size"], sizes["steps"], child
        rows.append(step_memory.measure_here(*arguments))
    print(json.dumps(rows))


def table(rows):
    """Returns the rows as a markdown table."""
    panels = [p for p in _PANELS if any(p[0] in row for row in rows)]
    titles = "".join(f" {title} | ratio |" for _, title, _ in panels)
    lines = [
        f"| network | step | params |{titles}",
        f"| :-- | :-- | --: |{' --: | --: |' * len(panels)}",
    ]
    for row in rows:
        text = f"| {row['network']} | {row['method']} | {row['params']:,} |"
        for kind, _, unit in panels:
            if kind in row:
                ratio = row[f"{kind}_ratio"]
                text += f" {row[kind] * unit:,.1f} | {ratio:.2f} |"
            else:
                text += " | |"
        lines.append(text)
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--space", default="small_fp_nas")
    parser.add_argument(
        "--methods", nargs="+", default=list(_METHODS), choices=_METHODS
    )
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument(
        "--tpu",
        action="store_true",
        help="add the memory that the compiler for TPUs plans",
    )
    parser.add_argument("--cells", help=argparse.SUPPRESS)
    shared.add_files(parser)
    flags = parser.parse_args(arguments)
    if flags.cells:
        _print_cells(flags.cells)
        return
    shared.check_sizes(parser, flags, "batch_size", "steps")
    step_memory.check_packages(flags.tpu)
    rows = measure(flags)
    print(table(rows))
    facts = shared.facts()
    shared.print_facts(
        f"{flags.space}, batch {flags.batch_size}, {flags.steps} steps", facts
    )
    if flags.json:
        shared.write_json(flags.json, flags, rows, **facts)


if __name__ == "__main__":
    main()
