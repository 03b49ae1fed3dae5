"""Spaces that decide how many channels each mask keeps (FiGS)."""

import keras
import numpy as np

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.channel_lists import read_channels
from keras_nas.spaces.channel_places import dead_masks
from keras_nas.spaces.channel_places import find_gap
from keras_nas.spaces.decision_indices import decisions_of_indices
from keras_nas.spaces.decision_indices import read_indices
from keras_nas.spaces.kept_supernet import KeptSupernet
from keras_nas.spaces.search_space import SearchSpace
from keras_nas.spaces.search_space import new_generator

_LEAST_MULTIPLIER = 0.25
_KEPT_OPERATORS = 0.5


class ChannelSpace(SearchSpace):
    """The networks that the masks of a supernet can leave.

    Use it to search with `keras_nas.search.FiGS`, and to compare with other
    searches and with random networks of the same space. It is the base of
    `OneShotSpace`, `FBNetSpace` and `MaskedModelSpace`; a subclass has a
    `supernet`.

    There is one decision for each mask, of the mask's name: how many channels
    it keeps, from 0 to all. A network is cut out of the supernet with the
    first channels of each mask. An operator, which a search may do without,
    goes when one of its masks is closed, and with it whatever then does
    nothing for the output. Networks whose output would not depend on the
    image are not in the space: `check` refuses them, and what the space itself
    mutates or takes the least of gets one channel where it needs one.

    Args:
        name: String, the name that architectures and networks have.
        masks: Dictionary from the names of masks to their numbers of channels.
        places: Tuple of `channel_places.Place`, front to back, the last one
            the output: where the masks are, and what reads what.

    Attributes:
        masks: The dictionary.
        operators: Dictionary from the name of an operator to the tuple of the
            names of its masks, closing any of which removes it.

    Raises:
        ValueError: If the name or the masks are invalid.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Section 3.3.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.smoke_one_shot()
    >>> space.operators["cell1_block1_sep3"]
    ('cell1_block1_sep3_1_mask', 'cell1_block1_sep3_mask')
    >>> space.decisions["cell1_block1_sep3_mask"]
    (0, 1, 2, 3, 4)
    """

    def __init__(self, name, masks, places=()):
        is_dictionary = isinstance(masks, dict) and len(masks) > 0
        if not is_dictionary or not all(map(is_size, masks.values())):
            raise ValueError(
                "Invalid value received for argument `masks`. Expected a "
                "dictionary from names to positive integers. Received: "
                f"masks={str(masks)[:200]}"
            )
        options = {mask: tuple(range(n + 1)) for mask, n in masks.items()}
        super().__init__(name, options)
        self.masks, self._places = dict(masks), tuple(places)
        self.operators = {
            place.name: place.masks
            for place in self._places
            if place.is_operator
        }
        self._kept = KeptSupernet(self.supernet)

    def sample(self, seed):
        """Returns an architecture as random search draws them.

        Each operator is kept with probability 1/2, and one width multiplier,
        uniform from 0.25 to 1, holds for all masks of what is kept: each has
        `multiplier * channels`, rounded, and at least 1. The paper prints the
        multiplier's range; the probability is our choice. Where that would
        end the network, the first operator is kept that mends it. In a space
        without operators, each mask draws a multiplier of its own.

        Args:
            seed: Integer >= 0; the same one draws the same architecture.

        Raises:
            ValueError: If the seed is something else.

        Reference:
            FiGS: Fine-Grained Stochastic Architecture Search, Fig. 2.
        """
        rng = new_generator(seed)
        dropped = {
            mask
            for masks in self.operators.values()
            if rng.random() >= _KEPT_OPERATORS
            for mask in masks
        }
        count = 1 if self.operators else len(self.masks)
        multipliers = rng.uniform(_LEAST_MULTIPLIER, 1.0, count)
        widths = {
            mask: max(1, int(multiplier * n + 0.5))
            for (mask, n), multiplier in zip(
                self.masks.items(),
                np.broadcast_to(multipliers, len(self.masks)),
                strict=True,
            )
        }
        decisions = {m: 0 if m in dropped else n for m, n in widths.items()}
        self._mend(decisions, widths)
        return Architecture(self.name, self._without_dead(decisions, 0))

    def check(self, architecture):
        """Raises a `ValueError` unless an architecture is of this space.

        The message names the decision that does not fit, or the place where
        the network would end.

        Args:
            architecture: An `Architecture`.
        """
        super().check(architecture)
        self._check_whole(architecture.decisions)

    def build(self, architecture, classes=1000, **kwargs):
        """Returns the network of an architecture, a plain Keras model.

        Its weights are fresh, and none are inherited. Of the supernets that
        this needs, the last one is kept.

        Args:
            architecture: An `Architecture` of this space.
            classes: Integer, the number of logits.
            **kwargs: Of `supernet`, such as the `momentum` and `epsilon` of
                every BatchNormalization.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If the architecture is not of this space, or another
                argument is invalid.
        """
        # Slicing imports the graph, and that imports this folder.
        from keras_nas.slicing import slice_model

        channels = self.to_channels(architecture)
        whole = self._kept.get(classes, **kwargs)
        return keras.models.clone_model(slice_model(whole, channels))

    def costs(self, architectures, classes=1000):
        """Returns the multiply-adds and parameters of many networks.

        They are what `count_cost(space.build(...))` counts; no network is
        built but the supernet.

        Args:
            architectures: List or tuple of `Architecture`s of the space, or an
                integer array of the indices of their options.
            classes: Integer, the number of logits.

        Returns:
            Two int64 arrays: multiply-adds, and parameters.

        Raises:
            ValueError: If they are something else, or not of the space.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_one_shot()
        >>> macs, params = space.costs([space.biggest()], classes=10)
        >>> macs.tolist(), params.tolist()
        ([28048], [4070])
        """
        # Costs import the graph, and that imports this folder.
        from keras_nas.costs import decided_cost

        rows = decisions_of_indices(self, read_indices(self, architectures))
        for decisions in rows:
            self._check_whole(decisions)
        whole = self._kept.get(classes)
        costs = [decided_cost(whole, self._channels(d)) for d in rows]
        counts = [cost.macs for cost in costs], [cost.params for cost in costs]
        return tuple(np.array(count, "int64") for count in counts)

    def prune(self, architecture):
        """Returns what a search has found, without what does nothing.

        A search can close a mask inside an operator and leave others of it
        open. Slicing keeps the function of the supernet, and with it what the
        rest of the operator makes of no channels: constants. For a network
        that is trained anew those masks may be closed, too, and here they are.

        Args:
            architecture: An `Architecture` that has a list of channels for
                each mask of `supernet()`.

        Returns:
            An `Architecture` of the same kind.

        Raises:
            ValueError: If it has other decisions.
        """
        channels = read_channels(architecture, self.masks, self.name)
        channels = self._without_dead(channels, [])
        return Architecture(architecture.name, channels)

    def from_channels(self, architecture):
        """Returns an architecture of the space, from that of a search.

        Use it on what `keras_nas.search.FiGS` has found: which channels of
        the supernet stay. Only their number is taken over. Where an addition
        joins channels, two masks may keep different ones; the network of the
        space has the first ones of both and is smaller. To train the network
        that was found as it is, slice the supernet by `prune(architecture)`
        and clone the result.

        Args:
            architecture: An `Architecture` that has a list of channels for
                each mask of `supernet()`.

        Raises:
            ValueError: If it has other decisions, or the network ends.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_one_shot()
        >>> kept = space.to_channels(space.sample(seed=0))
        >>> space.from_channels(kept) == space.sample(seed=0)
        True
        """
        channels = self.prune(architecture).decisions
        counts = {mask: len(kept) for mask, kept in channels.items()}
        self._check_whole(counts)
        return Architecture(self.name, counts)

    def to_channels(self, architecture):
        """Returns which channels of the supernet make an architecture.

        Use it to cut a network of known numbers out of a supernet, with
        `keras_nas.slice_model`. The channels are the first ones of each mask;
        of what does nothing for the output there are none.

        Args:
            architecture: An `Architecture` of this space.

        Returns:
            An `Architecture` that has a list of channels for each mask of
            `supernet()`.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        self.check(architecture)
        return self._channels(architecture.decisions)

    def _channels(self, decisions):
        counts = self._without_dead(decisions, 0)
        channels = {mask: list(range(counts[mask])) for mask in self.masks}
        return Architecture(self.name, channels)

    def _without_dead(self, decisions, nothing):
        """Returns decisions with `nothing` for what serves no purpose."""
        dead = dead_masks(self._places, _opened(decisions))
        return {m: nothing if m in dead else decisions[m] for m in self.masks}

    def _find_gap(self, decisions):
        """Returns `None`, or where the network ends and masks to open."""
        return find_gap(self._places, _opened(decisions))

    def _mend(self, decisions, widths):
        """Opens masks, in place, until the network is whole."""
        while (gap := self._find_gap(decisions)) and gap[1]:
            for mask in gap[1]:
                decisions[mask] = widths[mask]

    def _check_whole(self, decisions):
        gap = self._find_gap(decisions)
        if gap is not None:
            where, masks = gap
            closed = ", ".join(f"'{mask}'" for mask in masks)
            raise ValueError(
                f"Invalid decisions of an architecture of space '{self.name}'. "
                "Expected a network whose output depends on the image. "
                f"Received: one that ends at {where}. It would not with a "
                f"channel of each of {closed}"
            )

    def _architecture(self, decisions):
        self._mend(decisions, dict.fromkeys(self.masks, 1))
        return super()._architecture(decisions)


def _opened(decisions):
    return {mask for mask, kept in decisions.items() if kept}
