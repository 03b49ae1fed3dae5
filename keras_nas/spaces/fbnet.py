"""FBNet's space without group convolutions, as FiGS searches it."""

import itertools

from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.channel_places import Place
from keras_nas.spaces.channel_space import ChannelSpace
from keras_nas.spaces.fbnet_supernet import build_fbnet

# By name: kernel size and expansion, from the cheapest on.
_MBCONVS = {f"k{k}_e{e}": (k, e) for e in (1, 3, 6) for k in (3, 5)}
FBNET_OPERATORS = {
    "full": {"skip": None, **_MBCONVS},
    "reduced": {"skip": None, "k3_e6": (3, 6), "k5_e6": (5, 6)},
}
# FBNet, Table 1: channels, blocks, stride of the first.
FBNET_ROWS = (
    (16, 1, 1),
    (24, 4, 2),
    (32, 4, 2),
    (64, 4, 2),
    (112, 4, 1),
    (184, 4, 2),
    (352, 1, 1),
)


class FBNetSpace(ChannelSpace):
    """The networks that blocks of several MBConvs can be cut to.

    A block has operators side by side, whose outputs are added: MBConvs
    without squeeze-excite, named `k5_e6` after kernel size and expansion, and
    where the shape changes a skip, which is a 1x1 convolution, BatchNorm and
    ReLU. Where the shape stays, the input of the block is added too; closing
    all operators there is FBNet's skip. FBNet's operators with group
    convolutions are left out, as in FiGS.

    There are masks where `keras_nas.insert_masks` has them: on the expanded
    channels of each operator, behind the depthwise convolution, and on its
    output, such as `block3_k5_e6_expand_mask` and `block3_k5_e6_project_mask`;
    on the stem's channels and the head's. Where nothing is expanded (`e1`),
    the depthwise convolution has the channels of the block's input. Masks of
    outputs that are added are not tied; a channel is gone when all of them,
    over all blocks of a stage, have closed it.

    The paper says neither which operators its reduced space has nor what
    becomes of skips. Chosen here: the largest expansion of each kernel size,
    3 times fewer than all, as the paper's "3x reduction" may say; skips as
    above; and no biases in front of BatchNormalizations.

    Args:
        name: String, the name that architectures and networks have.
        operators: `"full"`, with expansions 1, 3 and 6, or `"reduced"`, with
            6 only.
        rows: List of `(channels, blocks, stride of the first)`.
        stem: Integer, channels of the first convolution, which has stride 2.
        head: Integer, channels of the last convolution.
        resolution: Integer, height and width of the input.
        stem_stride: Integer.

    Attributes:
        blocks: Tuple of `(name, cin, cout, stride)`, front to back.
        stem, head, resolution, stem_stride: The numbers.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Section 3.3 and
        Appendix, "Search Space Details".

    Example:

    >>> from keras_nas import spaces
    >>> rows = [(8, 1, 1), (16, 2, 2)]
    >>> space = spaces.FBNetSpace("mine", "reduced", rows, 8, 32, 32)
    >>> space.operators["block3_k5_e6"]
    ('block3_k5_e6_expand_mask', 'block3_k5_e6_project_mask')
    >>> space.build(space.sample(seed=0), classes=10).output_shape
    (None, 10)
    """

    def __init__(
        self,
        name,
        operators="full",
        rows=FBNET_ROWS,
        stem=16,
        head=1984,
        resolution=224,
        stem_stride=2,
    ):
        if operators not in list(FBNET_OPERATORS):
            raise ValueError(
                "Invalid value received for argument `operators`. Expected "
                f"one of {list(FBNET_OPERATORS)}. Received: "
                f"operators={operators!r}"
            )
        check_sizes(
            stem=stem,
            head=head,
            resolution=resolution,
            stem_stride=stem_stride,
        )
        self._kinds = FBNET_OPERATORS[operators]
        self.stem, self.head, self.stem_stride = stem, head, stem_stride
        self.resolution = resolution
        self.blocks = _read_rows(rows, stem)
        super().__init__(name, *self._layout())

    def supernet(
        self,
        classes=1000,
        mask=None,
        seed=None,
        momentum=0.99,
        epsilon=1e-3,
    ):
        """Returns the model that holds all networks of the space.

        Args:
            classes: Integer, the number of logits.
            mask: Callable `mask(name=..., axis=..., seed=...)` that returns a
                mask layer; by default `keras_nas.FiGSMask`.
            seed: Integer seed of the masks.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If an argument is out of range.
        """
        return build_fbnet(self, classes, mask, seed, momentum, epsilon)

    def adds_input(self, block):
        """Returns whether the input of one of `blocks` is added to its
        output."""
        _, cin, cout, stride = block
        return cin == cout and stride == 1

    def operators_of(self, block):
        """Returns the operators of one of `blocks`, as block dictionaries.

        Args:
            block: One of `blocks`.

        Returns:
            Dictionary from the names of operators to what
            `build_from_blocks` takes, with no residual.
        """
        name, cin, cout, stride = block
        shape = {"cin": cin, "cout": cout, "stride": stride}
        operators = {}
        for key, kind in self._kinds.items():
            if kind is None:
                if not self.adds_input(block):
                    operators[f"{name}_{key}"] = {"type": "skip", **shape}
                continue
            kernel, expansion = kind
            operators[f"{name}_{key}"] = {
                "type": "mbconv",
                **shape,
                "kernels": [kernel],
                "mid": [expansion * cin],
                "act": "relu",
                "residual": None,
            }
        return operators

    def _layout(self):
        """Returns the channels of all masks, and the places they are in."""
        masks = {"stem_conv_mask": self.stem}
        places = [Place("stem", (), ("stem_conv_mask",))]
        for block in self.blocks:
            before, operators = places[-1].name, self.operators_of(block)
            for name, operator in operators.items():
                widths = _widths(name, operator)
                masks.update(widths)
                places.append(Place(name, (before,), tuple(widths), True))
            inputs = (before,) if self.adds_input(block) else ()
            places.append(Place(block[0], (*inputs, *operators), ()))
        masks["head_conv_mask"] = self.head
        places.append(Place("head", (places[-1].name,), ("head_conv_mask",)))
        return masks, places


