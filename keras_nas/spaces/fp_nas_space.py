"""Spaces whose rows decide on kernel, activation, splits and both widths."""

from keras_nas.spaces.block_schema import ACTIVATIONS
from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.fp_nas_costs import cost_tables
from keras_nas.spaces.fp_nas_rows import read_rows
from keras_nas.spaces.fp_nas_supernet import build_supernet
from keras_nas.spaces.table_rows import is_increasing
from keras_nas.spaces.tabulated_space import TabulatedSpace


class FPNASSpace(TabulatedSpace):
    """The networks that a table of rows describes, each row with its choices.

    Use it for `keras_nas.search.FPNAS`: decisions that belong together are
    grouped, so that a distribution can decide on them jointly. What very many
    networks cost is counted at once.

    A row is a dictionary with an `op`, and these keys; those with a value here
    may be left out:

    - `conv`, the first row, the stem, or the last one, the head: `c`,
      `kernel`, `s`, `act`, `bias=True`. A convolution, BatchNorm, activation.
    - `mbconv`, all rows between: `n` blocks, of which the first has the stride
      `s`, to `c` channels, with `e` times the channels of its input inside.

    `c` and `e` are a number, or what there is to choose from: a tuple
    `(low, high, step)` as papers write it, or a list of increasing numbers.

    All `n` blocks of a row take the same decisions: on the kernel, the
    activation, the number of splits, `e` and `c`. For a finer space write rows
    of one block. A block is a 1x1 convolution, which is left out where `e` is
    the number 1; a depthwise convolution; squeeze-excite with a hard sigmoid
    where the splits are 1, split attention where there are more, nothing where
    they are 0; and a 1x1 convolution. The channels inside are `e` times those
    of the block's input, as decided, rounded to a multiple of 8, and those
    inside of squeeze-excite and split attention a quarter of them. The input
    is added where stride and channels, as decided, stay. With the kernel 0
    nothing is left of a block but that; where shapes change there is a 1x1
    convolution, BatchNorm, ReLU instead.

    Decisions are called `stem_channels`, `row1_kernel`, `row1_act`,
    `row1_splits`, `row1_expansion`, `row1_channels` and so on, and
    `head_channels`. Options of an expansion are strings such as `"0.75"`.

    Args:
        name: String, the name that architectures and networks have.
        rows: List of dictionaries: a stem, rows of blocks, a head.
        kernels: List of increasing sizes of depthwise convolutions; 0 to
            leave out the blocks of a row.
        acts: List of activations as `build_from_blocks` calls them, from the
            cheapest on.
        splits: List of increasing numbers of splits.
        resolution: Integer, the height and width of the input.

    Attributes:
        stem: The `Conv` in front.
        rows: Tuple of `FPNASRow`, front to back.
        head: The `Conv` behind them.
        resolution: Integer.
        groups: Dictionary from the name of a row to the tuple of the names of
            its decisions, A^l of the paper; rows that decide nothing are not
            in it.

    Raises:
        ValueError: If a row is invalid, naming it and the field, or another
            argument is.

    Reference:
        FP-NAS: Fast Probabilistic Neural Architecture Search, Section 4,
        Tables 1 and 2; Section 3.3 for the groups.

    Example:

    >>> from keras_nas import spaces
    >>> stem = dict(op="conv", kernel=3, c=8, s=2, act="swish")
    >>> row = dict(op="mbconv", e=(1, 3, 1), c=[8, 16], n=2, s=1)
    >>> head = dict(op="conv", kernel=1, c=64, s=1, act="swish")
    >>> rows = [stem, row, head]
    >>> space = spaces.FPNASSpace("mine", rows, splits=[0, 1], resolution=32)
    >>> space.groups["row1"][2:]
    ('row1_splits', 'row1_expansion', 'row1_channels')
    >>> space.decisions["row1_expansion"], space.size()
    (('1', '2', '3'), 72)
    >>> space.build(space.sample(seed=0), classes=10).output_shape
    (None, 10)
    >>> macs, params = space.costs(space.sample_indices(1000, seed=0))
    >>> len(macs), int(macs.max()) == space.cost(space.biggest()).macs
    (1000, True)
    """

    def __init__(
        self,
        name,
        rows,
        kernels=(0, 3, 5),
        acts=("relu", "swish"),
        splits=(0, 1),
        resolution=224,
    ):
        _check_numbers("kernels", kernels)
        _check_numbers("splits", splits)
        if not _are_acts(acts):
            raise ValueError(
                "Invalid value received for argument `acts`. Expected a list "
                f"of different ones of {list(ACTIVATIONS)}. Received: "
                f"acts={acts!r}"
            )
        check_sizes(resolution=resolution)
        self.resolution = resolution
        micro = tuple(kernels), tuple(acts), tuple(splits)
        self.stem, self.rows, self.head = read_rows(rows, *micro)
        parts = {
            "stem": {"stem_channels": self.stem.channels},
            **{row.name: row.options() for row in self.rows},
            "head": {"head_channels": self.head.channels},
        }
        options = {"resolution": (resolution,)}
        for part in parts.values():
            options |= part
        super().__init__(name, options)
        groups = {
            part: tuple(key for key in keys if key in self.decisions)
            for part, keys in parts.items()
        }
        self.groups = {part: keys for part, keys in groups.items() if keys}

    def blocks(self, architecture):
        """Returns the block dictionaries of an architecture.

        There is one for each block, front to back, stem and head included.

        Args:
            architecture: An `Architecture` of this space.

        Returns:
            List of dictionaries, for `build_from_blocks`.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        value = self._values(architecture)
        channels = value["stem_channels"]
        blocks = [self.stem.block(3, channels)]
        for row in self.rows:
            decided = [value[key] for key in row.options()]
            blocks += row.blocks(channels, *decided)
            channels = decided[-1]
        return [*blocks, self.head.block(channels, value["head_channels"])]

    def supernet(self, classes=1000, **kwargs):
        """Returns the model that holds all networks of the space.

        Its decisions have the names of those of the space, and
        `keras_nas.slice_model` cuts an architecture of the space out of it.
        A step computes what is decided and nothing else.

        Args:
            classes: Integer, the number of logits.
            **kwargs: `execution="sliced"`, to compute only the channels and
                kernels that are chosen, or `"masked"`, so that all shapes are
                static; `recompute=False`, whether the backward pass computes
                blocks once more, so that XLA keeps no room for those that do
                not run; `synchronized=False`, `momentum=0.99` and
                `epsilon=1e-3` of every BatchNormalization; `seed` of the
                draws.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If `classes` is not a positive integer, or `execution`
                is something else.

        Example:

        >>> import keras_nas
        >>> space = keras_nas.spaces.smoke_fp_nas()
        >>> model = space.supernet(classes=10)
        >>> architecture = space.sample(seed=0)
        >>> network = keras_nas.slice_model(model, architecture)
        >>> cost = space.cost(architecture, classes=10)
        >>> keras_nas.count_cost(network).macs == cost.macs
        True
        """
        check_sizes(classes=classes)
        return build_supernet(self, classes, **kwargs)

    def _cost_tables(self):
        return cost_tables(self)


def _check_numbers(key, values):
    is_list = isinstance(values, (list, tuple)) and len(values) > 0
    are_numbers = is_list and all(type(v) is int and v >= 0 for v in values)
    if not are_numbers or not is_increasing(values):
        raise ValueError(
            f"Invalid value received for argument `{key}`. Expected a list of "
            f"increasing integers >= 0. Received: {key}={values!r}"
        )


def _are_acts(values):
    return (
        isinstance(values, (list, tuple))
        and len(values) > 0
        and all(isinstance(v, str) and v in ACTIVATIONS for v in values)
        and len(set(values)) == len(values)
    )
