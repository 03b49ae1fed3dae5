"""Which channels are on, as formulas over masks.

Probabilities alone cannot say that a mask applied twice counts once:
p * p is not p. So the state of a channel is first a formula, kept in a normal
form in which repetition disappears, and only then a number.

A formula is a disjunction of terms. A term says "these masks keep this
channel, and this gate is open". A `Gate` is a statement about a whole layer,
such as "some input channel is on". Channels that share a formula, up to the
position inside the masks, form a `Segment`.
"""

import dataclasses

import numpy as np


class Gate:
    """A statement about a layer: true, or some/all/any of other statements.

    Gates are made by `Logic`, which returns the same object for the same
    statement.
    """

    __slots__ = ("kind", "operands")

    def __init__(self, kind, operands=()):
        self.kind = kind
        self.operands = operands


TRUE = Gate("true")


@dataclasses.dataclass(frozen=True)
class Segment:
    """A run of channels with one formula.

    Attributes:
        length: Number of channels.
        terms: Frozen set of `(masks, gate)`; `masks` is a frozen set of
            `(mask index, first position, step)`, step 0 where all channels of
            the run read the same position. The empty set is "off".
    """

    length: int
    terms: frozenset

    def take(self, start, length, step):
        """Returns the run of `length` channels start, start + step, ..."""
        if (start, length, step) == (0, self.length, 1):
            return self
        step = step if length > 1 else 0
        terms = frozenset(
            (
                frozenset((m, at + by * start, by * step) for m, at, by in ms),
                gate,
            )
            for ms, gate in self.terms
        )
        return Segment(length, terms)


_ON = frozenset([(frozenset(), TRUE)])
_OFF = frozenset()


class Channels(tuple):
    """The formulas of a tensor's channels: a tuple of `Segment`s."""

    @classmethod
    def on(cls, length):
        return cls([Segment(length, _ON)])

    @classmethod
    def off(cls, length):
        return cls([Segment(length, _OFF)])

    @classmethod
    def chosen(cls, length, mask, option):
        """All on where an exclusive mask has chosen an option."""
        term = (frozenset([(mask, option, 0)]), TRUE)
        return cls([Segment(length, frozenset([term]))])

    @classmethod
    def gated(cls, length, gate):
        return cls([Segment(length, frozenset([(frozenset(), gate)]))])

    @classmethod
    def masked(cls, length, mask):
        term = (frozenset([(mask, 0, int(length > 1))]), TRUE)
        return cls([Segment(length, frozenset([term]))])

    @property
    def length(self):
        return sum(segment.length for segment in self)

    @property
    def always_on(self):
        return all(segment.terms == _ON for segment in self)

    def split(self, cuts):
        """Returns the same channels with segments ending at all of `cuts`."""
        result, start = [], 0
        for segment in self:
            stop = start + segment.length
            inner = [c for c in cuts if start < c < stop]
            for a, b in zip([start, *inner], [*inner, stop], strict=True):
                result.append(segment.take(a - start, b - a, 1))
            start = stop
        return Channels(result)

    def ends(self):
        """Returns the positions at which segments end."""
        return np.cumsum([segment.length for segment in self]).tolist()

    def take(self, index):
        """Returns the channels at `index`, an integer array, in that order."""
        starts = np.cumsum([0] + [segment.length for segment in self])
        index = np.asarray(index)
        which = np.searchsorted(starts, index, side="right") - 1
        result = []
        for first, last, step in _runs(index, which):
            segment = self[which[first]]
            offset = int(index[first] - starts[which[first]])
            result.append(segment.take(offset, last - first, step))
        return Channels(result)

    def __add__(self, other):
        return Channels(tuple.__add__(self, other))


def _runs(index, which):
    """Yields `(first, last, step)` of the longest runs with step 0 or 1."""
    first = 0
    while first < len(index):
        last, step = first + 1, 1
        if last < len(index) and index[last] == index[first]:
            step = 0
        while (
            last < len(index)
            and which[last] == which[first]
            and index[last] - index[last - 1] == step
        ):
            last += 1
        yield first, last, step
        first = last


class Logic:
    """Makes gates and combines channels; the same statement is one object.

    Args:
        exclusive: Dictionary from the index of an exclusive mask, of whose
            switches exactly one is on, to the number of its switches.
    """

    def __init__(self, exclusive=None):
        self.exclusive = exclusive or {}
        self._gates = {}

    def _gate(self, kind, operands):
        return self._gates.setdefault((kind, operands), Gate(kind, operands))

    def some_channel(self, channels):
        """Returns the gate "at least one of `channels` is on"."""
        if any(segment.terms == _ON for segment in channels):
            return TRUE
        return self._gate("some channel", channels)

    def all_of(self, gates):
        gates = frozenset(gates) - {TRUE}
        if len(gates) <= 1:
            return next(iter(gates), TRUE)
        return self._gate("all", gates)

    def any_of(self, gates):
        gates = frozenset(gates)
        if TRUE in gates or len(gates) == 1:
            return TRUE if TRUE in gates else next(iter(gates))
        return self._gate("any", gates)

    def both(self, a, b):
        """Returns the channels that are on in `a` and in `b`."""
        return self._combine(a, b, self._both_terms)

    def either(self, a, b):
        """Returns the channels that are on in `a` or in `b`."""
        return self._combine(a, b, lambda x, y: self._normal([*x, *y]))

    def _combine(self, a, b, function):
        if a == b:
            return a
        cuts = sorted({*a.ends(), *b.ends()})
        pairs = zip(a.split(cuts), b.split(cuts), strict=True)
        return Channels(
            Segment(x.length, function(x.terms, y.terms)) for x, y in pairs
        )

    def _both_terms(self, x, y):
        return self._normal(
            (masks | others, self.all_of([gate, other]))
            for masks, gate in x
            for others, other in y
        )

    def _normal(self, terms):
        """Merges terms of equal masks and drops those that others imply."""
        gates = {}
        for masks, gate in terms:
            if not self._contradicts(masks):
                gates[masks] = self.any_of([gate, gates.get(masks, gate)])
        for mask in self.exclusive:
            self._merge_options(mask, gates)
        implied = {
            masks
            for masks, gate in gates.items()
            for others, other in gates.items()
            if others < masks and other in (TRUE, gate)
        }
        return frozenset(
            (masks, gate)
            for masks, gate in gates.items()
            if masks not in implied
        )

    def _contradicts(self, masks):
        """Whether a term wants two options of an exclusive mask at once."""
        wanted = [mask for mask, _, _ in masks if mask in self.exclusive]
        return len(wanted) > len(set(wanted))

    def _merge_options(self, mask, gates):
        """Adds the terms that hold whichever option is chosen."""
        options = {}
        for masks, gate in gates.items():
            for entry in masks:
                if entry[0] == mask:
                    key = masks - {entry}, gate
                    options.setdefault(key, set()).add(entry[1])
        for (rest, gate), found in options.items():
            if len(found) == self.exclusive[mask]:
                gates[rest] = self.any_of([gate, gates.get(rest, gate)])
