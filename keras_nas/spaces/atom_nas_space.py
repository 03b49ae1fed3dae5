"""Spaces of channels for each kernel size, one by one (AtomNAS)."""

import math

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.atom_nas_rows import read_atom_rows
from keras_nas.spaces.atom_nas_supernet import build_supernet
from keras_nas.spaces.atom_nas_supernet import count_channels
from keras_nas.spaces.atom_nas_supernet import decisions_of_masks
from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.blocks import build_from_blocks
from keras_nas.spaces.search_space import SearchSpace


class AtomNASSpace(SearchSpace):
    """The networks that atomic blocks can be put together to.

    Use it to search with `keras_nas.search.AtomNAS`, which finds out how many
    channels of each kernel size every block needs.

    A block is a 1x1 convolution, depthwise convolutions of several kernel
    sizes side by side, each on channels of its own, and a 1x1 convolution;
    its input is added where the shape stays. A row `(t, c, n, s, kernels)`
    stands for `n` blocks to `c` channels, of which the first has the stride
    `s`, with at most `t` times as many channels for *each* kernel size as the
    input has. Where `t` is 1 there is no first 1x1 convolution, one kernel
    size, and nothing to decide. A 3x3 convolution is in front of the rows, a
    1x1 convolution behind them; BatchNorm follows all convolutions, and all
    activations are ReLU.

    The decision `block5_kernel3` is how many channels with a 3x3 depthwise
    convolution the fifth block has, from 0 to all. A block without any is the
    identity. Where the shape changes it would end the network, so such a block
    has at least one channel: `check` refuses others, and what the space itself
    draws, mutates or takes the least of gets one of the smallest kernel.

    Args:
        name: String, the name that architectures and networks have.
        rows: List of `(t, c, n, s, kernels)`, kernel sizes increasing.
        stem: Integer, channels of the first convolution.
        stem_stride: Integer, its stride.
        head: Integer, channels of the last convolution.
        resolution: Integer, height and width of the input.

    Attributes:
        places: Tuple of `AtomPlace`, one for each block of the rows.
        stem, stem_stride, head, resolution: The numbers.

    Raises:
        ValueError: If a row is invalid, naming it and the field, or another
            argument is.

    Reference:
        AtomNAS: Fine-Grained End-to-End Neural Architecture Search, Section
        3.1 and Fig. 3.

    Example:

    >>> from keras_nas import spaces
    >>> rows = [(1, 8, 1, 1, [3]), (2, 16, 2, 2, [3, 5])]
    >>> space = spaces.AtomNASSpace("mine", rows, 8, head=32, resolution=16)
    >>> space.biggest().decisions["block2_kernel5"]
    16
    >>> space.size() == (17 * 17 - 1) * 33 * 33
    True
    >>> space.build(space.sample(seed=0), classes=10).output_shape
    (None, 10)
    """

    def __init__(
        self,
        name,
        rows,
        stem=32,
        stem_stride=2,
        head=1280,
        resolution=224,
    ):
        check_sizes(
            stem=stem,
            stem_stride=stem_stride,
            head=head,
            resolution=resolution,
        )
        self.stem, self.stem_stride = stem, stem_stride
        self.head, self.resolution = head, resolution
        self.places = read_atom_rows(rows, stem)
        options = {
            key: tuple(range(place.mid + 1))
            for place in self.places
            for key in place.decisions()
        }
        super().__init__(name, options)

    def size(self):
        """Returns the exact number of networks, an integer."""
        return math.prod(
            (place.mid + 1) ** len(place.kernels) - (not place.residual)
            for place in self.places
            if place.searchable
        )

    def check(self, architecture):
        """Raises a `ValueError` unless an architecture is of this space.

        The message names the decisions that do not fit.

        Args:
            architecture: An `Architecture`.
        """
        super().check(architecture)
        for place in self._ended_by(architecture.decisions):
            names = ", ".join(f"'{key}'" for key in place.decisions())
            raise ValueError(
                f"Invalid decisions {names} of an architecture of space "
                f"'{self.name}'. Expected at least one channel in all, for "
                f"{place.name} has no residual, and the network would end "
                "there. Received: 0 for each kernel size"
            )

    def blocks(self, architecture, plus=False):
        """Returns the block dictionaries of an architecture.

        There is one for each block, front to back, stem and head included; an
        identity is a `skip`.

        Args:
            architecture: An `Architecture` of this space.
            plus: Boolean, whether to add what makes an AtomNAS-C+ of an
                AtomNAS-C: swish in place of ReLU, and squeeze-excite in each
                block, with half the channels of the block's input inside.

        Returns:
            List of dictionaries, for `build_from_blocks`.

        Raises:
            ValueError: If the architecture is not of this space.

        Reference:
            AtomNAS: Fine-Grained End-to-End Neural Architecture Search,
            Section 4.2.
        """
        self.check(architecture)
        act = "swish" if plus else "relu"
        first, last = self.places[0].cin, self.places[-1].cout
        blocks = [_conv(3, first, 3, self.stem_stride, act)]
        for place in self.places:
            block = place.block(architecture.decisions, act)
            if plus and block["type"] == "mbconv":
                block["se_hidden"] = max(1, round(0.5 * place.cin))
            blocks.append(block)
        return [*blocks, _conv(last, self.head, 1, 1, act)]

    def build(
        self,
        architecture,
        classes=1000,
        momentum=0.99,
        epsilon=1e-3,
        plus=False,
    ):
        """Returns the network of an architecture, a plain Keras model.

        Args:
            architecture: An `Architecture` of this space.
            classes: Integer, the number of logits.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.
            plus: Boolean, whether to add swish and squeeze-excite, as in
                `blocks`.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If the architecture is not of this space, or `classes`
                is not a positive integer.
        """
        return build_from_blocks(
            self.blocks(architecture, plus),
            (self.resolution, self.resolution, 3),
            classes,
            self.name,
            momentum,
            epsilon,
        )

    def supernet(
        self,
        classes=1000,
        momentum=0.99,
        epsilon=1e-3,
        threshold=1e-3,
        average_momentum=0.9999,
        seed=None,
    ):
        """Returns the model that holds all networks of the space.

        It is the network of `biggest()` with an `AtomicBlockScale` for each
        decision, and nowhere else: stem, head and blocks without a decision
        are left as they are. Search it with `keras_nas.search.AtomNAS`, and
        see `from_channels` for what that finds.

        Args:
            classes: Integer, the number of logits.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.
            threshold: Float, that of every `AtomicBlockScale`.
            average_momentum: Float, the `momentum` of every
                `AtomicBlockScale`; the paper's value is for a training of
                some hundred thousand steps.
            seed: Integer seed of the masks.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If an argument is out of range.
        """
        return build_supernet(
            self, classes, momentum, epsilon, threshold, average_momentum, seed
        )

    def from_channels(self, architecture):
        """Returns an architecture of the space, from that of a search.

        Use it on what `keras_nas.search.AtomNAS` has found: which channels of
        the supernet stay. Only their number matters to a network that is
        built anew.

        Args:
            architecture: An `Architecture` that has a list of channels for
                each mask of `supernet()`.

        Raises:
            ValueError: If it has other decisions, or leaves a block nothing
                which it needs.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_atom_nas()
        >>> kept = space.to_channels(space.sample(seed=0))
        >>> space.from_channels(kept) == space.sample(seed=0)
        True
        """
        found = Architecture(self.name, count_channels(self, architecture))
        self.check(found)
        return found

    def to_channels(self, architecture):
        """Returns which channels of the supernet make an architecture.

        Use it to cut a network of known numbers out of a supernet, with
        `keras_nas.slice_model`. The channels are the first ones of each
        kernel size.

        Args:
            architecture: An `Architecture` of this space.

        Returns:
            An `Architecture` that has a list of channels for each mask of
            `supernet()`.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        self.check(architecture)
        decisions = architecture.decisions
        channels = {
            mask: list(range(decisions[key]))
            for mask, key in decisions_of_masks(self).items()
        }
        return Architecture(self.name, channels)

    def _ended_by(self, decisions):
        """Returns the places that have no channel, and no residual."""
        return [
            place
            for place in self.places
            if place.searchable
            and not place.residual
            and not any(decisions[key] for key in place.decisions())
        ]

    def _architecture(self, decisions):
        for place in self._ended_by(decisions):
            decisions[place.decisions()[0]] = 1
        return super()._architecture(decisions)


def _conv(cin, cout, kernel, stride, act):
    shape = {"cin": cin, "cout": cout, "kernel": kernel, "stride": stride}
    return {"type": "conv", **shape, "act": act, "bias": False}
