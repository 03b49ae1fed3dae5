"""One reading of a channel flow: probabilities, or decisions.

`Reading(flow, probabilities, keras.ops)` is differentiable and gives expected
counts; `Reading(flow, decisions)`, with 0/1 vectors and NumPy, gives the very
channels that the slicer keeps. Both run the code below, so at probabilities
of 0 and 1 they agree exactly.

A Python float stands for a vector of equal, constant entries, so that parts
of a model that no mask reaches cost nothing at run time.
"""

import numpy as np


class Reading:
    """Evaluates the formulas of a flow, then the demand, from the back.

    Demands are given the condition of who makes the tensor: what a candidate
    of a `BlockChoice` needs, if it is chosen. `runs` is not.

    Args:
        flow: A `ChannelFlow`.
        probabilities: One vector per mask of `flow.masks`: the probability
            that each channel is kept.
        ops: The namespace to compute with: `numpy` or `keras.ops`.
        dtype: String, the dtype of the probabilities. Sums of decisions are
            exact up to 2**24 in float32 and up to 2**53 in float64.
    """

    def __init__(self, flow, probabilities, ops=np, dtype="float32"):
        self.flow = flow
        self.ops = ops
        self.dtype = dtype
        self._probabilities = probabilities
        self._values = {}
        self._gates = {}
        self._edges = {}  # By tensor id: the demands by condition.
        self._demands = {}
        self._some = {}  # By id of a vector: `(vector, P(some entry))`.
        self._live = {}
        self._counts = {}
        self._sizes = {}
        for tensor in flow.outputs:
            self._demand(tensor, 1.0, frozenset())
        for node, rule in zip(
            reversed(flow.graph.nodes), reversed(flow.rules), strict=True
        ):
            out = [self.demand(t) for t in node.output_tensors]
            self._live[node.index] = self.any_of(
                [self.some(demand) for demand in out]
            )
            demands = rule.demand(node, flow, self, out)
            conditions = flow.edge_conditions[node.index]
            for tensor, demand, condition in zip(
                node.input_tensors, demands, conditions, strict=True
            ):
                self._demand(tensor, demand, condition)
            for tensor in node.mask_tensors:
                condition = flow.conditions[node.index]
                self._demand(tensor, self._live[node.index], condition)
        self._keep()

    # What the rules and the users of a reading ask for.

    def alive(self, state):
        """Returns P(channel varies), `(channels,)`."""
        return self.value(state.alive)

    def nonzero(self, state):
        """Returns P(channel is not the constant 0), `(channels,)`."""
        return self.value(state.nonzero)

    def demand(self, tensor):
        """Returns P(some consumer needs the channel), `(channels,)`."""
        key = id(tensor)
        if key not in self._demands:
            length = self.flow.state(tensor).length
            given = self._condition(tensor)
            self._demands[key] = self._merge(
                self._edges.get(key, {}), given, length
            )
        return self._demands[key]

    def live(self, node):
        """Returns P(the node is needed), given its condition."""
        return self._live[node.index]

    def runs(self, node):
        """Returns P(the node is computed)."""
        return self.product(
            self._holds(self.flow.conditions[node.index]), self.live(node)
        )

    def positions(self, tensor, axis, node):
        """Returns the expected number of positions of a tensor.

        Positions are along all axes but the batch and `axis`. Where the
        resolution is chosen they are the product of the effective sizes
        (DMaskingNAS, Eq. 6), each a sum over the options weighted by their
        probabilities.

        Raises:
            ValueError: If a size is unknown.
        """
        resolutions, shape = self.flow.resolutions, tensor.shape
        if resolutions is None:
            return static_positions(tensor, axis, node)
        total = 1
        for a in range(1, len(shape)):
            sizes = resolutions.sizes(tensor, a)
            if a != axis:
                total = total * self._effective_size(tuple(sizes))
        return total

    def _effective_size(self, sizes):
        if len(set(sizes)) == 1:
            return sizes[0]
        if sizes not in self._sizes:
            index = self.flow.mask_index(self.flow.resolutions.mask)
            weights = self._probabilities[index]
            if self.ops is np:
                total = int(np.dot(weights, sizes))
            else:
                total = self.ops.sum(weights * np.array(sizes, self.dtype))
            self._sizes[sizes] = total
        return self._sizes[sizes]

    def kept(self, state):
        """Returns P(channel stays), `(channels,)`."""
        if self._known[self.flow.group[state.ids]].all():
            return 1.0
        index = self._compact[self.flow.group[state.ids]]
        return self.ops.take(self._kept, index, axis=0)

    def count(self, state):
        """Returns the expected number of channels that stay."""
        key = id(state.ids)
        if key not in self._counts:
            kept = self.kept(state)
            if is_constant(kept):
                count = state.length
            elif self.ops is np:
                count = int(kept.sum())
            else:
                count = self.ops.sum(kept)
            self._counts[key] = count
        return self._counts[key]

    # Arithmetic of statements; Python floats are constants.

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
        return 1.0 - self.ops.prod(1.0 - vector)

    def take(self, vector, index):
        if is_constant(vector):
            return vector
        return self.ops.take(vector, np.asarray(index), axis=0)

    def fold(self, vector, index, length):
        """Returns, for each of `length` channels, the largest entry of
        `vector` among those j with `index[j]` equal to the channel."""
        if is_constant(vector):
            return vector
        return self._segment_max(vector, np.asarray(index), length)

    def collect(self, vectors, indices, length):
        """Returns, for each of `length` channels, the largest of the entries
        that stand for it: `vectors[i][j]` stands for `indices[i][j]`."""
        if all(is_constant(vector) for vector in vectors):
            if len(set(vectors)) == 1:
                return vectors[0]
        full = [
            vector * self._ones(len(index))
            for vector, index in zip(vectors, indices, strict=True)
        ]
        return self._segment_max(
            self.ops.concatenate(full), np.concatenate(indices), length
        )

    def at_least_one(self, vector, live):
        """Demands channel 0 where a live layer would get no input at all."""
        if is_constant(vector) or vector.ndim == 0:
            return vector
        none = self.product(live, self.ops.prod(1.0 - vector))
        first = np.zeros(vector.shape[0], self.dtype)
        first[0] = 1.0
        vector = vector + self.ops.array(first) * none
        self._some[id(vector)] = vector, live
        return vector

    def value(self, channels):
        """Returns the value of formulas, a vector or a constant."""
        if channels.always_on:
            return 1.0
        if channels not in self._values:
            parts = [self._segment(segment) for segment in channels]
            self._values[channels] = (
                parts[0] if len(parts) == 1 else self.ops.concatenate(parts)
            )
        return self._values[channels]

    # How it is computed.

    def _segment(self, segment):
        terms = sorted(segment.terms, key=_order)
        value = self._either(terms, segment.length)
        return value * self._ones(segment.length)

    def _either(self, terms, length):
        """Returns P(some term holds), `(length,)` or broadcast to it."""
        exclusive = {
            entry[0]
            for masks, _ in terms
            for entry in masks
            if entry[0] in self.flow.logic.exclusive
        }
        if not exclusive:
            values = [self._term(*term, length) for term in terms]
            return self.any_of(values) if values else 0.0
        mask, options, others = min(exclusive), {}, []
        for masks, gate in terms:
            entry = next((e for e in masks if e[0] == mask), None)
            if entry is None:
                others.append((masks, gate))
            else:
                rest = masks - {entry}, gate
                options.setdefault(entry[1], []).append(rest)
        value = 0.0
        for option, rest in options.items():
            chosen = self._probabilities[mask][option : option + 1]
            value = value + chosen * self._either(rest, length)
        return self.any_of(
            [self._at_most_one(value), self._either(others, length)]
        )

    def _term(self, masks, gate, length):
        term = self._gate(gate)
        for mask, at, step in sorted(masks):
            vector = self._probabilities[mask]
            stop = at + length if step else at + 1
            term = self.product(term, vector[at:stop])
        return term

    def _ones(self, length):
        return self.ops.ones((length,), self.dtype)

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

    def _demand(self, tensor, demand, condition):
        """Adds a demand on a tensor, which holds under a condition."""
        if not is_constant(demand) and demand.ndim == 0:
            demand = self._spread(demand, self.flow.state(tensor).length)
        edges = self._edges.setdefault(id(tensor), {})
        edges[condition] = self._larger(edges.get(condition, 0.0), demand)

    def _spread(self, demand, length):
        vector = demand * self._ones(length)
        self._some[id(vector)] = vector, demand
        return vector

    def _larger(self, a, b):
        both = self.maximum(a, b)
        if self._is_certain(a) or self._is_certain(b):
            self._some[id(both)] = both, 1.0
        return both

    def _condition(self, tensor):
        node = self.flow.producers.get(id(tensor))
        return self.flow.conditions[node.index] if node else frozenset()

    def _holds(self, condition):
        """Returns P(the options of a condition are chosen)."""
        result = 1.0
        for mask, option in sorted(condition):
            result = self.product(result, self._probabilities[mask][option])
        return result

    def _merge(self, edges, given, length):
        """Returns the demand of all edges, given a condition of theirs.

        Demands under options that exclude each other add up, weighted by the
        probabilities of the options.
        """
        rest, total = {}, 0.0
        for condition, demand in edges.items():
            if condition == given:
                total = demand
            else:
                rest[condition - given] = demand
        while rest:
            mask = min(m for condition in rest for m, _ in condition)
            options = {}
            for condition in list(rest):
                option = next((o for m, o in condition if m == mask), None)
                if option is not None:
                    group = options.setdefault(option, {})
                    group[condition] = rest.pop(condition)
            demands = {
                option: self._merge(group, frozenset([(mask, option)]), length)
                for option, group in options.items()
            }
            total = self._larger(total, self._mean(mask, demands, length))
        return total

    def _mean(self, mask, demands, length):
        """Returns the demands of the options of a mask, weighted."""
        values = list(demands.values())
        if len(values) == len(self.flow.masks[mask].options) and all(
            is_constant(v) and v == values[0] for v in values
        ):
            return values[0]
        total = 0.0
        for option, demand in demands.items():
            chosen = self._probabilities[mask][option]
            total = total + self.product(demand, chosen)
        total = self._at_most_one(total)
        if not is_constant(total) and total.ndim == 0:
            return self._spread(total, length)
        return total

    def _is_certain(self, vector):
        """Whether some entry of a vector is 1 whatever the masks say."""
        _, some = self._some.get(id(vector), (None, 0.0))
        return is_constant(some) and some == 1.0

    def _keep(self):
        """Lets tied channels stay if any one of them is demanded."""
        group = self.flow.group
        self._known = self.flow.fixed.copy()
        vectors, ids = [], []
        for tensor, state in self.flow.sources:
            demand = self.demand(tensor)
            if is_constant(demand):
                if demand == 1.0:
                    self._known[group[state.ids]] = True
                demand = np.full(state.length, demand, self.dtype)
            else:
                # What is never chosen needs nothing of what it is tied to.
                chosen = self._holds(self._condition(tensor))
                if not is_constant(chosen):
                    demand = demand * self.ops.sign(chosen)
            vectors.append(demand)
            ids.append(group[state.ids])
        chosen = [
            (vector, i)
            for vector, i in zip(vectors, ids, strict=True)
            if not self._known[i].all()
        ]
        if not chosen:
            return
        vectors, ids = zip(*chosen, strict=True)
        labels, compact = np.unique(np.concatenate(ids), return_inverse=True)
        # All channels that are known to stay share one entry, the last.
        self._compact = np.full(len(group), len(labels))
        self._compact[labels] = np.arange(len(labels))
        kept = self._segment_max(
            self.ops.concatenate(vectors), compact, len(labels)
        )
        known = self._known[labels].astype(self.dtype)
        kept = self.ops.maximum(kept, known)
        self._kept = self.ops.concatenate([kept, np.ones(1, self.dtype)])

    def _at_most_one(self, total):
        """Limits a sum over options of which more than one may be open."""
        return np.minimum(total, 1.0) if self.ops is np else total

    def _segment_max(self, data, segments, number):
        if self.ops is np:
            result = np.zeros(number, data.dtype)
            np.maximum.at(result, segments, data)
            return result
        result = self.ops.segment_max(
            data, segments.astype("int32"), num_segments=number
        )
        return self.ops.maximum(result, 0.0)  # Empty segments are -inf.


class Whole(Reading):
    """The reading of a model as it stands, in which everything stays."""

    def __init__(self):
        self.ops = np

    def demand(self, tensor):
        return 1.0

    def live(self, node):
        return 1.0

    def runs(self, node):
        return 1.0

    def positions(self, tensor, axis, node):
        return static_positions(tensor, axis, node)

    def kept(self, state):
        return 1.0

    def count(self, state):
        return state.length

    def value(self, channels):
        return 1.0


def static_positions(tensor, axis, node):
    """Returns the number of positions of a tensor: all axes but two.

    Raises:
        ValueError: If a size is unknown.
    """
    shape = [s for i, s in enumerate(tensor.shape) if i not in (0, axis)]
    if None in shape:
        raise ValueError(
            f"The cost of layer '{node.name}' depends on the spatial size of "
            f"its output, which is unknown. Received: shape={tensor.shape}. "
            "Build the model with a fixed input size, such as "
            "keras.Input((224, 224, 3))."
        )
    return int(np.prod(shape))


def is_constant(value):
    """Whether a value of a reading is known without the masks."""
    return isinstance(value, float)


def _order(term):
    masks, gate = term
    return sorted(masks), gate.kind