def fbnet(operators="full"):
    """Returns FBNet's space without group convolutions: 22 blocks, 224 pixels.

    Use it for networks of few multiply-adds. FBNet-B and FBNet-C lie in it,
    with one operator or none in each block.

    Args:
        operators: `"full"`: MBConvs of two kernel sizes and three expansions,
            or `"reduced"`: of two kernel sizes, which FiGS narrows to any
            expansion.

    Returns:
        An `FBNetSpace`.

    Raises:
        ValueError: If there are no such operators.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Sections 3.3 and
        4.2. FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable
        Neural Architecture Search, Table 1.

    Example:

    >>> from keras_nas import spaces
    >>> space = spaces.fbnet("reduced")
    >>> len(space.blocks), space.masks["block22_k5_e6_expand_mask"]
    (22, 1104)
    """
    name = "fbnet" if operators == "full" else f"fbnet_{operators}"
    return FBNetSpace(name, operators)


def _widths(name, operator):
    """Returns the channels of an operator's masks, front to back."""
    if operator["type"] == "skip":
        return {f"{name}_conv_mask": operator["cout"]}
    (mid,) = operator["mid"]
    inner = {} if mid == operator["cin"] else {f"{name}_expand_mask": mid}
    return {**inner, f"{name}_project_mask": operator["cout"]}


def _read_rows(rows, cin):
    is_list = isinstance(rows, (list, tuple)) and len(rows) > 0
    if not is_list or not all(
        isinstance(row, (list, tuple))
        and len(row) == 3
        and all(map(is_size, row))
        for row in rows
    ):
        raise ValueError(
            "Invalid value received for argument `rows`. Expected a list of "
            "positive integers (channels, blocks, stride of the first). "
            f"Received: {str(rows)[:200]}"
        )
    blocks, counter = [], itertools.count(1)
    for channels, number, stride in rows:
        for index in range(number):
            step = stride if index == 0 else 1
            blocks.append((f"block{next(counter)}", cin, channels, step))
            cin = channels
    return tuple(blocks)
