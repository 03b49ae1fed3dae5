"""What the benchmarks of more and more options share.

A training step, a figure with a curve for each method, and the facts and
files of a measurement.
"""

import datetime
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
from keras import ops
from matplotlib.ticker import NullLocator

from keras_nas.report import environment
from keras_nas.report import figure as figures

CLASSES = 10

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def make_optimizer(model):
    """Returns SGD with momentum, built for a model."""
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    optimizer.build(model.trainable_variables)
    return optimizer


def make_loss():
    """Returns the loss of a classifier's logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_batch(batch_size, image_size):
    """Returns random images and labels."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch_size, image_size, image_size, 3))
    y = generator.integers(0, CLASSES, batch_size)
    return (
        ops.convert_to_tensor(x, "float32"),
        ops.convert_to_tensor(y, "int32"),
    )


def state_of(model, optimizer):
    """Returns what a step of `make_jax_step` changes."""
    kinds = (
        model.trainable_variables,
        model.non_trainable_variables,
        optimizer.variables,
    )
    return [[variable.value for variable in kind] for kind in kinds]


def make_jax_step(model, optimizer):
    """Returns `step(state, x, y) -> (loss, state)`, a pure function."""
    import jax

    loss_of = make_loss()

    def compute_loss(trainable, other, x, y):
        logits, other = model.stateless_call(trainable, other, x, training=True)
        return loss_of(y, logits), other

    differentiate = jax.value_and_grad(compute_loss, has_aux=True)

    def step(state, x, y):
        trainable, other, slots = state
        (loss, other), gradients = differentiate(trainable, other, x, y)
        trainable, slots = optimizer.stateless_apply(
            slots, gradients, trainable
        )
        return loss, [trainable, other, slots]

    return step


def run_tool(name, arguments, variables, **kwargs):
    """Runs a tool in a process of its own, with environment variables.

    Args:
        name: Name of the module in this folder.
        arguments: List of strings.
        variables: Dictionary of environment variables to add.
        **kwargs: Arguments of `subprocess.run`, whose result is returned.
    """
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", f"tools.{name}", *arguments],
        env={
            **os.environ,
            **variables,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        },
        check=False,
        **kwargs,
    )


def is_installed(package):
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def plot(rows, styles, count, count_label, panels, path):
    """Draws what was measured against the number of options.

    Args:
        rows: List of dictionaries with `"method"`, `count`, and for each panel
            `kind` and `{kind}_ratio`; the last ratio is written at the curve.
        styles: Dictionary from methods to `(label, color, marker)`.
        count: Key of the number of options.
        count_label: String, the label of its axis.
        panels: List of `(kind, unit, label)`: a key, the factor to draw it
            with, and the label of its axis.
        path: Path of the `.png`, `.svg` or `.pdf` file to write.
    """
    figure = figures.new_figure(3.5 * len(panels), 3.6)
    many = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (kind, unit, label) in zip(many, panels, strict=True):
        for method, style in styles.items():
            shown = [row for row in rows if row["method"] == method]
            _draw_curve(axes, shown, style, count, kind, unit)
        ticks = sorted({row[count] for row in rows})
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(count_label, color=figures.DARK)
        axes.set_ylabel(label, color=figures.DARK)
        figures.clean(axes, grid="both")
        axes.margins(y=0.1)
        axes.set_ylim(bottom=0.0)
    figure.legend(
        *many[0].get_legend_handles_labels(),
        title="a training step with",
        loc="outside upper center",
        ncols=len(styles),
        frameon=False,
        fontsize=9,
        title_fontsize=9,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figures.write_figure(figure, path)


def _draw_curve(axes, rows, style, count, kind, unit):
    label, color, marker = style
    numbers = [row[count] for row in rows]
    values = [row[kind] * unit for row in rows]
    axes.plot(
        numbers,
        values,
        color=color,
        label=label,
        linewidth=1.8,
        marker=marker,
        markersize=6,
        markeredgecolor="white",
    )
    ratio = rows[-1][f"{kind}_ratio"]
    axes.annotate(
        f"{ratio:.1f}x" if ratio >= 10.0 else f"{ratio:.2f}x",
        (numbers[-1], values[-1]),
        xytext=(-4, 7),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=figures.DARK,
    )


def facts():
    """Returns `environment()`, with JAX's version if it is installed."""
    facts = environment()
    if is_installed("jax"):
        import jax

        facts["versions"]["jax"] = jax.__version__
    return facts


def print_facts(sizes, facts):
    """Prints what was measured, when, and with what.

    Args:
        sizes: String.
        facts: What `facts` returns.
    """
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    machine = facts["machine"]
    device = f", on {machine['device']}" if "device" in machine else ""
    print(
        f"{sizes}\n{datetime.date.today()}, {versions}, "
        f"{machine['num_cpus']} cores of {machine['processor']}, "
        f"{machine['system']}{device}"
    )


def write_json(path, flags, rows, **others):
    """Writes rows, the arguments that made them, and other plain data."""
    arguments = {
        name: value
        for name, value in vars(flags).items()
        if name not in ("json", "png")
    }
    results = {
        "date": datetime.date.today().isoformat(),
        "arguments": arguments,
        "rows": rows,
        **others,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def add_files(parser):
    """Adds `--json` and `--png`."""
    for name in ("json", "png"):
        parser.add_argument(
            f"--{name}", type=pathlib.Path, help="file to write"
        )


def check_sizes(parser, flags, *names):
    """Stops if one of the flags is below 1, or the picture is no .png."""
    for name in names:
        if getattr(flags, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if flags.png and flags.png.suffix != ".png":
        parser.error("--png must be a file name that ends in .png")
