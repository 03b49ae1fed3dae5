"""What a space of inverted residual blocks consists of, as plain data."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BlockType:
    """What the name of a block type stands for.

    Attributes:
        kernel: Integer, size of the depthwise convolution.
        has_se: Boolean, whether squeeze-excite follows it.
        act: Name of the activation.
    """

    kernel: int
    has_se: bool
    act: str


# From the cheapest to the most expensive. A skip has no MBConv.
BLOCK_TYPES = {
    "skip": None,
    "ir_k3": BlockType(3, False, "relu"),
    "ir_k3_hs": BlockType(3, False, "hswish"),
    "ir_k3_se": BlockType(3, True, "relu"),
    "ir_k3_se_hs": BlockType(3, True, "hswish"),
    "ir_k5": BlockType(5, False, "relu"),
    "ir_k5_hs": BlockType(5, False, "hswish"),
    "ir_k5_se": BlockType(5, True, "relu"),
    "ir_k5_se_hs": BlockType(5, True, "hswish"),
}


@dataclasses.dataclass(frozen=True)
class Block:
    """One place for a block, and what may stand there.

    Attributes:
        name: String such as `"stage1_block2"`. Its decisions are called
            `f"{name}_type"` and `f"{name}_expanded"`.
        types: Tuple of names of `BLOCK_TYPES`.
        expanded: Tuple of numbers of channels between the 1x1 convolutions;
            `None` where there is no first one, and the depthwise convolution
            works on the channels of the input.
        stride: Integer.
        residual: Boolean: whether the input is added to the output. It has
            the stage's channels then, otherwise those of the stage before.
    """

    name: str
    types: tuple
    expanded: tuple | None
    stride: int
    residual: bool


@dataclasses.dataclass(frozen=True)
class Stage:
    """Blocks in a row whose outputs have the same number of channels.

    Attributes:
        name: String such as `"stage1"`. Its decision is called
            `f"{name}_channels"`.
        channels: Tuple of numbers of channels.
        blocks: Tuple of `Block`, front to back.
    """

    name: str
    channels: tuple
    blocks: tuple


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution, BatchNorm and activation: a stem, or a head.

    Attributes:
        channels: Tuple of numbers of output channels.
        kernel: Integer.
        stride: Integer.
        act: Name of the activation.
        bias: Boolean, whether the convolution has a bias.
    """

    channels: tuple
    kernel: int
    stride: int
    act: str
    bias: bool

    def block(self, cin, cout):
        """Returns the dictionary of the block, for `build_from_blocks`."""
        return {
            "type": "conv",
            "cin": cin,
            "cout": cout,
            "kernel": self.kernel,
            "stride": self.stride,
            "act": self.act,
            "bias": self.bias,
        }


@dataclasses.dataclass(frozen=True)
class IRPool:
    """A head that pools in its middle: the `ir_pool` of `build_from_blocks`.

    Attributes:
        channels: Tuple of numbers of output channels.
        mid: Integer, channels that are pooled.
        act: Name of the activation.
    """

    channels: tuple
    mid: int
    act: str

    def block(self, cin, cout):
        """Returns the dictionary of the block, for `build_from_blocks`."""
        fields = {"cin": cin, "cout": cout, "mid": self.mid, "act": self.act}
        return {"type": "ir_pool", **fields}
