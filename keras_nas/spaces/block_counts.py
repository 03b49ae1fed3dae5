"""What blocks cost, counted once for maps and channels of all sizes."""

import math

import numpy as np

from keras_nas.spaces.blocks import build_from_blocks


def count_block(block, classes=None):
    """Builds a block for a small map, and counts it.

    The multiply-adds of a convolution go with the positions of its output, so
    that is enough for maps of all sizes.

    Args:
        block: Dictionary as `build_from_blocks` takes it.
        classes: Integer, for a classifier behind it; by default there is none.

    Returns:
        Integer array: multiply-adds, those for each position of the input,
        those for each position of the output, and parameters. With stride 1
        the second are those for each position of either.
    """
    # Costs import the graph, and that imports this folder.
    from keras_nas.costs import count_cost

    size = 2 * block["stride"]
    shape = (size, size, block["cin"])
    model = build_from_blocks([block], shape, classes or 1)
    counts = np.zeros(4, "int64")
    for layer in count_cost(model).layers:
        if layer.name == "logits" and classes is None:
            continue
        positions = math.prod(layer.output_shape[1:-1])
        kind = {1: 0, size**2: 1}.get(positions, 2)
        counts[kind] += layer.macs // positions
        counts[3] += layer.params
    return counts


def costs_at(counts, size, stride):
    """Returns what counted blocks cost, for sizes of their inputs.

    Args:
        counts: Integer array, the last axis as of `count_block`.
        size: Integer, height and width; or an array of them, of the shape of
            the other axes.
        stride: Integer, that of the blocks.

    Returns:
        Integer array: multiply-adds and parameters on the last axis.
    """
    once, per_input, per_output, params = np.moveaxis(counts, -1, 0)
    macs = per_input * size**2 + per_output * (-(-size // stride)) ** 2
    return np.stack(np.broadcast_arrays(once + macs, params), axis=-1)


class WidthCounts:
    """What a kind of block costs, for all its numbers of channels.

    What a layer costs is a product of at most two widths, so what a block
    costs is affine in each of its widths, and in two of them at once where
    they meet in a layer. Blocks in which all widths are 1, but for one, or
    for two that meet, which are 2, tell all the others.

    Args:
        count: Function of the widths, by their names, that returns an array
            as `count_block` does.
        pairs: List of the pairs of names of widths that meet in a layer; each
            width is in one of them.
    """

    def __init__(self, count, pairs):
        names = sorted({name for pair in pairs for name in pair})

        def more(*twice):
            return count(**{name: 1 + (name in twice) for name in names})

        self._base = more()
        self._one = {name: more(name) - self._base for name in names}
        self._two = {
            (a, b): more(a, b) - self._base - self._one[a] - self._one[b]
            for a, b in pairs
        }

    def at(self, **widths):
        """Returns the counts for widths.

        Args:
            **widths: Integers, or arrays of them that broadcast, by name.

        Returns:
            Integer array, the last axis as of `count_block`.
        """
        above = {
            name: np.expand_dims(width, -1) - 1
            for name, width in widths.items()
        }
        shape = np.broadcast_shapes(*(width.shape for width in above.values()))
        total = np.broadcast_to(self._base, (*shape[:-1], 4))
        for name, counts in self._one.items():
            total = total + above[name] * counts
        for (a, b), counts in self._two.items():
            total = total + above[a] * above[b] * counts
        return total
