"""Spaces whose networks are lists of block dictionaries."""

from keras_nas.spaces.blocks import build_from_blocks
from keras_nas.spaces.search_space import SearchSpace


class BlockSpace(SearchSpace):
    """Base class of spaces whose networks `build_from_blocks` builds.

    A subclass has `blocks`.

    Args:
        name: String, the name that architectures and networks have.
        options: Dictionary from the name of a decision to a tuple of its
            options. It has a `resolution`, the height and width of the input.
    """

    def __init__(self, name, options):
        super().__init__(name, options)
        self._only = {key: values[0] for key, values in options.items()}

    def blocks(self, architecture):
        """Returns the block dictionaries of an architecture.

        Args:
            architecture: An `Architecture` of this space.
        """
        raise NotImplementedError

    def build(self, architecture, classes=1000, momentum=0.99, epsilon=1e-3):
        """Returns the network of an architecture, a plain Keras model.

        Args:
            architecture: An `Architecture` of this space.
            classes: Integer, the number of logits.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.

        Returns:
            A Functional model of images of the decided resolution that
            returns logits.

        Raises:
            ValueError: If the architecture is not of this space, or `classes`
                is not a positive integer.
        """
        size = self._values(architecture)["resolution"]
        return build_from_blocks(
            self.blocks(architecture),
            (size, size, 3),
            classes,
            self.name,
            momentum,
            epsilon,
        )

    def _values(self, architecture):
        """Returns what is decided, and what there is only one option of."""
        self.check(architecture)
        return {**self._only, **architecture.decisions}
