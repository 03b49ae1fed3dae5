"""Data of the weights and of the architecture, batch by batch side by side."""

import keras
import numpy as np
from keras import tree

WEIGHTS, ARCHITECTURE = "weights", "architecture"


class PairedData(keras.utils.PyDataset):
    """Pairs of batches of two `keras.utils.PyDataset`s.

    Args:
        weights: Data of the weights; there are as many pairs as batches.
        architecture: Data of the architecture, which begin anew when they end.
    """

    def __init__(self, weights, architecture):
        super().__init__(
            workers=weights.workers,
            use_multiprocessing=weights.use_multiprocessing,
            max_queue_size=weights.max_queue_size,
        )
        self.weights, self.architecture = weights, architecture

    @property
    def num_batches(self):
        return self.weights.num_batches

    def __getitem__(self, index):
        other = index % self.architecture.num_batches
        return _pair(self.weights[index], self.architecture[other])

    def on_epoch_begin(self):
        self.weights.on_epoch_begin()
        self.architecture.on_epoch_begin()

    def on_epoch_end(self):
        self.weights.on_epoch_end()
        self.architecture.on_epoch_end()


def pair_data(x, y, sample_weight, architecture_data):
    """Returns data whose batches are pairs of batches.

    Args:
        x: Data of the weights, as in `keras.Model.fit`: arrays, a
            `tf.data.Dataset` or a `keras.utils.PyDataset`.
        y: Targets, if `x` is arrays.
        sample_weight: Weights, if `x` is arrays, or `None`.
        architecture_data: As `x`, or a tuple of arrays `(x, y)` or
            `(x, y, sample_weight)`; or `None`, to take the second half of
            arrays. What is shorter than `x` repeats, what is longer is cut.

    Returns:
        `(data, first)`: what `fit` takes, and the data of the weights.

    Raises:
        ValueError: If there is no data of the architecture, or the two are of
            different kinds.
    """
    other = architecture_data
    if all(isinstance(d, keras.utils.PyDataset) for d in (x, other)):
        return PairedData(x, other), x
    if all(hasattr(d, "element_spec") for d in (x, other)):
        return x.zip(x, other.repeat()).map(_pair), x
    arrays = (x, y) if sample_weight is None else (x, y, sample_weight)
    if y is None or not _are_arrays(arrays):
        _refuse(x, other)
    if other is None:
        cut = (_length(arrays) + 1) // 2
        other = tree.map_structure(lambda a: a[cut:], arrays)
        arrays = tree.map_structure(lambda a: a[:cut], arrays)
    is_tuple = isinstance(other, tuple) and len(other) in (2, 3)
    if not is_tuple or not _are_arrays(other) or not _length(other):
        _refuse(x, other)
    places = np.arange(_length(arrays))
    if len(places) != _length(other):
        places = places % _length(other)
        other = tree.map_structure(lambda a: np.asarray(a)[places], other)
    return _pair(arrays, other), arrays[0]


def unpair(batch):
    """Returns the batches of the weights and of the architecture of a pair."""
    pair = batch[0] if isinstance(batch, tuple) else batch
    return pair[WEIGHTS], pair[ARCHITECTURE]


def batches_of(data, batch_size, number):
    """Returns the first batches of inputs of arrays; other data as they are.

    Args:
        data: As `pair_data` returns `first`.
        batch_size: Integer.
        number: Integer, how many batches there are at most.
    """
    if not _are_arrays(data):
        return data
    starts = range(0, _length(data), batch_size)[:number]
    return [
        tree.map_structure(lambda a, s=start: a[s : s + batch_size], data)
        for start in starts
    ]


def is_pair(batch):
    """Whether a batch is a pair of batches."""
    pair = batch[0] if isinstance(batch, tuple) else batch
    return isinstance(pair, dict) and set(pair) == {WEIGHTS, ARCHITECTURE}


def _pair(weights, architecture):
    return {WEIGHTS: weights, ARCHITECTURE: architecture}


def _are_arrays(data):
    return all(hasattr(a, "shape") for a in tree.flatten(data))


def _length(arrays):
    return len(tree.flatten(arrays)[0])


def _refuse(x, architecture_data):
    raise ValueError(
        "Invalid value received for argument `architecture_data`. Expected "
        "data that share no example with `x`, and are of the same kind: "
        "arrays `(x, y)`, a `tf.data.Dataset`, or a `keras.utils.PyDataset`. "
        "With arrays it may be left out for their second half to be taken. "
        f"Received: x of {type(x).__name__}, architecture_data of "
        f"{type(architecture_data).__name__}"
    )
