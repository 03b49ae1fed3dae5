"""Where a model is trained: tf.distribute strategies by name."""

import keras

STRATEGIES = ("default", "mirrored")


def find_strategy(name):
    """Returns a `tf.distribute.Strategy` by its name.

    Args:
        name: `"default"` for the default device, or `"mirrored"` for all GPUs
            of this machine (or its logical CPUs).

    Returns:
        A strategy; build and compile models inside its `scope()`.

    Raises:
        ValueError: If there is no such strategy.
    """
    import tensorflow as tf

    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    raise ValueError(
        "Invalid value received for argument `name`. Expected one of "
        f"{STRATEGIES}. Received: name={name!r}"
    )


def sum_over_replicas(value):
    """Returns the sum of a tensor over the replicas of the step that runs."""
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return value
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
