"""What the parts of the networks of FP-NAS' spaces cost."""

import numpy as np

from keras_nas.spaces.block_counts import WidthCounts
from keras_nas.spaces.block_counts import costs_at
from keras_nas.spaces.block_counts import count_block
from keras_nas.spaces.cost_tables import CostTables
from keras_nas.spaces.mbconv_parts import se_hidden


def cost_tables(space):
    """Returns the `CostTables` of an `FPNASSpace`.

    What a row costs depends on five decisions: the channels in front of it
    and all its own but the activation. Its blocks are counted for each number
    of splits and kernel size, for all numbers of channels.
    """
    counter, size = _Counter(), space.resolution
    stem, before = space.stem, "stem_channels"
    counts = [count_block(stem.block(3, c)) for c in stem.channels]
    tables = [((before,), costs_at(np.array(counts), size, stem.stride))]
    size, channels = -(-size // stem.stride), stem.channels
    for row in space.rows:
        keys = [key for key in row.options() if not key.endswith("_act")]
        tables.append(((before, *keys), counter.row_table(row, size)))
        size, channels = -(-size // row.stride), row.channels
        before = f"{row.name}_channels"

    def head(classes):
        def count(cin, cout):
            return count_block(space.head.block(cin, cout), classes)

        widths = {
            "cin": np.array(channels)[:, None],
            "cout": np.array(space.head.channels),
        }
        counts = WidthCounts(count, [*widths]).at(**widths)
        table = costs_at(counts, size, space.head.stride)
        return (before, "head_channels"), table

    return CostTables(space, tables, head)


class _Counter:
    """Counts each kind of block once."""

    def __init__(self):
        self._kinds = {}

    def row_table(self, row, size):
        """Returns the table by the channels in front and what `row` decides.

        The axes are those of the channels in front, kernel, splits, expansion
        and channels.
        """
        output = -(-size // row.stride)
        cin = np.array(row.before)[:, None, None]
        cout = np.array(row.channels)
        table = [
            [
                self._costs(row, kernel, splits, cin, cout, size, row.stride)
                + (row.repeats - 1)
                * self._costs(row, kernel, splits, cout, cout, output, 1)
                for splits in row.splits
            ]
            for kernel in row.kernels
        ]
        return np.moveaxis(np.array(table), 2, 0)

    def _costs(self, row, kernel, splits, cin, cout, size, stride):
        """Returns costs by both channels and, between them, expansion."""
        mid = np.array(
            [
                [row.mid(c, expansion) for c in cin.flat]
                for expansion in row.expansions
            ]
        )
        # One row for each number of channels in front, if it has its axis.
        mid = mid.T[..., None] if cin.ndim > 1 else mid
        hidden = np.reshape([se_hidden(m) for m in mid.flat], mid.shape)
        widths = {"cin": cin, "cout": cout, "mid": mid, "hidden": hidden}
        counts = self._kind(row, kernel, splits).at(**widths)
        costs = costs_at(counts, size, stride)
        if kernel or stride > 1:
            return costs
        return np.where((cin == cout)[..., None], 0, costs)

    def _kind(self, row, kernel, splits):
        """Returns the `WidthCounts` of blocks."""
        key = kernel, splits if kernel else 0, row.expands
        if key not in self._kinds:
            # With a stride, to tell what goes with the input's positions.
            shape = {"stride": 2, **({"residual": None} if kernel else {})}

            def count(cin, cout, mid=None, hidden=None):
                mid = mid or cin
                block = row.block(kernel, splits, mid, hidden, "relu")
                return count_block({**block, **shape, "cin": cin, "cout": cout})

            names = ["cin", "cout"]
            names += ["mid"] if kernel and row.expands else []
            names += ["hidden"] if kernel and splits else []
            self._kinds[key] = WidthCounts(count, names)
        return self._kinds[key]
