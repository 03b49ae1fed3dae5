"""The base of all search spaces: named decisions, and picks from them."""

import math
import numbers

import numpy as np

from keras_nas.spaces.architecture import Architecture


class SearchSpace:
    """A set of networks, told apart by named decisions.

    A subclass says how a network is built from its decisions; drawing,
    mutating and checking architectures is the same for all. All randomness is
    a pure function of the seed that is passed.

    Args:
        name: String, the name that the space's architectures have.
        decisions: Dictionary from the name of a decision to a list or tuple of
            its options: different integers or strings, from the cheapest to
            the most expensive. What has one option only is not decided, and
            left out.

    Attributes:
        name: The name.
        decisions: Dictionary from the name of a decision to the tuple of its
            options.

    Raises:
        ValueError: If the name is not a string, or the decisions are not such
            a dictionary.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.SearchSpace("toy", {"width": (8, 16), "kernel": (3, 5)})
    >>> space.size(), space.smallest().decisions
    (4, {'width': 8, 'kernel': 3})
    """

    def __init__(self, name, decisions):
        if not isinstance(name, str) or not name:
            raise ValueError(
                "Invalid value received for argument `name`. Expected a "
                f"string. Received: name={name!r}"
            )
        if not isinstance(decisions, dict):
            raise ValueError(
                "Invalid value received for argument `decisions`. Expected a "
                "dictionary from names to tuples of options. Received: "
                f"decisions={decisions!r}"
            )
        for key, options in decisions.items():
            if not isinstance(key, str) or not _are_options(options):
                raise ValueError(
                    "Invalid value received for argument `decisions`. Expected "
                    "names with tuples of different integers or strings. "
                    f"Received: {key!r} with {str(options)[:200]}"
                )
        self.name = name
        self.decisions = {
            key: tuple(options)
            for key, options in decisions.items()
            if len(options) > 1
        }

    def size(self):
        """Returns how many ways there are to decide, an exact integer.

        Where one decision makes another one pointless, as that of the width
        inside a block which is skipped, both count nevertheless, as in the
        papers.
        """
        return math.prod(map(len, self.decisions.values()))

    def sample(self, seed):
        """Returns an architecture whose decisions are drawn uniformly.

        Args:
            seed: Integer >= 0; the same one draws the same architecture.

        Raises:
            ValueError: If the seed is something else.
        """
        rng = new_generator(seed)
        return self._architecture(
            {
                key: options[rng.integers(len(options))]
                for key, options in self.decisions.items()
            }
        )

    def smallest(self):
        """Returns the architecture of the first, cheapest options."""
        return self._architecture(
            {key: options[0] for key, options in self.decisions.items()}
        )

    def biggest(self):
        """Returns the architecture of the last, most expensive options."""
        return self._architecture(
            {key: options[-1] for key, options in self.decisions.items()}
        )

    def mutate(self, architecture, seed, probability=0.1):
        """Returns an architecture that differs in some decisions.

        Each decision for itself changes with a probability, to one of its
        other options, all of which are equally likely.

        Args:
            architecture: An `Architecture` of this space; it is kept.
            seed: Integer >= 0; the same one makes the same changes.
            probability: Float from 0 to 1.

        Raises:
            ValueError: If the architecture is not of this space, or another
                argument is invalid.
        """
        self.check(architecture)
        is_number = isinstance(probability, numbers.Real)
        if not is_number or not 0 <= probability <= 1:
            raise ValueError(
                "Invalid value received for argument `probability`. Expected "
                f"a float from 0 to 1. Received: probability={probability!r}"
            )
        rng = new_generator(seed)
        decisions = {}
        for key, options in self.decisions.items():
            index = options.index(architecture.decisions[key])
            # Drawn in any case, so that one decision moves no draw of another.
            step = rng.integers(1, len(options))
            if rng.random() < probability:
                index = (index + step) % len(options)
            decisions[key] = options[index]
        return self._architecture(decisions)

    def check(self, architecture):
        """Raises a `ValueError` unless an architecture is of this space.

        The message names the decision that does not fit, and its options.

        Args:
            architecture: An `Architecture`.
        """
        if not isinstance(architecture, Architecture):
            raise ValueError(
                "Invalid value received for argument `architecture`. Expected "
                f"a `keras_nas.Architecture` of space '{self.name}'. Received: "
                f"{type(architecture).__name__}. Read a file with "
                "`keras_nas.Architecture.load(path)`."
            )
        if architecture.name != self.name:
            raise ValueError(
                "Invalid value received for argument `architecture`. Expected "
                f"one of space '{self.name}'. Received: one of "
                f"'{architecture.name}'"
            )
        decisions = architecture.decisions
        for key, value in decisions.items():
            if key not in self.decisions:
                names = list(self.decisions)
                self._refuse(key, f"no decision but {names}", repr(value))
        for key, options in self.decisions.items():
            expected = _describe(options)
            if key not in decisions:
                self._refuse(key, expected, "no such decision")
            value = decisions[key]
            # 3.0 and True are no options, though equal to some.
            if type(value) not in (int, str) or value not in options:
                self._refuse(key, expected, repr(value))

    def build(self, architecture, classes=1000):
        """Returns the network of an architecture, a plain Keras model.

        Args:
            architecture: An `Architecture` of this space.
            classes: Integer, the number of logits.
        """
        raise NotImplementedError

    def supernet(self, classes=1000, **kwargs):
        """Returns the Keras model that holds all networks of the space.

        Args:
            classes: Integer, the number of logits.
            **kwargs: Of the subclass.
        """
        raise NotImplementedError

    def cost(self, architecture, classes=1000):
        """Returns the `keras_nas.Cost` of the network of an architecture.

        Args:
            architecture: An `Architecture` of this space.
            classes: Integer, the number of logits.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        # Costs import the graph, and that imports this folder.
        from keras_nas.costs import count_cost

        return count_cost(self.build(architecture, classes))

    def _architecture(self, decisions):
        return Architecture(self.name, decisions)

    def _refuse(self, key, expected, received):
        raise ValueError(
            f"Invalid decision '{key}' of an architecture of space "
            f"'{self.name}'. Expected {expected}. Received: {received}"
        )


def _are_options(options):
    return (
        isinstance(options, (list, tuple))
        and len(options) > 0
        and all(type(option) in (int, str) for option in options)
        and len(set(options)) == len(options)
    )


def _describe(options):
    """Returns what to say about options, which can be very many."""
    low, high = options[0], options[-1]
    is_long = len(options) > 20 and type(low) is type(high) is int
    if is_long and options == tuple(range(low, high + 1)):
        return f"an integer from {low} to {high}"
    return f"one of {list(options)}"


def new_generator(seed):
    """Returns a `numpy.random.Generator`.

    Args:
        seed: Integer >= 0.

    Raises:
        ValueError: If the seed is something else.
    """
    is_integer = isinstance(seed, numbers.Integral)
    if not is_integer or isinstance(seed, bool) or seed < 0:
        raise ValueError(
            "Invalid value received for argument `seed`. Expected an integer "
            f">= 0. Received: seed={seed!r}"
        )
    return np.random.default_rng(seed)
