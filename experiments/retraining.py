"""What trainings do besides the optimizer: stochastic depth, a teacher."""

import os

import keras

from keras_nas.training import add_stochastic_depth
from keras_nas.training import make_distiller
from keras_nas.training.distillation import check_teacher


def load_teacher(path, datasets):
    """Returns the teacher of a run.

    Args:
        path: Path of a .keras file.
        datasets: `keras_nas.data.Datasets` that students are trained on.

    Raises:
        ValueError: If there is no file, or it cannot teach these classes.
    """
    if not os.path.isfile(path):
        raise ValueError(
            "Invalid value received for flag --teacher. Expected the path of "
            f"a .keras file. Received: {path!r}, where there is none."
        )
    teacher = keras.models.load_model(path, compile=False)
    shape = (None, *datasets.input_shape)
    check_teacher(teacher, shape, datasets.num_classes)
    return teacher


def for_training(context, model):
    """Returns what is fitted to train a model: it, or one of its layers.

    Args:
        context: The `Context`.
        model: A Keras model, which the training of what is returned trains.
    """
    preset = context.preset
    if preset.stochastic_depth:
        model = add_stochastic_depth(
            model, preset.stochastic_depth, context.seed
        )
    if context.teacher is not None:
        model = make_distiller(
            model,
            context.teacher,
            preset.distillation_temperature,
            preset.distillation_weight,
        )
    return model
