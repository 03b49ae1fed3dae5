"""Arithmetic of probabilities, or of decisions, of whole vectors.

A Python float stands for a vector of equal, constant entries, so that parts
of a model that no mask reaches cost nothing at run time.
"""

import numpy as np


class Arithmetic:
    """What is known of statements, from what is known of others.

    Args:
        ops: The namespace to compute with: `numpy` or `keras.ops`.
        dtype: String, the dtype of the probabilities. Sums of decisions are
            exact up to 2**24 in float32 and up to 2**53 in float64.
    """

    def __init__(self, ops, dtype):
        self.ops = ops
        self.dtype = dtype
        self._some = {}  # By id of a vector: `(vector, P(some entry))`.

    def product(self, a, b):
        """Returns P(a and b), for independent `a` and `b`."""
        for x, y in ((a, b), (b, a)):
            if is_constant(x):
                return y if x == 1.0 else 0.0
        return a * b

    def maximum(self, a, b):
        """Returns P(a or b) where one of them implies the other."""
        for x, y in ((a, b), (b, a)):
            if is_constant(x):
                return 1.0 if x == 1.0 else y
        return self.ops.maximum(a, b)

    def negation(self, a):
        return 1.0 - a

    def any_of(self, values):
        """Returns P(at least one of some independent statements)."""
        if len(values) == 1:
            return values[0]
        none = 1.0
        for value in values:
            none = self.product(none, self.negation(value))
        return self.negation(none)

    def some(self, vector):
        """Returns P(at least one entry of a vector)."""
        if is_constant(vector):
            return vector
        if id(vector) in self._some:
            return self._some[id(vector)][1]
        return 1.0 - self.none(vector)

    def none(self, vector):
        """Returns P(no entry of a vector)."""
        return self.ops.prod(1.0 - vector)

    def take(self, vector, index):
        if is_constant(vector):
            return vector
        return self.ops.take(vector, np.asarray(index), axis=0)

    def fold(self, vector, index, length):
        """Returns, for each of `length` channels, the largest entry of
        `vector` among those j with `index[j]` equal to the channel."""
        if is_constant(vector):
            return vector
        return self.segment_max(vector, np.asarray(index), length)

    def collect(self, vectors, indices, length):
        """Returns, for each of `length` channels, the largest of the entries
        that stand for it: `vectors[i][j]` stands for `indices[i][j]`."""
        if all(is_constant(vector) for vector in vectors):
            if len(set(vectors)) == 1:
                return vectors[0]
        full = [
            vector * self.ones(len(index))
            for vector, index in zip(vectors, indices, strict=True)
        ]
        return self.segment_max(
            self.ops.concatenate(full), np.concatenate(indices), length
        )

    def at_least_one(self, vector, live):
        """Demands channel 0 where a live layer would get no input at all."""
        if is_constant(vector) or vector.ndim == 0:
            return vector
        none = self.product(live, self.none(vector))
        first = np.zeros(vector.shape[0], self.dtype)
        first[0] = 1.0
        vector = vector + self.ops.array(first) * none
        self._some[id(vector)] = vector, live
        return vector

    def ones(self, length):
        return self.ops.ones((length,), self.dtype)

    def spread(self, demand, length):
        vector = demand * self.ones(length)
        self._some[id(vector)] = vector, demand
        return vector

    def larger(self, a, b):
        both = self.maximum(a, b)
        if self.is_certain(a) or self.is_certain(b):
            self._some[id(both)] = both, 1.0
        return both

    def is_certain(self, vector):
        """Whether some entry of a vector is 1 whatever the masks say."""
        _, some = self._some.get(id(vector), (None, 0.0))
        return is_constant(some) and some == 1.0

    def at_most_one(self, total):
        """Limits a sum over options of which more than one may be open."""
        return np.minimum(total, 1.0) if self.ops is np else total

    def segment_max(self, data, segments, number):
        if self.ops is np:
            result = np.zeros(number, data.dtype)
            np.maximum.at(result, segments, data)
            return result
        result = self.ops.segment_max(
            data, segments.astype("int32"), num_segments=number
        )
        return self.ops.maximum(result, 0.0)  # Empty segments are -inf.


def is_constant(value):
    """Whether a value of a reading is known without the masks."""
    return isinstance(value, float)
