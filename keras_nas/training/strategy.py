"""Where a model is trained: tf.distribute strategies by name."""

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
