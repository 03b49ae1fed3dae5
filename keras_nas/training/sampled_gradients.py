"""Gradients of a mean over samples, of which one is in memory at a time."""

import keras
from keras import ops

BACKENDS = ("tensorflow", "jax")


def mean_gradients(
    loss, record, width, variables, state, number, most, outputs
):
    """Returns the gradients of the mean of a loss over some samples.

    A loop computes one sample after the other, in a compiled step, too: how
    many there are may change from step to step without a retrace, and the
    memory that one took is there for the next.

    Args:
        loss: Function from the index of a sample, a scalar tensor, to
            `(loss, outputs)`: a scalar, and a structure of tensors.
        record: Function from the index and the outputs of a sample to a list
            of scalars. No gradients go through it.
        width: Integer, how many scalars that is.
        variables: List of the variables that gradients are taken of.
        state: List of all other variables that may be read or assigned.
        number: Scalar integer tensor, how many samples there are.
        most: Integer, how many there are at most.
        outputs: List of tensors of the shapes and types of the outputs.

    Returns:
        `(gradients, records, outputs)`: a list of tensors; a float32 tensor
        with a row for each sample, zeros from row `number` on; and the
        outputs of the last sample.
    """
    structure = []

    def body(index, sums, records, _):
        gradients, _, found = gradients_of(
            lambda: loss(index), variables, state
        )
        structure[:] = [found]
        row = [ops.cast(r, "float32") for r in record(index, found)]
        return (
            index + 1,
            [s + g for s, g in zip(sums, gradients, strict=True)],
            ops.scatter_update(
                records, ops.reshape(index, (1, 1)), ops.stack(row)[None]
            ),
            [
                ops.reshape(new, ops.shape(old))
                for new, old in zip(
                    keras.tree.flatten(found), outputs, strict=True
                )
            ],
        )

    start = (
        ops.zeros((), "int32"),
        [ops.zeros(v.shape, v.dtype) for v in variables],
        ops.zeros((most, width), "float32"),
        outputs,
    )
    _, sums, records, outputs = _repeat(body, start, number, variables, state)
    means = [s / ops.cast(number, s.dtype) for s in sums]
    outputs = keras.tree.pack_sequence_as(structure[0], outputs)
    return means, records, outputs


def gradients_of(function, variables, state):
    """Returns the gradients of a function of variables.

    Args:
        function: Function that returns `(value, others)`, a scalar and a
            structure of tensors.
        variables: List of the variables that gradients are taken of.
        state: List of all other variables that may be read or assigned.

    Returns:
        `(gradients, value, others)`; the gradients are tensors, zero where a
        variable is not used.
    """
    if keras.backend.backend() == "jax":
        return _gradients_under_jax(function, variables, state)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value, others = function()
    gradients = [
        tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
        for v, g in zip(variables, tape.gradient(value, variables), strict=True)
    ]
    return gradients, value, others


def _gradients_under_jax(function, variables, state):
    import jax

    def pure(values, state_values):
        scope = _scope([*variables, *state], [*values, *state_values])
        with scope:
            value, others = function()
        return value, (others, [scope.get_current_value(v) for v in state])

    (value, (others, new)), gradients = jax.value_and_grad(pure, has_aux=True)(
        [v.value for v in variables], [v.value for v in state]
    )
    for variable, after in zip(state, new, strict=True):
        variable.assign(after)
    return gradients, value, others


def _repeat(body, start, number, variables, state):
    """Returns what a loop makes of its start."""
    if keras.backend.backend() == "jax":
        return _repeat_under_jax(body, start, number, variables, state)
    import tensorflow as tf

    # Else TensorFlow would begin the next sample before memory is free.
    return tf.while_loop(
        lambda index, *_: index < number, body, start, parallel_iterations=1
    )


def _repeat_under_jax(body, start, number, variables, state):
    import jax

    constants = [v.value for v in variables]

    def pure(carried):
        carried, values = carried
        scope = _scope([*variables, *state], [*constants, *values])
        with scope:
            carried = body(*carried)
        return carried, [scope.get_current_value(v) for v in state]

    end, values = jax.lax.while_loop(
        lambda carried: carried[0][0] < number,
        pure,
        (start, [v.value for v in state]),
    )
    for variable, after in zip(state, values, strict=True):
        variable.assign(after)
    return end


def run_stateless(model, state, function):
    """Runs a function of a model's variables as Keras's JAX trainer does.

    Args:
        model: A compiled `keras.Model`.
        state: Tuple of lists, the values of its trainable variables, others,
            those of its optimizer and of its metrics.
        function: Function that reads and assigns these variables.

    Returns:
        `(result, state)`: what the function returned, and the values after it.
    """
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    variables = [v for group in groups for v in group]
    scope = _scope(variables, [v for group in state for v in group])
    with scope:
        result = function()
    return result, tuple(
        [scope.get_current_value(v) for v in group] for group in groups
    )


def _scope(variables, values):
    return keras.StatelessScope(
        state_mapping=list(zip(variables, values, strict=True))
    )
