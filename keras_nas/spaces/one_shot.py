"""The One-Shot space, as FiGS searches it: cells of blocks of operators."""

from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.channel_places import Place
from keras_nas.spaces.channel_space import ChannelSpace
from keras_nas.spaces.one_shot_supernet import OPERATORS
from keras_nas.spaces.one_shot_supernet import build_one_shot

AGGREGATORS = ("concat", "add")


class OneShotSpace(ChannelSpace):
    """The networks that cells of densely connected blocks can be cut to.

    A cell has some blocks. A block reads the outputs of the two cells before
    it and of all blocks before it in its cell: a 1x1 convolution mixes them,
    seven operators work side by side on the mix, and an aggregator makes one
    output of theirs. Each of the operators may go, and all of them: then the
    block goes. The operators are the identity, pairs of separable convolutions
    of 3x3, 5x5 and 7x7, separable convolutions of 1x7 and 7x1, and 3x3 max and
    average pooling.

    There is a mask on the output of each operator and of each convolution,
    behind its BatchNormalization, with names such as `cell1_block2_sep5_mask`,
    inside the operator `cell1_block2_sep5_1_mask`, and `cell1_block2_in_mask`
    for the mix. Identity and pooling, which have no weights, have masks like
    the others, behind `keras_nas.layers.OwnChannels`.

    FiGS, the text at hand, leaves much of Bender et al.'s space open. Chosen
    here:

    - the operators beyond "separable convolutions", and that the 1x7 and 7x1
      convolutions are separable too;
    - ReLU, convolution, BatchNormalization, in this order, with no
      normalization between a depthwise convolution and the 1x1 behind it;
    - that the output of a cell is a 1x1 convolution of its blocks' outputs,
      and has the cell's width, as its blocks have: `width` in the first cells,
      doubled where the map is halved;
    - that the first cell reads the stem alone, and that the last cell's output
      goes through a 1x1 convolution of the same width, ReLU, a global pool;
    - the stem: 3x3 convolutions of stride 2, one for each halving, the last
      one of `width` channels, those before it of half as many;
    - windows of 2x2 for the average pooling that halves a map;
    - masks on all convolutions, stem, mix, aggregator, cell and head included:
      "after every convolution", as the paper's conclusion says.

    Parameters, in millions, of networks with two of seven operators in each
    block, drawn uniformly (mean of 50), beside what Table 1 of FiGS prints
    for One-Shot-Small without its width, taken as F = 16, 24 and 32:

    | aggregator | 16 | 24 | 32 | supernet, 64 |
    | :-- | --: | --: | --: | --: |
    | add | 1.32 | 2.78 | 4.78 | 35.06 |
    | concat | 1.67 | 3.57 | 6.18 | 54.57 |
    | printed | 1.4 | 3.0 | 5.1 | |

    One-Shot-Small adds, and is 6 to 8% larger than what adds here. That is
    weak evidence: with cells whose outputs are concatenated only, by a
    formula, it would be 1.83, 3.94 and 6.85; with full 1x7 and 7x1
    convolutions 1.90, 4.10 and 7.13; and others may fit as well.

    Args:
        name: String, the name that architectures and networks have.
        cells: Integer, number of cells.
        blocks: Integer, blocks of a cell.
        width: Integer, F, channels of the first cells' blocks.
        aggregator: `"concat"`: a 1x1 convolution of all operators' outputs,
            whose widths are then free, or `"add"`: their sum.
        cells_per_stage: Integer, cells from one halving of the map to the
            next.
        stem_stride: Integer, a power of 2.
        resolution: Integer, height and width of the input.

    Attributes:
        cells, blocks, width, aggregator, cells_per_stage, stem_stride,
            resolution: The arguments.
        stem: Tuple of the names and channels of the stem's convolutions.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Sections 3.3 and 4.1
        and Appendix, "Search Space Details".

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.OneShotSpace("mine", 2, 2, 8, "add", resolution=32)
    >>> len(space.operators), space.masks["cell2_block1_in_mask"]
    (28, 8)
    >>> space.build(space.sample(seed=0), classes=10).output_shape
    (None, 10)
    """

    def __init__(
        self,
        name,
        cells=8,
        blocks=4,
        width=64,
        aggregator="concat",
        cells_per_stage=2,
        stem_stride=4,
        resolution=224,
    ):
        check_sizes(
            cells=cells,
            blocks=blocks,
            width=width,
            cells_per_stage=cells_per_stage,
            stem_stride=stem_stride,
            resolution=resolution,
        )
        if stem_stride & (stem_stride - 1):
            raise ValueError(
                "Invalid value received for argument `stem_stride`. Expected "
                f"a power of 2. Received: stem_stride={stem_stride}"
            )
        if aggregator not in AGGREGATORS:
            raise ValueError(
                "Invalid value received for argument `aggregator`. Expected "
                f"one of {list(AGGREGATORS)}. Received: "
                f"aggregator={aggregator!r}"
            )
        self.cells, self.blocks, self.width = cells, blocks, width
        self.aggregator, self.cells_per_stage = aggregator, cells_per_stage
        self.stem_stride, self.resolution = stem_stride, resolution
        self.stem = _stem(width, stem_stride)
        super().__init__(name, *self._layout())

    def width_of(self, cell):
        """Returns the channels of a cell, counted from 1, and its blocks."""
        return self.width << self.stage_of(cell)

    def stage_of(self, cell):
        """Returns how often the map is halved in front of a cell."""
        return max(0, cell - 1) // self.cells_per_stage

    def supernet(
        self,
        classes=1000,
        mask=None,
        seed=None,
        momentum=0.99,
        epsilon=1e-3,
        path_dropout=0.0,
    ):
        """Returns the model that holds all networks of the space.

        Args:
            classes: Integer, the number of logits.
            mask: Callable `mask(name=..., axis=..., seed=...)` that returns a
                mask layer; by default `keras_nas.FiGSMask`.
            seed: Integer seed of the masks, and of dropped operators.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.
            path_dropout: Float in [0, 1), the probability with which training
                drops an operator, all of it for all of a batch. One-Shot
                training has it, so that networks can be cut out without
                training; FiGS has none.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If an argument is out of range.
        """
        return build_one_shot(
            self, classes, mask, seed, momentum, epsilon, path_dropout
        )

    def _layout(self):
        """Returns the channels of all masks, and the places they are in."""
        masks, places = {}, []

        def add(name, inputs, widths, is_operator=False):
            masks.update(widths)
            places.append(Place(name, inputs, tuple(widths), is_operator))

        add("stem", (), {f"{name}_mask": n for name, n in self.stem})
        for cell in range(1, self.cells + 1):
            width, blocks = self.width_of(cell), []
            for number in range(1, self.blocks + 1):
                block = f"cell{cell}_block{number}"
                inputs = *self.inputs_of(cell), *blocks
                add(f"{block}_in", inputs, {f"{block}_in_mask": width})
                for key in OPERATORS:
                    name = f"{block}_{key}"
                    widths = dict.fromkeys(masks_of_operator(name, key), width)
                    add(name, (f"{block}_in",), widths, is_operator=True)
                operators = tuple(f"{block}_{key}" for key in OPERATORS)
                is_concat = self.aggregator == "concat"
                own = {f"{block}_mask": width} if is_concat else {}
                add(block, operators, own)
                blocks.append(block)
            add(f"cell{cell}", tuple(blocks), {f"cell{cell}_mask": width})
        last = self.width_of(self.cells)
        add("head", (f"cell{self.cells}",), {"head_mask": last})
        return masks, places

    def inputs_of(self, cell):
        """Returns the names of the two cells that a cell reads, or less."""
        names = {0: "stem"}
        return tuple(
            names.get(before, f"cell{before}")
            for before in (cell - 2, cell - 1)
            if before >= 0
        )


