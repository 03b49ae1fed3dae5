"""What very many networks of BigNAS' space cost, from tables."""

import math

import numpy as np

from keras_nas.spaces.blocks import build_from_blocks


class CostTables:
    """What the parts of the networks of a space cost, for all options.

    Each different block of the space is built once, for a small map, and
    `keras_nas.count_cost` counts it. The multiply-adds of a convolution go
    with the positions of its output, so that is enough for all resolutions.
    What a stage costs depends on five decisions; what a network costs is the
    sum of its stem, stages and head.

    Args:
        space: A `BigNASSpace`.

    Attributes:
        keys: List of tuples of names of decisions, those that each part
            depends on, in the order of the axes of its table.
    """

    def __init__(self, space):
        self._space, self._heads = space, {}
        sizes = np.array(space.resolutions)
        before, channels = "stem_channels", space.stem
        self.keys = [("resolution", before)]
        counted = [_count(space.stem_block(c)) for c in channels]
        self._tables = [np.stack([count.at(sizes) for count in counted], 1)]
        sizes = -(-sizes // space.stem_stride)
        for stage in space.stages:
            keys = stage.options()
            self.keys.append(("resolution", before, *keys))
            self._tables.append(_stage_table(stage, sizes))
            sizes = -(-sizes // stage.stride)
            before, channels = next(iter(keys)), stage.channels
        self.keys.append(("resolution", before, "head_channels"))
        self._sizes, self._channels = sizes, channels

    def costs(self, indices, classes):
        """Returns the multiply-adds and the parameters of networks.

        Args:
            indices: Integer array of valid indices, a column for each decision
                of the space.
            classes: Integer, the number of logits.

        Returns:
            Two integer arrays.
        """
        columns = dict(zip(self._space.decisions, indices.T, strict=True))
        total = np.zeros((len(indices), 2), "int64")
        tables = [*self._tables, self._head_table(classes)]
        for keys, table in zip(self.keys, tables, strict=True):
            # What is not decided has one option, the first.
            total += table[tuple(columns.get(key, 0) for key in keys)]
        return total[:, 0], total[:, 1]

    def _head_table(self, classes):
        if classes not in self._heads:
            rows = [
                [
                    _count(self._space.head_block(cin, c), classes)
                    for c in self._space.head
                ]
                for cin in self._channels
            ]
            self._heads[classes] = np.array(
                [[count.at(self._sizes) for count in row] for row in rows]
            ).transpose(2, 0, 1, 3)
        return self._heads[classes]


class _Count:
    """Multiply-adds by the map that they go with, and parameters."""

    def __init__(self, stride):
        self.stride = stride
        self.once = self.per_input = self.per_output = self.params = 0

    def at(self, sizes):
        """Returns rows of multiply-adds and parameters, for sizes of inputs."""
        outputs = -(-sizes // self.stride)
        macs = self.per_input * sizes**2 + self.per_output * outputs**2
        params = np.full_like(sizes, self.params)
        return np.stack([macs + self.once, params], axis=-1).astype("int64")


def _count(block, classes=None):
    """Counts a block, with a classifier behind it where there are classes."""
    # Costs import the graph, and that imports this folder.
    from keras_nas.costs import count_cost

    count, size = _Count(block["stride"]), 2 * block["stride"]
    shape = (size, size, block["cin"])
    model = build_from_blocks([block], shape, classes or 1)
    for layer in count_cost(model).layers:
        if layer.name == "logits" and classes is None:
            continue
        count.params += layer.params
        positions = math.prod(layer.output_shape[1:-1])
        if positions == 1:
            count.once += layer.macs
        elif positions == size**2:
            count.per_input += layer.macs // positions
        else:
            count.per_output += layer.macs // positions
    return count


def _stage_table(stage, sizes):
    """Returns the table by resolution, both channels, depth and kernel."""
    cins, couts, kernels = stage.before, stage.channels, stage.kernels
    shape = (len(cins), len(couts), len(kernels), len(sizes), 2)
    first, other = np.zeros((2, *shape), "int64")
    for k, kernel in enumerate(kernels):
        for o, cout in enumerate(couts):
            for i, cin in enumerate(cins):
                count = _count(stage.first(cin, cout, kernel))
                first[i, o, k] = count.at(sizes)
            if stage.depths != (1,):
                count = _count(stage.other(cout, kernel))
                other[:, o, k] = count.at(-(-sizes // stage.stride))
    others = np.array(stage.depths) - 1
    table = first[..., None, :] + others[:, None] * other[..., None, :]
    return table.transpose(3, 0, 1, 4, 2, 5)
