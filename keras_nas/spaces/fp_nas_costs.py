"""What the parts of the networks of FP-NAS' spaces cost."""

import functools

import numpy as np

from keras_nas.layers.multiples import se_hidden
from keras_nas.spaces.block_counts import WidthCounts
from keras_nas.spaces.block_counts import costs_at
from keras_nas.spaces.block_counts import count_block
from keras_nas.spaces.cost_tables import CostTables
from keras_nas.spaces.fp_nas_rows import micro_block


def cost_tables(space):
    """Returns the `CostTables` of an `FPNASSpace`.

    What a row costs depends on five decisions: the channels in front of it
    and all its own but the activation. Its blocks are counted for each number
    of splits and kernel size, for all numbers of channels.
    """
    size, stem, before = space.resolution, space.stem, "stem_channels"
    counts = [count_block(stem.block(3, c)) for c in stem.channels]
    tables = [((before,), costs_at(np.array(counts), size, stem.stride))]
    size, channels = -(-size // stem.stride), stem.channels
    for row in space.rows:
        keys = [key for key in row.options() if not key.endswith("_act")]
        tables.append(((before, *keys), _row_table(row, size)))
        size, channels = -(-size // row.stride), row.channels
        before = f"{row.name}_channels"

    def head(classes):
        def count(cin, cout):
            return count_block(space.head.block(cin, cout), classes)

        widths = {
            "cin": np.array(channels)[:, None],
            "cout": np.array(space.head.channels),
        }
        counts = WidthCounts(count, [("cin", "cout")]).at(**widths)
        table = costs_at(counts, size, space.head.stride)
        return (before, "head_channels"), table

    return CostTables(space, tables, head)


def _row_table(row, size):
    """Returns the table by the channels in front and what `row` decides.

    The axes are those of the channels in front, kernel, splits, expansion and
    channels.
    """
    output = -(-size // row.stride)
    cin = np.array(row.before)[:, None, None]
    cout = np.array(row.channels)
    table = [
        [
            _costs(row, kernel, splits, cin, cout, size, row.stride)
            + (row.repeats - 1)
            * _costs(row, kernel, splits, cout, cout, output, 1)
            for splits in row.splits
        ]
        for kernel in row.kernels
    ]
    return np.moveaxis(np.array(table), 2, 0)


def _costs(row, kernel, splits, cin, cout, size, stride):
    """Returns what blocks of a row cost, for all channels and expansions.

    Args:
        row: An `FPNASRow`.
        kernel, splits: An option of each.
        cin: Array of channels of the input, with two axes more, or of the
            shape of `cout`.
        cout: Array of channels of the output.
        size: Integer, that of the input.
        stride: Integer.

    Returns:
        Array of the axes of `cin`, if it has its own, expansion, and `cout`,
        and one for multiply-adds and parameters.
    """
    mid = np.vectorize(row.mid)(cin, np.array(row.expansions)[:, None])
    hidden = np.vectorize(se_hidden)(mid)
    widths = {"cin": cin, "cout": cout, "mid": mid, "hidden": hidden}
    counts = _counts(kernel, splits if kernel else 0, row.expands)
    costs = costs_at(counts.at(**widths), size, stride)
    if kernel or stride > 1:
        return costs
    return np.where((cin == cout)[..., None], 0, costs)


@functools.cache
def _counts(kernel, splits, expands):
    """Returns the `WidthCounts` of a kind of block."""

    def count(cin, cout, mid=None, hidden=1):
        micro = kernel, "relu", splits, mid or cin, hidden, expands
        # With a stride, to tell what goes with the positions of the input.
        shape = {"cin": cin, "cout": cout, "stride": 2}
        return count_block({**micro_block(*micro), **shape})

    mid = "mid" if kernel and expands else "cin"
    pairs = [(mid, "cout")]
    pairs += [("cin", mid)] if mid != "cin" else []
    pairs += [(mid, "hidden")] if splits else []
    return WidthCounts(count, pairs)
