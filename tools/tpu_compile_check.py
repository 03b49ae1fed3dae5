r"""Compiles the training steps of the searches for a TPU, without a TPU.

    pip install -e '.[tpu]'
    python -m tools.tpu_compile_check --output=tpu.json

TensorFlow makes StableHLO of what a search's `train_step` does in one replica,
with the optimizers and losses of the preset, and XLA's compiler for TPUs makes
a program of it. A step passes if it compiles, fits the memory of a core, has
shapes that are all known, and never calls the host. Searches that can compute
slices of layers run with `execution="masked"`.

The largest batch is looked for in powers of two, by compiling, which takes the
compiler minutes. Where a step has no room, it computes parts of it twice, so
that batch may be a slow one.
"""

import dataclasses
import datetime
import json
import math
import pathlib
import sys
import time

from absl import app
from absl import flags

from keras_nas.environment import environment
from keras_nas.report.tables import markdown_table
from tools import tpu_compiler

METHODS = ["figs", "dmasking", "fpnas", "bignas", "atomnas"]
KNOWN = [*METHODS, "fbnetv2_f"]
GIB = 2**30

flags.DEFINE_list(
    "methods",
    METHODS,
    f"Some of {', '.join(KNOWN)}. The last one takes half an hour.",
)
flags.DEFINE_string(
    "preset", "small", "Preset of the methods; fbnetv2_f has its own."
)
flags.DEFINE_string(
    "topology", tpu_compiler.TOPOLOGY, "Kind and number of cores."
)
flags.DEFINE_float("hbm_gib", 16.0, "Memory of a core, in GiB.", 0.0)
flags.DEFINE_list(
    "batch_sizes",
    [],
    "Images of a core's batch to compile for, instead of those of the preset "
    "over the cores; the largest batch is not looked for then.",
)
flags.DEFINE_float(
    "search_seconds",
    1200.0,
    "Of each step, look for the largest batch if two more compilations are "
    "likely to take no longer; 0: never.",
    0.0,
)
flags.DEFINE_string("output", None, "JSON file to write after each step.")
flags.register_validator(
    "methods",
    lambda names: names and set(names) <= set(KNOWN),
    f"Expected some of {', '.join(KNOWN)}.",
)
flags.register_validator(
    "batch_sizes",
    lambda sizes: all(s.isdecimal() and int(s) for s in sizes),
    "Expected integers above 0 with commas between them.",
)
FLAGS = flags.FLAGS


@dataclasses.dataclass(kw_only=True)
class Row:
    """What is known of a step: one line of the table.

    Attributes:
        step: String.
        batch_size: Integer, images on a core.
        settings: Dictionary of what differs from the preset.
        operations: Integer, of the module.
        faults: List of strings, as of `tpu_compiler.find_faults`.
        error: String, the first line of why there is no program, or `None`.
        arguments: Integer, bytes, as of `tpu_compiler.Plan`; so are
            `temporaries` and `hbm`.
        seconds: Float, of the compilation for the TPU.
        largest: Integer, the largest batch that fits, or `None` if that was
            not looked for.
    """

    step: str
    batch_size: int
    settings: dict = dataclasses.field(default_factory=dict)
    operations: int | None = None
    faults: list = dataclasses.field(default_factory=list)
    error: str | None = None
    arguments: int | None = None
    temporaries: int | None = None
    hbm: int | None = None
    seconds: float | None = None
    largest: int | None = None

    def passes(self, limit):
        """Whether the step runs on a core with `limit` bytes."""
        is_compiled = self.error is None and self.hbm is not None
        return is_compiled and not self.faults and self.hbm <= limit


def check(compiler, step, batch_size):
    """Compiles a step; returns a `Row` without `largest`.

    Args:
        compiler: A `tpu_compiler.Compiler`.
        step: A `tpu_steps.Step`.
        batch_size: Integer.
    """
    row = Row(step=step.name, batch_size=batch_size, settings=step.settings)
    try:
        text = step.module(batch_size)
    except Exception as error:  # TensorFlow's own are of several kinds.
        row.error = tpu_compiler.first_line(error)
        return row
    row.operations = tpu_compiler.count_operations(text)
    row.faults = tpu_compiler.find_faults(text)
    start = time.perf_counter()
    try:
        plan = compiler.plan(text)
    except tpu_compiler.CompileError as error:
        row.error = str(error)
    else:
        for name, value in dataclasses.asdict(plan).items():
            setattr(row, name, value)
    row.seconds = round(time.perf_counter() - start, 1)
    return row


