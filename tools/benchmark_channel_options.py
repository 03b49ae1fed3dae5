"""Memory and time of a training step, as the options of channels grow.

    python -m tools.benchmark_channel_options --json rows.json --png rows.png

Figure 7 of FBNetV2 (DMaskingNAS, Section 4.3), at a small size. Each
convolution of a network chooses among k numbers of channels, {c / k, 2 c / k,
..., c}, in one of two ways:

* masked, as DMaskingNAS does: one convolution and one BatchNormalization of c
  channels, then `keras_nas.ChannelMask(k)` (Eq. 3);
* conventional, as DNAS did before: a convolution and a BatchNormalization for
  each option, whose outputs are padded with zeros to c channels and summed
  with Gumbel-softmax weights (Eq. 1). These are (k + 1) / 2 times as many
  channels.

A ReLU follows the mask or the sum; nothing else differs. The convolutions are
plain 3x3 ones: on CPUs a depthwise one of 32 channels takes JAX longer than a
plain one, which has 32 times the multiply-adds, and would hide the rest.

A step is forward, backward and the update of all weights and logits by SGD
with momentum, compiled as one function by JAX. The expected cost, numbers that
are added to the loss, is left out. The memory is what the compiler plans, to
the byte and the same in every run: temporaries, which are feature maps and
gradients, and peak = temporaries + arguments + outputs - outputs that take the
place of arguments, which counts weights and momenta too. The seconds are the
median over turns. In a turn all functions run, in random order, each twice in
a row: what ran before it slows only the first time, which is not counted.

Fails if the memory of the masked network, peak or temporaries, with any number
of options differs by more than 1% from that with the fewest.
"""

import argparse
import statistics
import sys
import time
import warnings

import keras
import numpy as np
from keras import layers
from keras import ops

import keras_nas
from keras_nas.report import figure as figures
from tools import option_benchmarks as shared

OPTIONS = (1, 2, 4, 8, 16, 32)
TOLERANCE = 0.01
CLASSES = shared.CLASSES

_STYLES = {
    "masked": ("DMaskingNAS", figures.BLUE, "o"),
    "conventional": ("conventional DNAS", figures.ORANGE, "s"),
}
_PANELS = [
    ("peak", 1e-6, "peak memory, MB"),
    ("seconds", 1.0, "time, seconds"),
]


class PaddedSum(layers.Layer):
    """Sums feature maps with Gumbel-softmax weights (DMaskingNAS, Eq. 1).

    The maps may have fewer channels than the last one; they are padded with
    zeros. Weights are drawn as `ChannelMask` draws them, in every training
    step anew.

    Args:
        seed: Integer seed of the draws.
        **kwargs: Base layer keyword arguments, such as `name`.

    Call arguments:
        inputs: List of tensors `(batch, height, width, channels)`, the last
            of which has the most channels.
    """

    def __init__(self, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shapes):
        self.draws = keras_nas.ChannelMask(
            [shape[-1] for shape in input_shapes],
            seed=self.seed,
            name=f"{self.name}_draws",
        )
        self.draws.build(input_shapes[-1])
        super().build(input_shapes)

    def compute_output_shape(self, input_shapes):
        return input_shapes[-1]

    def call(self, inputs, training=False):
        if training:
            self.draws.seed_generator.advance()
        weights = self.draws.weights_of_options()
        channels = inputs[-1].shape[-1]
        padded = [_pad(x, channels) for x in inputs]
        return sum(weights[i] * x for i, x in enumerate(padded))


def _pad(x, channels):
    return ops.pad(x, [(0, 0)] * 3 + [(0, channels - x.shape[-1])])


