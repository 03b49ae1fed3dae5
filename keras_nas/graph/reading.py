"""One reading of a channel flow: probabilities, or decisions.

`Reading(flow, probabilities, keras.ops)` is differentiable and gives expected
counts; `Reading(flow, decisions)`, with 0/1 vectors and NumPy, gives the very
channels that the slicer keeps. Both run the code below, so at probabilities
of 0 and 1 they agree exactly.
"""

import numpy as np

from keras_nas.graph.arithmetic import is_constant
from keras_nas.graph.valuation import Valuation
from keras_nas.graph.valuation import most_frequent


class Reading(Valuation):
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
        super().__init__(flow.logic, probabilities, ops, dtype)
        self.flow = flow
        self._edges = {}  # By tensor id: the demands by condition.
        self._demands = {}
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

    def alive_if_any(self, state):
        """Returns P(channel varies), given that choices are for something.

        The candidates beside the zero of a `BlockChoice` are computed with
        their own probabilities. What asks this of them, an addition, must not
        multiply these with P(the choice is not for zero) once more.
        """
        if state.alive.always_on:
            return 1.0
        return self.vector(state.alive, given_any=True)

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
            self.holds(self.flow.conditions[node.index]), self.live(node)
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

    def expected(self, mask, values):
        """Returns the mean of integers, one for each switch of a mask.

        Args:
            mask: Index of an exclusive mask.
            values: List of integers.
        """
        weights = self._probabilities[mask]
        if self.ops is np:
            return int(np.dot(weights, values))
        return self.ops.sum(weights * np.array(values, self.dtype))

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

    # How it is computed.

    def _effective_size(self, sizes):
        if len(set(sizes)) == 1:
            return sizes[0]
        if sizes not in self._sizes:
            index = self.flow.mask_index(self.flow.resolutions.mask)
            self._sizes[sizes] = self.expected(index, sizes)
        return self._sizes[sizes]

    def _demand(self, tensor, demand, condition):
        """Adds a demand on a tensor, which holds under a condition."""
        if not is_constant(demand) and demand.ndim == 0:
            demand = self.spread(demand, self.flow.state(tensor).length)
        edges = self._edges.setdefault(id(tensor), {})
        edges[condition] = self.larger(edges.get(condition, 0.0), demand)

    def _condition(self, tensor):
        node = self.flow.producers.get(id(tensor))
        return self.flow.conditions[node.index] if node else frozenset()

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
            mask = most_frequent(m for condition in rest for m, _ in condition)
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
            total = self.larger(total, self._mean(mask, demands, length))
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
        total = self.at_most_one(total)
        if not is_constant(total) and total.ndim == 0:
            return self.spread(total, length)
        return total

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
                chosen = self.holds(self._condition(tensor))
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
        kept = self.segment_max(
            self.ops.concatenate(vectors), compact, len(labels)
        )
        known = self._known[labels].astype(self.dtype)
        kept = self.ops.maximum(kept, known)
        self._kept = self.ops.concatenate([kept, np.ones(1, self.dtype)])


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

    def expected(self, mask, values):
        return max(values)

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
