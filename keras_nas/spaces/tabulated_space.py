"""Spaces whose networks are counted from tables, very many at once."""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.block_space import BlockSpace
from keras_nas.spaces.decision_indices import decisions_of_indices
from keras_nas.spaces.decision_indices import draw_indices
from keras_nas.spaces.decision_indices import read_indices


class TabulatedSpace(BlockSpace):
    """Base class of spaces of blocks that know what many networks cost.

    A subclass has `_cost_tables`, which returns a `CostTables`.

    Args:
        name: As of `BlockSpace`.
        options: As of `BlockSpace`.
    """

    def __init__(self, name, options):
        super().__init__(name, options)
        self._tables = None

    def sample_indices(self, n, seed):
        """Returns many architectures, drawn uniformly, as an array.

        Use it with `costs`, where `sample` would take long.

        Args:
            n: Integer >= 0, how many.
            seed: Integer >= 0; the same one draws the same architectures.

        Returns:
            Integer array of shape (n, decisions): for each decision, in the
            order of `decisions`, the index of the option.

        Raises:
            ValueError: If an argument is something else.
        """
        return draw_indices(self, n, seed)

    def to_indices(self, architectures):
        """Returns architectures as an array that `costs` takes.

        Args:
            architectures: List of `Architecture`s of this space.

        Returns:
            Integer array, as of `sample_indices`.

        Raises:
            ValueError: If one of them is not of this space.
        """
        return read_indices(self, architectures)

    def from_indices(self, indices):
        """Returns the architectures of an array.

        Args:
            indices: Integer array, as of `sample_indices`.

        Returns:
            List of `Architecture`s.

        Raises:
            ValueError: If the array does not fit the space.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_big_nas()
        >>> indices = space.to_indices([space.smallest(), space.biggest()])
        >>> indices[1].tolist()
        [1, 1, 1, 1, 1]
        >>> space.from_indices(indices)[0] == space.smallest()
        True
        """
        return [
            Architecture(self.name, decisions)
            for decisions in decisions_of_indices(self, indices)
        ]

    def costs(self, architectures, classes=1000):
        """Returns what many networks cost, without building them.

        The numbers are those of `cost`. The first call counts each different
        block of the space, which takes seconds; then it is more than 100,000
        networks of an array in a second.

        Args:
            architectures: Integer array, as of `sample_indices`, or a list of
                `Architecture`s of this space.
            classes: Integer, the number of logits.

        Returns:
            Two integer arrays: multiply-adds, and trained parameters.

        Raises:
            ValueError: If the architectures are not of this space, or
                `classes` is not a positive integer.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_big_nas()
        >>> macs, params = space.costs([space.smallest(), space.biggest()])
        >>> int(params[1]) == space.cost(space.biggest()).params
        True
        """
        check_sizes(classes=classes)
        indices = read_indices(self, architectures)
        if self._tables is None:
            self._tables = self._cost_tables()
        return self._tables.costs(indices, classes)

    def _cost_tables(self):
        raise NotImplementedError