def one_shot(aggregator="concat", width=64):
    """Returns the One-Shot space of FiGS: 8 cells of 4 blocks, 224 pixels.

    Use it for networks of few parameters. The maps of the cells have 1/4, 1/4,
    1/8, 1/8, 1/16, 1/16, 1/32, 1/32 of the image's side.

    Args:
        aggregator: `"concat"` or `"add"`; the paper finds the first one better
            for model size.
        width: Integer, F.

    Returns:
        A `OneShotSpace`.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Section 4.1.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.one_shot()
    >>> len(space.operators), space.decisions["cell8_mask"][-1]
    (224, 512)
    """
    name = "one_shot" if aggregator == "concat" else f"one_shot_{aggregator}"
    return OneShotSpace(name, width=width, aggregator=aggregator)


def masks_of_operator(name, key):
    """Returns the names of the masks of an operator, front to back."""
    inner = len(OPERATORS[key]) - 1
    return *(f"{name}_{i + 1}_mask" for i in range(inner)), f"{name}_mask"


def _stem(width, stride):
    """Returns the names and channels of the stem's convolutions."""
    halvings = stride.bit_length() - 1
    last = "stem", width
    half = max(1, width // 2)
    return *((f"stem{i + 1}", half) for i in range(halvings - 1)), last
