"""The regularizer of MorphNet, as a reading of a model's channels.

A convolution costs c A_in A_out, where A counts the channels that are alive.
MorphNet penalizes it by c (A_in R_out + A_out R_in), where R adds up the
factors of the channels that are alive, and A is a constant (Eq. 5). That is
the gradient of the cost, with each channel's factor in the place of whether it
is alive: so here counts are those of what is alive, and their gradients those
of the factors. Channels that are tied are alive if any of them is, and have
the largest factor.
"""

from keras import ops

from keras_nas.graph.reading import Reading


class MorphNetReading(Reading):
    """Counts what is alive, with the gradients of the factors.

    Args:
        flow: A `ChannelFlow`.
        alive: One vector of 0 and 1 per mask of `flow.masks`.
        factors: One vector per mask, the factors of its channels, from 0.
    """

    def __init__(self, flow, alive, factors):
        super().__init__(flow, [ops.stop_gradient(a) for a in alive], ops)
        present = [f * a for f, a in zip(factors, alive, strict=True)]
        self._largest = _Largest(flow, present, ops)

    def count(self, state):
        count = super().count(state)
        total = self._largest.count(state)
        if isinstance(count, int) or isinstance(total, int):
            return count
        return count + total - ops.stop_gradient(total)


class _Largest(Reading):
    """Has the largest factor of several for "any", and no gradient for what
    depends on a whole layer."""

    def any_of(self, values):
        result = values[0]
        for value in values[1:]:
            result = self.maximum(result, value)
        return result

    def none(self, vector):
        return 1.0 - ops.cast(ops.max(vector) > 0.0, self.dtype)

    def negation(self, a):
        if isinstance(a, float):
            return 1.0 - a
        return 1.0 - ops.cast(a > 0.0, self.dtype)