def build_supernet(method, options, blocks, channels, image_size):
    """Builds a classifier whose convolutions choose their channels.

    Args:
        method: `"masked"` or `"conventional"`.
        options: Integer, the number of options of each convolution.
        blocks: Integer, the number of convolutions.
        channels: Integer, the largest option; a multiple of `options`.
        image_size: Integer, height and width of the input.
    """
    build_block = {"masked": _masked, "conventional": _conventional}[method]
    x = inputs = keras.Input((image_size, image_size, 3))
    for index in range(blocks):
        x = build_block(x, channels, options, f"block{index}")
        x = layers.ReLU(name=f"block{index}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(CLASSES, name="logits")(x)
    return keras.Model(inputs, outputs, name=f"{method}_{options}")


def _masked(x, channels, options, name):
    x = _convolution(x, channels, name)
    return keras_nas.ChannelMask(options, seed=0, name=f"{name}_mask")(x)


def _conventional(x, channels, options, name):
    step = channels // options
    outputs = [
        _convolution(x, number, f"{name}_{number}")
        for number in range(step, channels + 1, step)
    ]
    return PaddedSum(seed=0, name=f"{name}_sum")(outputs)


def _convolution(x, channels, name):
    convolution = layers.Conv2D(
        channels, 3, padding="same", use_bias=False, name=f"{name}_conv"
    )
    return layers.BatchNormalization(name=f"{name}_norm")(convolution(x))


class _Subject:
    """A compiled training step, what it needs, and its seconds."""

    def __init__(self, model, batch):
        import jax

        optimizer = shared.make_optimizer(model)
        self._state = shared.state_of(model, optimizer)
        self._batch = batch
        self.params = model.count_params()
        start = time.perf_counter()
        step = jax.jit(shared.make_jax_step(model, optimizer), donate_argnums=0)
        self._step = step.lower(self._state, *batch).compile()
        self.compile_seconds = time.perf_counter() - start
        self.seconds = []

    def step(self):
        """Makes a step; returns its seconds."""
        start = time.perf_counter()
        loss, self._state = self._step(self._state, *self._batch)
        loss.block_until_ready()
        return time.perf_counter() - start

    def memory(self):
        """Returns the bytes that the compiler planned for a step."""
        sizes = self._step.memory_analysis()
        bytes_of = {
            "temporaries": sizes.temp_size_in_bytes,
            "arguments": sizes.argument_size_in_bytes,
            "outputs": sizes.output_size_in_bytes,
            "aliased": sizes.alias_size_in_bytes,
        }
        peak = sum(bytes_of.values()) - 2 * bytes_of["aliased"]
        return {"peak": peak, **bytes_of}


def measure(flags):
    """Compiles and times a step for each method and number of options.

    Args:
        flags: What `_parse` returns.

    Returns:
        List of rows, plain data.
    """
    batch = shared.make_batch(flags.batch_size, flags.image_size)
    subjects = {}
    for options in flags.options:
        for method in _STYLES:
            limit = flags.max_conventional_options
            if method == "conventional" and options > limit:
                continue
            keras.utils.set_random_seed(0)
            model = build_supernet(
                method,
                options,
                flags.blocks,
                flags.channels,
                flags.image_size,
            )
            subjects[method, options] = _Subject(model, batch)
    _take_turns(list(subjects.values()), flags.turns)
    return [
        _make_row(method, options, subjects, flags)
        for method in _STYLES
        for options in flags.options
        if (method, options) in subjects
    ]


def _take_turns(subjects, turns):
    generator = np.random.default_rng(0)
    for _ in range(turns):
        for index in generator.permutation(len(subjects)):
            subjects[index].step()
            seconds = subjects[index].step()
            subjects[index].seconds.append(seconds)


def _make_row(method, options, subjects, flags):
    """Returns what was measured, and its ratios to the fewest options."""
    subject = subjects[method, options]
    first = subjects[method, flags.options[0]]
    memory, first_memory = subject.memory(), first.memory()
    ratios = [
        a / b for a, b in zip(subject.seconds, first.seconds, strict=True)
    ]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "method": method,
        "options": options,
        "params": subject.params,
        **memory,
        "peak_ratio": memory["peak"] / first_memory["peak"],
        "temporaries_ratio": memory["temporaries"]
        / first_memory["temporaries"],
        "seconds": statistics.median(subject.seconds),
        "seconds_min": min(subject.seconds),
        "seconds_ratio": middle,
        "seconds_ratio_quartiles": [low, high],
        "compile_seconds": subject.compile_seconds,
    }


