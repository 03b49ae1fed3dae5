"""What a step that is compiled needs of its backend."""

import contextlib

import keras
from keras import ops


def at_once():
    """Returns a context that computes also where a step is being traced."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.init_scope()
    if backend == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    return contextlib.nullcontext()


def switch(index, functions, *operands):
    """Computes the one of several functions that an index says.

    XLA compiles it in a reasonable time.

    Args:
        index: Scalar integer tensor.
        functions: List of functions of the operands, with results of equal
            structure and shapes.
        *operands: Tensors, or structures of such.
    """
    if keras.backend.backend() == "tensorflow" and _is_compiled():
        return _halve(index, 0, functions, operands)
    return ops.switch(index, functions, *operands)


def _is_compiled():
    import tensorflow as tf

    # It has no other name.
    from tensorflow.python.ops import control_flow_util

    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)


def _halve(index, first, functions, operands):
    """Runs one of the functions, of which the first has the index `first`.

    For each operand of a `tf.switch_case`, those of its backward pass as well,
    TensorFlow tries whether XLA can evaluate it now, which means a walk through
    all that it was computed from, by an interpreter. For a `tf.cond` it does
    not.
    """
    import tensorflow as tf

    if len(functions) == 1:
        return functions[0](*operands)
    half = len(functions) // 2
    return tf.cond(
        index < first + half,
        lambda: _halve(index, first, functions[:half], operands),
        lambda: _halve(index, first + half, functions[half:], operands),
    )
