"""The flags that all experiments share, and those that a preset makes."""

import dataclasses
import types

from absl import flags
from absl import logging

from keras_nas.training import STRATEGIES
from keras_nas.training import find_strategy

FLAGS = flags.FLAGS

# What a run is given besides its preset.
SHARED = (
    "data_dir",
    "download",
    "seed",
    "strategy",
    "replicas",
    "tpu",
    "tpu_zone",
    "gcp_project",
)


class _Numbers(flags.ArgumentParser):
    """Reads numbers with commas between them, integers where they are some."""

    syntactic_help = "numbers with commas between them"

    def parse(self, argument):
        if not isinstance(argument, str):
            return tuple(argument)
        return tuple(
            _number(part) for part in argument.split(",") if part.strip()
        )


def _number(text):
    try:
        return int(text)
    except ValueError:
        return float(text)


def _define_numbers(name, default, text):
    serializer = flags.ListSerializer(",")
    return flags.DEFINE(_Numbers(), name, default, text, FLAGS, serializer)


_DEFINE = {
    bool: flags.DEFINE_bool,
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    tuple: _define_numbers,
}


def define(presets):
    """Defines the common flags and one flag for each field of the presets.

    Args:
        presets: Dictionary from name to preset, a dataclass instance.
    """
    # TFDS tells a lot. `app.run` would not leave another default as it is.
    FLAGS.verbosity = logging.WARNING
    flags.DEFINE_enum(
        "preset",
        "small",
        sorted(presets),
        "Settings to start from. smoke: the whole path in under a minute; "
        "small: minutes, meaningful; *imagenet2012: a paper's.",
    )
    flags.DEFINE_string(
        "data_dir", None, "Folder of TFDS data sets; TFDS's own by default."
    )
    flags.DEFINE_bool(
        "download", False, "Whether a missing data set may be downloaded."
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder for results. A run that stopped goes on from its last "
        "finished stage when started again with the same folder.",
        required=True,
    )
    flags.DEFINE_enum(
        "strategy",
        "default",
        STRATEGIES,
        "Where to train: default: one device; mirrored: all GPUs of this "
        "machine; multi_worker: several machines, each with the environment "
        "variable TF_CONFIG and the same command, and a shared --output_dir; "
        "tpu: a TPU.",
    )
    flags.DEFINE_integer(
        "replicas",
        None,
        "With --strategy=mirrored: so many GPUs, or parts of the CPU.",
        lower_bound=1,
    )
    flags.DEFINE_string(
        "tpu", None, "With --strategy=tpu: its name or address, or local."
    )
    flags.DEFINE_string("tpu_zone", None, "Google Cloud zone of the TPU.")
    flags.DEFINE_string("gcp_project", None, "Google Cloud project of the TPU.")
    flags.DEFINE_integer("seed", 0, "Seed of weights, masks and data order.")
    preset = next(iter(presets.values()))
    for field in dataclasses.fields(preset):
        values = ", ".join(
            f"{name}: {_as_text(getattr(p, field.name))}"
            for name, p in presets.items()
        )
        text = f"{field.metadata['help']} Presets: {values}."
        _DEFINE[field.type](field.name, None, text)


def plain(**values):
    """Returns what the common flags are by default, as an object.

    Args:
        **values: Flags that have other values.
    """
    defaults = dict.fromkeys(SHARED)
    defaults.update(download=False, strategy="default", seed=0)
    return types.SimpleNamespace(**{**defaults, **values})


def strategy_of(flags_):
    """Returns the `tf.distribute.Strategy` that the flags choose.

    Args:
        flags_: `FLAGS`, or an object as `plain` returns it.

    Raises:
        ValueError: If there is none.
    """
    try:
        return find_strategy(
            flags_.strategy,
            flags_.replicas,
            flags_.tpu,
            flags_.tpu_zone,
            flags_.gcp_project,
        )
    except ValueError as error:
        raise ValueError(
            f"Invalid value received for flag --strategy={flags_.strategy}, "
            f"or a flag that belongs to it. {error}"
        ) from error


def chosen_preset(presets):
    """Returns the chosen preset with the overrides given by flags."""
    preset = presets[FLAGS.preset]
    names = [field.name for field in dataclasses.fields(preset)]
    given = {
        name: FLAGS[name].value
        for name in names
        if FLAGS[name].value is not None
    }
    return dataclasses.replace(preset, **given)


def flagfile(preset):
    """Returns the text of a flagfile that repeats this run."""
    values = {
        name: FLAGS[name].value
        for name in ("preset", "data_dir", "strategy", "replicas", "seed")
    }
    values.update(dataclasses.asdict(preset))
    lines = [f"--{k}={_as_text(v)}" for k, v in values.items() if v is not None]
    return "\n".join(lines) + "\n"


def _as_text(value):
    """Returns a value as it is given to a flag."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value
