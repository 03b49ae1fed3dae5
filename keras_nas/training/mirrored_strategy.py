"""A MirroredStrategy whose input outlives what Keras does with it."""

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
