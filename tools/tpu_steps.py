"""The training steps of the searches, as experiments compile them.

A step is what a search's `train_step` does in one replica: forward, backward,
the updates of optimizers, statistics and metrics. Searches, optimizers and
losses are those of the experiments' presets; the data are specifications, so
that presets of data sets that are not here can be taken as well.
"""

import collections.abc
import contextlib
import copy
import dataclasses
import gc
import types

import keras
import tensorflow as tf
from tensorflow.python.ops import custom_gradient  # It has no other name.

from experiments import atomnas
from experiments import bignas
from experiments import dmasking
from experiments import figs
from experiments import fpnas
from experiments import pipeline
from keras_nas.data import Datasets
from keras_nas.search.paired_data import pair_data
from keras_nas.training.single_trace import make_variables

_STEPS = 100  # Of an epoch; they end up in constants of learning rates.
_CLASSES = {"photo_patches": 10, "imagenet2012": 1000, "imagenet100": 100}

# Shapes have to be known, so elastic layers compute all and mask it.
_STATIC = {"execution": "masked"}


@dataclasses.dataclass
class Step:
    """A training step of a search.

    Attributes:
        name: String, for tables.
        run: Function of a batch, that trains.
        batch_size: Integer, of the preset.
        settings: Dictionary of what differs from the preset.
        data: Function from a data set to the one that the step reads.
        shape: Tuple, of an image.
    """

    name: str
    run: collections.abc.Callable
    batch_size: int
    settings: dict
    data: collections.abc.Callable
    shape: tuple

    def module(self, batch_size=None):
        """Returns the step as StableHLO, text.

        Args:
            batch_size: Integer; by default, that of the preset.

        Raises:
            tf.errors.OpError: If XLA can not compile it.
        """
        images = blank_images(self.shape, batch_size or self.batch_size)
        return stablehlo(self.run, self.data(images).element_spec)


def stablehlo(function, *arguments):
    """Returns what a function of tensors computes, as the text of a module.

    Args:
        function: Function that XLA can compile.
        *arguments: `tf.TensorSpec`s, or structures of such.
    """

    def run(*flat):  # TensorFlow takes no structures of specifications here.
        return function(*tf.nest.pack_sequence_as(arguments, flat))

    compiled = tf.function(run, jit_compile=True, autograph=False)
    flat = tf.nest.flatten(arguments)
    with quick_tracing():
        return compiled.experimental_get_compiler_ir(*flat)(stage="stablehlo")


@contextlib.contextmanager
def quick_tracing():
    """Has TensorFlow trace functions with gradients of their own quickly.

    For each, as for each network that is computed once more in the backward
    pass, it looks for variables of TensorFlow 1 in all that came before, in a
    time that grows with the square of it. There are none. And Python looks
    for garbage in a graph that is all in use.
    """
    before, collects = custom_gradient._get_dependent_variables, gc.isenabled()
    custom_gradient._get_dependent_variables = lambda *args, **kwargs: []
    gc.disable()
    try:
        yield
    finally:
        custom_gradient._get_dependent_variables = before
        if collects:
            gc.enable()


def blank_images(shape, batch_size):
    """Returns a data set of black images, as `keras_nas.data` has batches.

    Args:
        shape: Tuple, of an image.
        batch_size: Integer.
    """
    image, label = tf.zeros(shape), tf.zeros((), "int32")
    some = tf.data.Dataset.from_tensors((image, label)).repeat()
    batches = some.batch(batch_size, drop_remainder=True)
    return batches.take(_STEPS)


def open_context(preset):
    """Returns the `Context` of an experiment, with black images.

    Args:
        preset: The preset of an experiment.
    """
    shape = (preset.image_size, preset.image_size, 3)
    classes = _CLASSES[preset.dataset]
    images = blank_images(shape, preset.batch_size)
    roles = ("search", "train", "validation", "test", "architecture")
    data = Datasets(
        name=preset.dataset,
        **dict.fromkeys(roles, images),
        num_classes=classes,
        class_names=tuple(map(str, range(classes))),
        input_shape=shape,
        batch_size=preset.batch_size,
        cardinalities=dict.fromkeys(roles, _STEPS * preset.batch_size),
        splits=dict.fromkeys(roles, ""),
        streams=dict.fromkeys(roles, lambda epoch: images),
    )
    folder = types.SimpleNamespace(path=lambda *names: "")  # Has no files.
    strategy = tf.distribute.get_strategy()
    return pipeline.Context(
        folder, preset, 0, data, strategy, load=lambda **_: data
    )


def _whole(search):
    return {"": (search, search.train_step)}


def _dmasking(search):
    # It alternates between two models, of which each has its own step.
    masks = search._phase.view
    return {
        "weights": (search, search.train_step),
        "masks": (masks, masks.train_step),
    }


def _fpnas(search):
    def step(is_warming_up):
        def run(data):
            search.is_warming_up = is_warming_up
            return search.train_step(data)

        return run

    return {"warm-up": (search, step(True)), "search": (search, step(False))}


def _as_it_is(images):
    return images


def _pairs(images):
    return pair_data(images, None, None, images)[0]


@dataclasses.dataclass
class _Method:
    """How the steps of a search are made.

    Attributes:
        experiment: The `experiment.Method`.
        steps: Function from a search to a dictionary from names of steps to
            the model and the function of each.
        data: As of `Step`.
        preset: String, its preset if that is not the chosen one.
    """

    experiment: object
    steps: collections.abc.Callable = _whole
    data: collections.abc.Callable = _as_it_is
    preset: str | None = None


class _AtLargestResolution(dmasking.DMaskingNAS):
    """DMaskingNAS at the largest resolution, without a choice of one.

    The module of several resolutions is as many times as large.
    """

    def space(self, context):
        space = copy.copy(super().space(context))
        space.resolutions = space.resolutions[-1:]
        return space


_METHODS = {
    "figs": _Method(figs.FiGS()),
    "dmasking": _Method(dmasking.DMaskingNAS(), _dmasking),
    "fpnas": _Method(fpnas.FPNASExperiment(), _fpnas, _pairs),
    "bignas": _Method(bignas.BigNAS()),
    "atomnas": _Method(atomnas.AtomNAS()),
    "fbnetv2_f": _Method(
        _AtLargestResolution(), _dmasking, preset="imagenet2012"
    ),
}


def static_settings(preset):
    """Returns what a preset must have for all shapes to be known.

    Args:
        preset: The preset of an experiment.
    """
    return {k: v for k, v in _STATIC.items() if hasattr(preset, k)}


def make_steps(name, preset):
    """Returns the training steps of a search.

    Args:
        name: String, that of a method, or fbnetv2_f, the space of the paper of
            DMaskingNAS, at 224 pixels.
        preset: String, the name of a preset of its experiment.

    Returns:
        List of `Step`s.
    """
    method = _METHODS[name]
    chosen = method.experiment.presets[method.preset or preset]
    settings = static_settings(chosen)
    chosen = dataclasses.replace(chosen, **settings)
    keras.backend.clear_session()
    context = open_context(chosen)
    search = method.experiment.new_search(context)
    method.experiment.compile(context, search)
    steps = []
    for part, (model, run) in method.steps(search).items():
        make_variables(model, method.data(context.data.train))
        steps.append(
            Step(
                name=f"{name} {part}".strip(),
                run=run,
                batch_size=chosen.batch_size,
                settings=settings,
                data=method.data,
                shape=context.data.input_shape,
            )
        )
    return steps
