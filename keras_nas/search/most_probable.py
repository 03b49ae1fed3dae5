"""The most probable architecture within a budget."""

import heapq
import itertools

import numpy as np
from keras import ops

from keras_nas.search.choices import Choices
from keras_nas.search.choices import best_within

MOST_LOOKED_AT = 1000


def by_probability(tables):
    """Yields the combinations of options of groups, the most probable first.

    Every combination comes once. In each group, options are ranked by their
    probability. Each combination but the first has one parent, in which the
    last group that is not at rank 0 is one rank better, so that a parent is at
    least as probable as its children. A heap holds those whose parents were
    yielded.

    Args:
        tables: List of vectors, the log probabilities of each group.

    Yields:
        Lists with a place in each vector.
    """
    tables = [np.asarray(table, "float64") for table in tables]
    orders = [np.argsort(-table, kind="stable") for table in tables]
    sorted_tables = [t[o] for t, o in zip(tables, orders, strict=True)]
    first = (0,) * len(tables)
    heap = [(-sum(table[0] for table in sorted_tables), first)]
    while heap:
        cost, ranks = heapq.heappop(heap)
        yield [int(o[rank]) for o, rank in zip(orders, ranks, strict=True)]
        last = max((i for i, rank in enumerate(ranks) if rank), default=0)
        for group in range(last, len(tables)):
            rank, table = ranks[group], sorted_tables[group]
            if rank + 1 < len(table):
                worse = cost + table[rank] - table[rank + 1]
                child = (*ranks[:group], rank + 1, *ranks[group + 1 :])
                heapq.heappush(heap, (worse, child))


def most_probable_within(
    distribution, model, regularizer, target, most=MOST_LOOKED_AT
):
    """Returns the most probable architecture that costs no more than a target.

    It is exact if it is among the `most` most probable ones. Else the
    decisions are taken for independent of each other, each with the
    probabilities that its options have now, and a price on costs decides
    (`best_within`).

    Args:
        distribution: An `ArchitectureDistribution` of the model's choices, in
            the order of `keras_nas.graph.decisions.deciders`.
        model: A built model with elastic layers.
        regularizer: An `ExpectedCost`.
        target: The budget, an absolute number.
        most: Integer, how many architectures are looked at.

    Returns:
        NumPy vector, the index of each decision.
    """
    choices = Choices(model, regularizer, _marginals(distribution))
    tables = [ops.convert_to_numpy(table) for table in distribution.tables()]
    for places in itertools.islice(by_probability(tables), most):
        indices = distribution.indices_of(places)
        if choices.cost(indices.tolist()) <= target:
            return indices
    return np.array(best_within(choices, target), "int32")


def _marginals(distribution):
    """Returns the log probabilities of the options of each decision."""
    marginals = {}
    tables = distribution.tables()
    for (group, names), table in zip(
        distribution.groups.items(), tables, strict=True
    ):
        values = np.exp(ops.convert_to_numpy(table).astype("float64"))
        values = values.reshape(distribution.shape_of(group))
        for axis, name in enumerate(names):
            others = tuple(i for i in range(len(names)) if i != axis)
            total = np.maximum(values.sum(others), 1e-300)
            marginals[name] = np.log(total)
    return [marginals[name] for name in distribution.decisions]
