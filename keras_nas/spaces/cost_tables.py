"""What very many networks of a space cost, from tables."""

import numpy as np


class CostTables:
    """What the parts of the networks of a space cost, for all options.

    A part depends on a few decisions, and a network costs as much as its parts
    together.

    Args:
        space: A `SearchSpace`.
        tables: List of `(keys, costs)`, one for each part: the names of the
            decisions that it depends on, and an integer array with an axis
            for each of them, and multiply-adds and parameters on the last.
        head: Function that returns the `(keys, costs)` of the last part, for
            a number of classes.
    """

    def __init__(self, space, tables, head):
        self._space, self._parts, self._head = space, tables, head
        self._heads = {}

    def costs(self, indices, classes):
        """Returns the multiply-adds and the parameters of networks.

        Args:
            indices: Integer array of valid indices, a column for each decision
                of the space.
            classes: Integer, the number of logits.

        Returns:
            Two integer arrays.
        """
        if classes not in self._heads:
            self._heads[classes] = self._head(classes)
        columns = dict(zip(self._space.decisions, indices.T, strict=True))
        total = np.zeros((len(indices), 2), "int64")
        for keys, table in (*self._parts, self._heads[classes]):
            # What is not decided has one option, the first.
            total += table[tuple(columns.get(key, 0) for key in keys)]
        return total[:, 0], total[:, 1]
