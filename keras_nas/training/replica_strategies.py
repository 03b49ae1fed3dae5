"""Strategies of TensorFlow with which `fit` of Keras 3 works as it should."""

import collections

import tensorflow as tf


class MirroredStrategy(tf.distribute.MirroredStrategy):
    """Replicas on the devices of one machine.

    Under a strategy, each `fit` and `evaluate` of Keras starts an iterator
    over the data only to look at a batch, and deletes it while TensorFlow's
    thread still fetches the next one. Once in some hundred times the process
    then ends with SIGSEGV (seen with TensorFlow 2.21 and Keras 3.15). Here an
    iterator is deleted only when two others were started after it, long after
    its thread came to rest.
    """

    def experimental_distribute_dataset(self, dataset, options=None):
        return _Kept(super().experimental_distribute_dataset(dataset, options))


class MultiWorkerMirroredStrategy(tf.distribute.MultiWorkerMirroredStrategy):
    """Replicas on the devices of several machines, one process each.

    `fit` of Keras 3.15 fails under TensorFlow's own: it takes means of tuples,
    which TensorFlow takes of single tensors only, and means over the axis 0 of
    logs that have no axis. Here means are taken of the items of any structure,
    and of numbers without an axis. Iterators are kept as under
    `MirroredStrategy`.

    A data set whose policy is `AutoShardPolicy.OFF` is taken as this worker's
    own part of every batch; of others each worker takes its part itself, after
    all examples were made.
    """

    def experimental_distribute_dataset(self, dataset, options=None):
        policy = dataset.options().experimental_distribute.auto_shard_policy
        if policy != tf.data.experimental.AutoShardPolicy.OFF:
            data = super().experimental_distribute_dataset(dataset, options)
            return _Kept(data)
        data = self.distribute_datasets_from_function(
            lambda context: _divided(dataset, context), options
        )
        return _Kept(data)

    def reduce(self, reduce_op, value, axis=None):
        def reduced(item):
            of_replica = self.experimental_local_results(item)[0]
            has_axis = axis is not None and of_replica.shape.rank
            return super(MultiWorkerMirroredStrategy, self).reduce(
                reduce_op, item, axis if has_axis else None
            )

        return tf.nest.map_structure(reduced, value)


def _divided(dataset, context):
    """Returns a worker's batches in parts, one for each of its replicas."""
    replicas = context.num_replicas_in_sync // context.num_input_pipelines
    if replicas == 1:
        return dataset
    size = tf.nest.flatten(dataset.element_spec)[0].shape[0]
    if size is None or size % replicas:
        raise ValueError(
            "Expected batches that can be divided by the number of replicas "
            f"of this worker, {replicas}. Received: a batch size of {size}"
        )
    return dataset.rebatch(size // replicas)


class _Kept:
    def __init__(self, dataset):
        self.dataset = dataset
        self.iterators = collections.deque(maxlen=2)

    def __iter__(self):
        iterator = iter(self.dataset)
        self.iterators.append(iterator)
        return iterator

    def __getattr__(self, name):
        return getattr(self.dataset, name)