def largest_batch(hbm_of, row, limit):
    """Returns the largest power of two of images that fit.

    It does fit; that twice as many do not is what the compiler says, or a
    straight line through what is known.

    Args:
        hbm_of: Function from a number of images to the bytes that the step
            takes, infinity if it does not compile.
        row: The `Row` of the step, at another number.
        limit: Integer, bytes.
    """
    known = {row.batch_size: row.hbm}

    def hbm_for(size):
        if size not in known:
            known[size] = hbm_of(size)
        return known[size]

    slope = row.temporaries / row.batch_size
    images = (limit - row.hbm) / slope + row.batch_size
    size = 2 ** int(math.log2(max(1.0, images)))
    hbm = hbm_for(size)
    while hbm > limit:
        if size == 1:
            return 0
        size //= 2
        hbm = hbm_for(size)
    while True:
        if size != row.batch_size:
            slope = (hbm - row.hbm) / (size - row.batch_size)
            if hbm + slope * size > limit:
                return size
        hbm = hbm_for(2 * size)
        if hbm > limit:
            return size
        size *= 2


def table(rows, limit):
    """Returns rows as a markdown table.

    Args:
        rows: List of `Row`s.
        limit: Integer, bytes of a core.
    """
    header = ["step", "batch of a core", "operations", "compiles"]
    header += ["arguments", "temporaries", "memory of a core", "largest batch"]
    lines = [
        (
            row.step,
            _count(row.batch_size),
            _count(row.operations),
            "yes" if row.passes(limit) else _reason(row),
            *map(_megabytes, (row.arguments, row.temporaries, row.hbm)),
            _count(row.largest),
        )
        for row in rows
    ]
    return markdown_table(header, lines)


def _reason(row):
    reasons = [*row.faults, *([row.error] if row.error else [])]
    return f"no: {'; '.join(reasons) or 'it does not fit'}"


def _count(value):
    return "-" if value is None else f"{value:,}"


def _megabytes(value):
    return "-" if value is None else f"{value / 1e6:,.1f} MB"


def _write(path, rows, compiler):
    facts = environment()
    for name in ("jax", "libtpu"):
        facts["versions"][name] = tpu_compiler.version_of(name)
    results = {
        "date": datetime.date.today().isoformat(),
        "arguments": {
            name: FLAGS[name].value
            for name in (
                "methods",
                "preset",
                "topology",
                "hbm_gib",
                "batch_sizes",
                "search_seconds",
            )
        },
        "device": compiler.kind,
        "cores": compiler.cores,
        "rows": [dataclasses.asdict(row) for row in rows],
        **facts,
    }
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def _check_step(compiler, step, limit):
    """Yields the rows of a step."""
    sizes = [int(size) for size in FLAGS.batch_sizes]
    for size in sizes or [max(1, step.batch_size // compiler.cores)]:
        row = check(compiler, step, size)
        searches = not sizes and 2 * (row.seconds or 0) <= FLAGS.search_seconds
        if searches and FLAGS.search_seconds and row.passes(limit):

            def hbm_of(size):
                found = check(compiler, step, size).hbm
                return math.inf if found is None else found

            row.largest = largest_batch(hbm_of, row, limit)
        yield row


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    try:
        compiler = tpu_compiler.Compiler(FLAGS.topology)
    except (ImportError, ValueError) as error:
        sys.exit(f"Error: {error}")
    from tools import tpu_steps  # Imports TensorFlow and all experiments.

    limit, rows = int(FLAGS.hbm_gib * GIB), []
    for name in FLAGS.methods:
        for step in tpu_steps.make_steps(name, FLAGS.preset):
            for row in _check_step(compiler, step, limit):
                rows.append(row)
                print(table([row], limit).splitlines()[-1], flush=True)
                if FLAGS.output:
                    _write(FLAGS.output, rows, compiler)
    print(f"\n{table(rows, limit)}")
    failed = [row.step for row in rows if not row.passes(limit)]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    app.run(main)
