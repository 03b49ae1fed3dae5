"""Spaces that are written as tables of rows of inverted residual blocks."""

from keras_nas.layers.multiples import se_hidden
from keras_nas.spaces.block_schema import is_sizes
from keras_nas.spaces.block_space import BlockSpace
from keras_nas.spaces.mbconv_parts import BLOCK_TYPES
from keras_nas.spaces.mbconv_rows import are_types
from keras_nas.spaces.mbconv_rows import read_rows
from keras_nas.spaces.mbconv_supernet import build_supernet
from keras_nas.spaces.table_rows import is_increasing


class MBConvSpace(BlockSpace):
    """The networks that a table of inverted residual blocks describes.

    Write the table of a paper, or one of your own, as rows. A row is a
    dictionary with an `op`, and these keys; those with a value here may be
    left out:

    - `conv`, the first row, the stem, or the last one, the head: `c`,
      `kernel`, `s`, `act`, `bias=True`. A convolution, BatchNorm, activation.
    - `mbconv`, all rows between: `n` blocks, of which the first has the stride
      `s`, to `c` channels. `e`, or `mid`; `joins=False`; `types`, by default
      those of the space.
    - `ir_pool`, a head: `c`, `mid`, `act`, as in `build_from_blocks`.

    `c`, `e` and `mid` are a number, or what there is to choose from: a tuple
    `(low, high, step)` as papers write it, or a list of increasing numbers;
    the `mid` of an `ir_pool` is a number. `mid` counts the channels between
    the 1x1 convolutions of a block; `e` are those channels over the *largest*
    number that the block's input can have, rounded to multiples of 8. Where
    `e` is 1 there is no first 1x1 convolution.

    Residual additions tie channels, so the blocks that they connect, a
    *stage*, share one decision of their channels. A row opens a stage: its
    first block has no residual, even where the shape stays, the others have
    one. With `joins` all its blocks go on with the stage before, which may be
    that of the stem; `s` is 1 then, and `c` may be left out.

    The types of blocks are "skip" and "ir_k3" or "ir_k5", by the kernel, with
    "_se" where there is squeeze-excite, "_hs" where the activation is hswish,
    and "_se_hs" where there is both. A skip is the identity where there is a
    residual, and otherwise a 1x1 convolution, BatchNorm and ReLU; its expanded
    channels are decided as well, and mean nothing.

    Decisions are called `resolution`, `stem_channels`, `stage1_channels`,
    `stage1_block1_type`, `stage1_block1_expanded` and `head_channels`; the
    blocks that join the stem are those of stage `stem`.

    Args:
        name: String, the name that architectures and networks have.
        rows: List of dictionaries: a stem, rows of blocks, a head.
        types: List, in any order, of the block types of rows that have none
            of their own; all nine by default.
        resolutions: List of increasing numbers of pixels, the height and width
            of the input.

    Attributes:
        stem: The `Conv` in front; its channels are those of `stages[0]`.
        stages: Tuple of `Stage`, front to back; the first is called "stem",
            and its blocks, if it has any, are those that join the stem.
        head: The `Conv` or `IRPool` behind them.
        resolutions: Tuple of integers.

    Raises:
        ValueError: If a row is invalid, naming it and the field, or another
            argument is.

    Example:

    >>> from keras_nas import spaces
    >>> stem = dict(op="conv", kernel=3, c=8, s=2, act="hswish")
    >>> row = dict(op="mbconv", e=(1, 3, 1), c=[8, 16], n=2, s=2)
    >>> head = dict(op="conv", kernel=1, c=64, s=1, act="hswish")
    >>> rows = [stem, row, head]
    >>> space = spaces.MBConvSpace("mine", rows, ["ir_k3", "ir_k5"], [32])
    >>> space.decisions["stage1_channels"]
    (8, 16)
    >>> space.decisions["stage1_block2_expanded"]
    (16, 32, 48)
    >>> model = space.build(space.sample(seed=0), classes=10)
    >>> model.output_shape
    (None, 10)
    """

    def __init__(self, name, rows, types=None, resolutions=(224,)):
        types = list(BLOCK_TYPES) if types is None else types
        if not are_types(types):
            raise ValueError(
                "Invalid value received for argument `types`. Expected a list "
                f"of different ones of {list(BLOCK_TYPES)}. Received: "
                f"types={types!r}"
            )
        if not is_sizes(resolutions) or not is_increasing(resolutions):
            raise ValueError(
                "Invalid value received for argument `resolutions`. Expected "
                "a list of increasing positive integers. Received: "
                f"resolutions={resolutions!r}"
            )
        self.resolutions = tuple(resolutions)
        self.stem, self.stages, self.head = read_rows(rows, types)
        super().__init__(name, dict(self._all_options()))

    def _all_options(self):
        """Yields the name and the options of each decision, front to back."""
        yield "resolution", self.resolutions
        for stage in self.stages:
            yield f"{stage.name}_channels", stage.channels
            for block in stage.blocks:
                yield f"{block.name}_type", block.types
                if block.expanded is not None:
                    yield f"{block.name}_expanded", block.expanded
        yield "head_channels", self.head.channels

    def blocks(self, architecture):
        """Returns the block dictionaries of an architecture.

        There is one for each block, front to back, stem and head included; an
        identity is a `skip`.

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
        for stage in self.stages:
            before, channels = channels, value[f"{stage.name}_channels"]
            for block in stage.blocks:
                kind = value[f"{block.name}_type"]
                mid = value.get(f"{block.name}_expanded")
                cin = channels if block.residual else before
                blocks.append(_block(block, kind, mid, cin, channels))
        return [*blocks, self.head.block(channels, value["head_channels"])]

    def supernet(
        self,
        classes=1000,
        temperature=5.0,
        wraps="network",
        seed=None,
        momentum=0.99,
        epsilon=1e-3,
    ):
        """Returns the model that holds all networks of the space.

        Its masks are called as the decisions are, so that
        `keras_nas.slice_model(supernet, architecture)` is the network of an
        architecture, with the supernet's weights. Search it with
        `keras_nas.search.DMaskingNAS`.

        Args:
            classes: Integer, the number of logits.
            temperature: Float, tau of all masks at the start.
            wraps: What is run at each resolution before the results are
                summed, if there are several: `"network"`, everything but the
                classifier, or `"blocks"`, stem, blocks and head one by one,
                so that maps mix the resolutions (DMaskingNAS, Fig. 5). Both
                compute as much; compilers keep the memory of the first
                independent of the number of resolutions.
            seed: Integer seed of all draws.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.

        Returns:
            A Functional model of images of the largest resolution that
            returns logits.

        Raises:
            ValueError: If `wraps` is something else.
        """
        return build_supernet(
            self, classes, temperature, wraps, seed, momentum, epsilon
        )


def _block(block, kind, mid, cin, cout):
    shape = {"cin": cin, "cout": cout, "stride": block.stride}
    if kind == "skip" and block.residual:
        return {"type": "skip", **shape}
    if kind == "skip":
        # Not a "skip", which would be the identity where the shape stays.
        fields = {"kernel": 1, "act": "relu", "bias": False}
        return {"type": "conv", **shape, **fields}
    block_type = BLOCK_TYPES[kind]
    mid = cin if mid is None else mid
    squeeze_excite = {
        "se_hidden": se_hidden(mid),
        "se_gate": "hard_sigmoid",
    }
    return {
        "type": "mbconv",
        **shape,
        "kernels": [block_type.kernel],
        "mid": [mid],
        "act": block_type.act,
        "residual": "add" if block.residual else None,
        "expand": block.expanded is not None,
        **(squeeze_excite if block_type.has_se else {}),
    }
