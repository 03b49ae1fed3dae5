"""Cutting a model that goes on training, and where its weights came from."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_nas.graph import ChannelFlow
from keras_nas.slicing.piece import Piece
from keras_nas.slicing.slicer import Cutter


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """Where the entries of a new variable were in an old one.

    Attributes:
        variable: The new variable.
        source: The old one.
        index: Integer array of the new variable's shape, into the flat
            entries of the old one.
    """

    variable: keras.Variable
    source: keras.Variable
    index: np.ndarray

    def take(self, values):
        """Returns those of some values, one for each entry of the source."""
        return ops.convert_to_numpy(values).reshape(-1)[self.index]


def shrink_model(model, scales):
    """Cuts channels out of a model that shall go on training.

    As `slice_model`, but masks that can go on learning stay, cut to the
    channels that stay, and the states of random generators are kept.

    Args:
        model: A built Keras model with masks; left as it is.
        scales: List with the switches of every mask.

    Returns:
        `(model, origins)`, the smaller model and a list of `Origin`s. Weights
        that nothing corresponds to, such as a bias that took up a constant,
        have none.
    """
    cutter = _TrainingCutter(ChannelFlow(model), scales)
    return cutter.cut(), cutter.origins


class _TrainingCutter(Cutter):
    for_training = True

    def __init__(self, flow, scales):
        super().__init__(flow, scales)
        self.origins = []

    def note_layer(self, piece, layer):
        old, new = _states(piece.operation), _states(layer)
        for source, variable in zip(old, new, strict=True):
            variable.assign(source)
        if not layer.weights:
            return
        indices = _IndexPiece(piece)
        self.flow.rules[piece.node.index].build(indices)
        sources = piece.operation.weights
        ends = np.cumsum([int(np.prod(v.shape)) for v in sources])
        for variable, index in zip(layer.weights, indices.weights, strict=True):
            index = np.asarray(index)
            if index.size and index.min() < 0:
                continue
            number = int(np.searchsorted(ends, index.min(), side="right"))
            start = ends[number] - int(np.prod(sources[number].shape))
            index = np.rint(index - start).astype("int64")
            self.origins.append(Origin(variable, sources[number], index))


class _IndexPiece(Piece):
    """A piece whose weights are numbered, to see where a rule takes them.

    The entries of all weights of a layer are numbered in a row. New ones, of
    a bias that takes up constants, are -1.
    """

    def __init__(self, piece):
        self.__dict__.update(piece.__dict__)
        self.operation = _Numbered(piece.operation)
        self.config, self.weights = dict(piece.config), []

    def constants_in(self, axis=None):
        return np.zeros(self._state_in(axis).length)

    def offset_in(self):
        return 0.0

    def new_bias(self, offset):
        rule = self.flow.rules[self.node.index]
        if rule.gains_bias(self.node, self.flow, self.reading):
            return np.full(np.shape(offset), -1.0)
        return None

    def gain(self, factor):
        return 1.0

    def folded_scale(self):
        return 1.0

    def folded_input_scale(self):
        return 1.0

    def fold(self, what):
        pass


class _Numbered:
    """A layer whose weights are the numbers of their entries."""

    def __init__(self, layer):
        self._layer = layer

    @property
    def __class__(self):
        return type(self._layer)

    def __getattr__(self, name):
        return getattr(self._layer, name)

    def get_weights(self):
        numbers, start = [], 0
        for weight in self._layer.weights:
            size = int(np.prod(weight.shape))
            numbers.append(
                np.arange(start, start + size, dtype="float64").reshape(
                    weight.shape
                )
            )
            start += size
        return numbers


def _states(layer):
    """Returns the variables of a layer that are no weights: of generators."""
    weights = {id(v) for v in layer.weights}
    return [v for v in layer.variables if id(v) not in weights]
