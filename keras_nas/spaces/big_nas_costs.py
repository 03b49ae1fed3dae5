"""What the parts of the networks of BigNAS' space cost."""

import numpy as np

from keras_nas.spaces.block_counts import costs_at
from keras_nas.spaces.block_counts import count_block
from keras_nas.spaces.cost_tables import CostTables


def cost_tables(space):
    """Returns the `CostTables` of a `BigNASSpace`.

    Each different block of the space is built once and counted. What a stage
    costs depends on five decisions; what a network costs is the sum of its
    stem, stages and head.
    """
    sizes = np.array(space.resolutions)
    before, channels = "stem_channels", space.stem
    stem = [
        costs_at(count_block(space.stem_block(c)), sizes, space.stem_stride)
        for c in channels
    ]
    tables = [(("resolution", before), np.stack(stem, axis=1))]
    sizes = -(-sizes // space.stem_stride)
    for stage in space.stages:
        keys = stage.options()
        table = _stage_table(stage, sizes)
        tables.append((("resolution", before, *keys), table))
        sizes = -(-sizes // stage.stride)
        before, channels = next(iter(keys)), stage.channels

    def head(classes):
        counts = [
            [count_block(space.head_block(cin, c), classes) for c in space.head]
            for cin in channels
        ]
        table = costs_at(np.array(counts), sizes[:, None, None], 1)
        return ("resolution", before, "head_channels"), table

    return CostTables(space, tables, head)


def _stage_table(stage, sizes):
    """Returns the table by resolution, both channels, depth and kernel."""
    cins, couts, kernels = stage.before, stage.channels, stage.kernels
    outputs = -(-sizes // stage.stride)
    shape = (len(cins), len(couts), len(kernels), len(sizes), 2)
    first, other = np.zeros((2, *shape), "int64")
    for k, kernel in enumerate(kernels):
        for o, cout in enumerate(couts):
            for i, cin in enumerate(cins):
                counts = count_block(stage.first(cin, cout, kernel))
                first[i, o, k] = costs_at(counts, sizes, stage.stride)
            if stage.depths != (1,):
                counts = count_block(stage.other(cout, kernel))
                other[:, o, k] = costs_at(counts, outputs, 1)
    others = np.array(stage.depths) - 1
    table = first[..., None, :] + others[:, None] * other[..., None, :]
    return table.transpose(3, 0, 1, 4, 2, 5)
