"""Knowledge distillation from any Keras model."""

import keras
import numpy as np
from keras import ops


def make_distiller(student, teacher, temperature=1.0, weight=0.5):
    """Returns a model that trains a student on labels and a teacher's outputs.

    Compile and fit it in place of the student, with a loss of logits: it is a
    `keras.distillation.Distiller`. What it trains is `student` itself, which
    stays the model to save and export. The loss is
    `(1 - weight) * loss + weight * T**2 * KL(softmax(t / T), softmax(s / T))`,
    with the logits t of the teacher, s of the student, and the temperature T.

    A model that returns probabilities takes part with their logarithms, which
    are logits of the same probabilities. The teacher sees the student's
    images, resized where it takes another size. Where it wants other pixel
    values than the student, put a `Rescaling` in front of it. It is frozen.

    Args:
        student: A built Keras model with one input and one output.
        teacher: A built Keras model for the same classes.
        temperature: Float above 0.
        weight: Float in [0, 1], the teacher's share of the loss.

    Returns:
        A `keras.distillation.Distiller`.

    Raises:
        ValueError: If `temperature` or `weight` is out of range, or the two
            models have other numbers of classes or of color channels.

    Reference:
        Distilling the Knowledge in a Neural Network, Section 2.
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 5.4.

    Example:

    >>> import keras
    >>> from keras_nas.training import make_distiller
    >>> def network(size):
    ...     return keras.Sequential([
    ...         keras.Input((size, size, 3)),
    ...         keras.layers.GlobalAveragePooling2D(),
    ...         keras.layers.Dense(10),
    ...     ])
    >>> distiller = make_distiller(network(8), teacher=network(16))
    >>> distiller.compile(
    ...     "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ... )
    >>> len(distiller.trainable_variables)
    2
    """
    if not temperature > 0.0:
        raise _error("temperature", "a number above 0", temperature)
    if not 0.0 <= weight <= 1.0:
        raise _error("weight", "a share of the loss, in [0, 1]", weight)
    check_teacher(teacher, student.input_shape, student.output_shape[-1])
    # By its name, Keras 3.15 finds a function instead, and applies it to the
    # logits as if they were probabilities.
    divergence = keras.losses.KLDivergence()
    return keras.distillation.Distiller(
        teacher=_with_logits(teacher, student.input_shape),
        student=_with_logits(student, student.input_shape),
        distillation_losses=keras.distillation.LogitsDistillation(
            temperature, divergence
        ),
        student_loss_weight=1.0 - weight,
    )


def check_teacher(teacher, input_shape, classes):
    """Raises a `ValueError` if a model cannot teach a student.

    Args:
        teacher: A built Keras model.
        input_shape: Tuple, the shape of the student's images.
        classes: Integer, the student's number of classes.
    """
    found = teacher.output_shape, teacher.input_shape
    if any(isinstance(shape, (list, dict)) for shape in found):
        expected = "a model with one input and one output"
    elif len(found[0]) != 2 or found[0][-1] != classes:
        expected = f"a model for {classes} classes, as the student's"
    elif found[1][-1] != input_shape[-1]:
        expected = f"a model of images with {input_shape[-1]} channels"
    else:
        return
    raise ValueError(
        f"Invalid value received for argument `teacher`. Expected {expected}. "
        f"Received: '{teacher.name}', which takes {found[1]} and returns "
        f"{found[0]}."
    )


def _with_logits(model, input_shape):
    """Returns a model of the same layers, for a size, that returns logits."""
    size = tuple(input_shape[1:])
    is_resized = tuple(model.input_shape[1:-1]) not in (
        size[:-1],
        (None,) * len(size[:-1]),
    )
    is_logarithm = _returns_probabilities(model)
    if not is_resized and not is_logarithm:
        return model
    x = inputs = keras.Input(size)
    if is_resized:
        x = keras.layers.Resizing(*model.input_shape[1:-1])(x)
    x = model(x)
    if is_logarithm:
        x = ops.log(ops.maximum(x, keras.config.epsilon()))
    return keras.Model(inputs, x, name=f"{model.name}_logits")


def _returns_probabilities(model):
    """Whether the outputs for some noise are all distributions."""
    shape = [size or 32 for size in model.input_shape[1:]]
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, (4, *shape))
    outputs = ops.convert_to_numpy(
        model(noise.astype("float32"), training=False)
    )
    return bool(
        (outputs >= 0.0).all() and np.allclose(outputs.sum(-1), 1.0, atol=1e-3)
    )


def _error(argument, expected, value):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected "
        f"{expected}. Received: {argument}={value!r}"
    )
