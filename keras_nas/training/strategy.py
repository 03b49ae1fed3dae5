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
        from keras_nas.training.mirrored_strategy import MirroredStrategy

        return MirroredStrategy()
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


def check_not_synchronized(model):
    """Raises a `ValueError` if replicas would wait for each other in a loop.

    TensorFlow allows no synchronized BatchNormalization in a loop of a
    compiled step, except on TPUs.

    Args:
        model: A `keras.Model`.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    strategy = model.distribute_strategy
    with strategy.scope():
        if not tf.distribute.has_strategy():
            return
    names = [
        layer.name
        for layer in model._flatten_layers()
        if getattr(layer, "synchronized", False)
    ]
    if names and "TPU" not in type(strategy).__name__:
        raise ValueError(
            f"Under a {type(strategy).__name__}, expected no layers with "
            "`synchronized=True`, since they are run in a loop, where "
            f"replicas cannot wait for each other. Received: {names}. Build "
            "the model without it; each replica then takes the statistics of "
            "its own part of the batch."
        )
