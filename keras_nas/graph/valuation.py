"""The values of formulas over masks."""

import collections

from keras_nas.graph.arithmetic import Arithmetic


class Valuation(Arithmetic):
    """Evaluates formulas, given what is known of every switch of the masks.

    Args:
        logic: The `Logic` that made the formulas.
        probabilities: One vector per mask: the probability that each of its
            switches is on.
        ops: The namespace to compute with: `numpy` or `keras.ops`.
        dtype: String, the dtype of the probabilities.
    """

    def __init__(self, logic, probabilities, ops, dtype):
        super().__init__(ops, dtype)
        self._exclusive = logic.exclusive
        self._probabilities = probabilities
        self._values = {}
        self._gates = {}

    def value(self, channels):
        """Returns the value of formulas, a vector or a constant."""
        if channels.always_on:
            return 1.0
        return self.vector(channels)

    def vector(self, channels, given_any=False):
        """Returns the value of formulas that are not all on, a vector.

        Args:
            channels: `Channels`.
            given_any: Boolean, whether it is given that every exclusive mask
                is on one of the options that a formula names.
        """
        key = channels, given_any
        if key not in self._values:
            parts = [self._segment(segment, given_any) for segment in channels]
            self._values[key] = (
                parts[0] if len(parts) == 1 else self.ops.concatenate(parts)
            )
        return self._values[key]

    def holds(self, condition):
        """Returns P(the options of a condition are chosen)."""
        result = 1.0
        for mask, option in sorted(condition):
            result = self.product(result, self._probabilities[mask][option])
        return result

    def _segment(self, segment, given_any):
        terms = sorted(segment.terms, key=_order)
        value = self._either(terms, segment.length, given_any)
        return value * self.ones(segment.length)

    def _either(self, terms, length, given_any):
        """Returns P(some term holds), `(length,)` or broadcast to it."""
        exclusive = [
            mask
            for masks, _ in terms
            for mask in {m for m, _, _ in masks}
            if mask in self._exclusive
        ]
        if not exclusive:
            values = [self._term(*term, length) for term in terms]
            return self.any_of(values) if values else 0.0
        mask, options, others = most_frequent(exclusive), {}, []
        for masks, gate in terms:
            entry = next((e for e in masks if e[0] == mask), None)
            if entry is None:
                others.append((masks, gate))
            else:
                rest = masks - {entry}, gate
                options.setdefault(entry[1], []).append(rest)
        value = total = 0.0
        for option, rest in options.items():
            chosen = self._probabilities[mask][option : option + 1]
            value = value + chosen * self._either(rest, length, given_any)
            total = total + chosen
        if given_any and len(options) < self._exclusive[mask]:
            value = value / self.ops.maximum(total, 1e-30)
        rest = self._either(others, length, given_any)
        return self.any_of([self.at_most_one(value), rest])

    def _term(self, masks, gate, length):
        term = self._gate(gate)
        for mask, at, step in sorted(masks):
            vector = self._probabilities[mask]
            stop = at + length if step else at + 1
            term = self.product(term, vector[at:stop])
        return term

    def _gate(self, gate):
        if gate.kind == "true":
            return 1.0
        if gate not in self._gates:
            self._gates[gate] = self._new_gate(gate)
        return self._gates[gate]

    def _new_gate(self, gate):
        if gate.kind == "some channel":
            return self.some(self.value(gate.operands))
        values = [self._gate(operand) for operand in gate.operands]
        if gate.kind == "any":
            return self.any_of(values)
        result = 1.0
        for value in values:
            result = self.product(result, value)
        return result


def most_frequent(masks):
    """Returns the mask that most statements are about: the outer choice, of
    nested ones."""
    counts = collections.Counter(masks)
    return min(counts, key=lambda mask: (-counts[mask], mask))


def _order(term):
    masks, gate = term
    return sorted(masks), gate.kind
