"""Where a model is trained: tf.distribute strategies by name."""

import functools
import os

import keras

STRATEGIES = ("default", "mirrored", "multi_worker", "tpu")


def find_strategy(name, replicas=None, tpu=None, zone=None, project=None):
    """Returns a `tf.distribute.Strategy` by its name.

    Call it before anything else of TensorFlow, which cannot change its devices
    or join a cluster later.

    Args:
        name: `"default"` for the default device; `"mirrored"` for all GPUs of
            this machine; `"multi_worker"` for the GPUs, or the CPU, of each
            machine that the environment variable `TF_CONFIG` names, where the
            same program has to be started; `"tpu"` for a TPU.
        replicas: Integer, only with `"mirrored"`: so many GPUs; on a machine
            without any, so many parts of its CPU, to try things out.
        tpu: String, only with `"tpu"`: its name or address; `"local"` for one
            of this machine; by default that of the environment.
        zone: String, the Google Cloud zone of the TPU; by default that of
            this machine.
        project: String, the Google Cloud project of the TPU; by default that
            of this machine.

    Returns:
        A strategy; build and compile models inside its `scope()`.

    Raises:
        ValueError: If there is no such strategy, or what it needs is missing.

    Example:

    >>> import keras, keras_nas.training
    >>> strategy = keras_nas.training.find_strategy("default")
    >>> with strategy.scope():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> strategy.num_replicas_in_sync
    1
    """
    import tensorflow as tf

    if name not in STRATEGIES:
        raise _invalid("name", f"one of {STRATEGIES}", name)
    if replicas is not None and (name != "mirrored" or replicas < 1):
        expected = "an integer above 0, with the strategy 'mirrored' only"
        raise _invalid("replicas", expected, replicas)
    if name == "mirrored":
        from keras_nas.training.replica_strategies import MirroredStrategy

        return MirroredStrategy(_devices(replicas))
    if name == "multi_worker":
        return _multi_worker()
    if name == "tpu":
        return _tpu(tpu, zone, project)
    return tf.distribute.get_strategy()


def worker_of(strategy):
    """Returns which process of a strategy this is.

    Args:
        strategy: A `tf.distribute.Strategy`.

    Returns:
        A tuple `(index, number)`: 0 is the chief, which alone writes files.
    """
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    tasks = _tasks(resolver.cluster_spec().as_dict())
    return tasks.index((resolver.task_type, resolver.task_id)), len(tasks)


def is_chief(strategy):
    """Returns whether this process writes the files of a training.

    Args:
        strategy: A `tf.distribute.Strategy`.
    """
    return worker_of(strategy)[0] == 0


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


def _devices(replicas):
    """Returns the names of so many devices, `None` for all there are."""
    import tensorflow as tf

    if replicas is None:
        return None
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if len(gpus) < replicas:
            expected = f"at most {len(gpus)}, the GPUs of this machine"
            raise _invalid("replicas", expected, replicas)
        return [f"GPU:{index}" for index in range(replicas)]
    cpu = tf.config.list_physical_devices("CPU")[0]
    wanted = [tf.config.LogicalDeviceConfiguration()] * replicas
    try:
        tf.config.set_logical_device_configuration(cpu, wanted)
    except RuntimeError as error:  # TensorFlow has begun.
        parts = len(tf.config.list_logical_devices("CPU"))
        if parts < replicas:
            expected = (
                f"at most {parts}, the parts of the CPU when TensorFlow "
                "began; call `find_strategy` before anything else"
            )
            raise _invalid("replicas", expected, replicas) from error
    return [f"CPU:{index}" for index in range(replicas)]


@functools.cache  # A process joins one cluster, once.
def _multi_worker():
    from keras_nas.training.replica_strategies import (
        MultiWorkerMirroredStrategy,
    )

    if not os.environ.get("TF_CONFIG"):
        raise ValueError(
            "The strategy 'multi_worker' needs the environment variable "
            "TF_CONFIG, which names all workers and which of them this is, "
            'such as {"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
            '"task": {"type": "worker", "index": 0}}. It is not set.'
        )
    try:
        return MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ValueError(
            f"The strategy 'multi_worker' cannot be made: {error} Call "
            "`find_strategy` before anything else of TensorFlow."
        ) from error


@functools.cache
def _tpu(tpu, zone, project):
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu, zone=zone, project=project
        )
        if tpu != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise _invalid(
            "tpu", f"the name of a TPU that can be reached ({reason})", tpu
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _tasks(cluster):
    """Returns the processes that train, as TensorFlow counts them."""
    return [
        (kind, index)
        for kind in ("chief", "worker")
        for index in range(len(cluster.get(kind, ())))
    ]


def _invalid(argument, expected, received):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected "
        f"{expected}. Received: {argument}={received!r}"
    )