def find_growth(rows):
    """Returns the largest ratio - 1 of the masked network, by kind."""
    masked = [row for row in rows if row["method"] == "masked"]
    return {
        kind: max(abs(row[f"{kind}_ratio"] - 1.0) for row in masked)
        for kind in ("peak", "temporaries")
    }


def print_rows(rows):
    """Prints the rows as a readable table."""
    print(
        f"{'':<12}  {'':>7}  {'':>11}  {'temporaries':^17}  {'peak':^17}  "
        f"{'time':^17}\n{'method':<12}  {'options':>7}  {'params':>11}  "
        f"{'MB':>9} {'ratio':>7}  {'MB':>9} {'ratio':>7}  {'ms':>9} "
        f"{'ratio':>7}"
    )
    for row in rows:
        print(
            f"{row['method']:<12}  {row['options']:>7}  {row['params']:>11,}  "
            f"{1e-6 * row['temporaries']:>9.3f} "
            f"{row['temporaries_ratio']:>7.4f}  "
            f"{1e-6 * row['peak']:>9.3f} {row['peak_ratio']:>7.4f}  "
            f"{1e3 * row['seconds']:>9.1f} {row['seconds_ratio']:>7.2f}"
        )


def _parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "--options", type=int, nargs="+", default=list(OPTIONS), metavar="K"
    )
    parser.add_argument(
        "--max_conventional_options",
        type=int,
        default=max(OPTIONS),
        help="leave out conventional networks with more; they compile slowly",
    )
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--turns", type=int, default=10)
    shared.add_files(parser)
    flags = parser.parse_args(arguments)
    flags.options = sorted({*flags.options})
    shared.check_sizes(
        parser, flags, "blocks", "channels", "image_size", "batch_size"
    )
    if flags.turns < 2:
        parser.error("--turns must be at least 2, for quartiles")
    if len(flags.options) < 2:
        parser.error("--options must be two different numbers or more")
    if any(k < 1 or flags.channels % k for k in flags.options):
        parser.error("--channels must be a multiple of each of --options")
    if flags.max_conventional_options < flags.options[0]:
        parser.error("--max_conventional_options leaves none")
    return flags


def _facts():
    """Returns the facts of a process that runs JAX."""
    import jax

    facts = shared.facts()
    facts["machine"]["device"] = jax.devices()[0].device_kind
    return facts


def _print_verdicts(growth):
    for kind, value in growth.items():
        verdict = "within" if value <= TOLERANCE else "ABOVE"
        print(
            f"{kind} of the masked network: {verdict} {TOLERANCE:.0%} of that "
            f"with the fewest options (largest difference {value:.4%})"
        )


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    flags = _parse(arguments)
    if not shared.is_installed("jax"):
        sys.exit("JAX is not installed: pip install -e '.[jax]'")
    if keras.backend.backend() != "jax":
        jax = {"KERAS_BACKEND": "jax"}
        name = "benchmark_channel_options"
        code = shared.run_tool(name, arguments, jax).returncode
        if code:
            sys.exit(code)
        return

    # One option, a softmax of one number, is what the others compare with.
    warnings.filterwarnings("ignore", message="You are using a softmax")
    rows = measure(flags)
    print_rows(rows)
    left_out = [k for k in flags.options if k > flags.max_conventional_options]
    if left_out:
        print(f"Left out: conventional networks with {left_out} options.")
    growth = find_growth(rows)
    _print_verdicts(growth)
    facts = _facts()
    shared.print_facts(
        f"{flags.blocks} convolutions of {flags.channels} channels, "
        f"{flags.image_size}x{flags.image_size}, batch {flags.batch_size}, "
        f"{flags.turns} turns",
        facts,
    )
    if flags.json:
        shared.write_json(
            flags.json, flags, rows, masked_growth=growth, **facts
        )
    if flags.png:
        label = "options of each convolution"
        shared.plot(rows, _STYLES, "options", label, _PANELS, flags.png)
    if max(growth.values()) > TOLERANCE:
        sys.exit("The memory of the masked network is not constant.")


if __name__ == "__main__":
    main()
