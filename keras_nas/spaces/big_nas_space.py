"""Spaces of sizes in all dimensions: resolution, width, depth, kernel."""

from keras_nas.spaces.big_nas_costs import cost_tables
from keras_nas.spaces.big_nas_rows import are_options
from keras_nas.spaces.big_nas_rows import read_stages
from keras_nas.spaces.big_nas_supernet import build_supernet
from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.tabulated_space import TabulatedSpace


class BigNASSpace(TabulatedSpace):
    """The networks that a table of stages describes, from small to big.

    Use it for families of networks that differ in size only, and to count
    the cost of very many of them at once.

    A row `(t, c, n, s, kernels)` stands for a stage: `n` blocks to `c`
    channels, of which the first has the stride `s`, with depthwise
    convolutions of one of the `kernels`. `c`, `n` and `kernels` are lists to
    choose from; all blocks of a stage share what is chosen.

    A block is a 1x1 convolution to `t` times the channels of its input, which
    is left out where `t` is 1, a depthwise convolution, squeeze-excite with a
    quarter of the channels of the block's input inside, and a 1x1 convolution.
    Every block has a shortcut: its input, averaged over the stride, and in
    the first block of a stage through a 1x1 convolution without BatchNorm. It
    is left out only where the space has one and the same number of channels
    before and in the stage; where the space lets them differ, networks in
    which they happen to be equal have it, too, as the supernet does. A 3x3
    convolution is in front of the stages, a 1x1 convolution behind them; all
    activations are swish.

    Decisions are called `resolution`, `stem_channels`, `stage1_channels`,
    `stage1_depth`, `stage1_kernel` and so on, and `head_channels`.

    Args:
        name: String, the name that architectures and networks have.
        rows: List of `(t, c, n, s, kernels)`.
        stem: List of increasing numbers of channels of the first convolution.
        stem_stride: Integer, its stride.
        head: List of increasing numbers of channels of the last convolution.
        resolutions: List of increasing numbers of pixels, the height and width
            of the input.

    Attributes:
        stages: Tuple of `BigNASStage`, one for each row.
        stem, stem_stride, head, resolutions: The numbers; tuples where there
            is something to choose.

    Raises:
        ValueError: If a row is invalid, naming it and the field, or another
            argument is.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 4.1 and Table 1.

    Example:

    >>> from keras_nas import spaces
    >>> rows = [(1, [8], [1], 1, [3]), (4, [12, 16], [1, 2], 2, [3, 5])]
    >>> space = spaces.BigNASSpace("mine", rows, [8], 1, [32], [12, 16])
    >>> space.size(), space.biggest().decisions["stage2_kernel"]
    (16, 5)
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
        stem=(32,),
        stem_stride=2,
        head=(1280,),
        resolutions=(224,),
    ):
        lists = {"stem": stem, "head": head, "resolutions": resolutions}
        for key, value in lists.items():
            if not are_options(value):
                raise ValueError(
                    f"Invalid value received for argument `{key}`. Expected a "
                    "list of increasing positive integers. Received: "
                    f"{key}={value!r}"
                )
        check_sizes(stem_stride=stem_stride)
        self.stem, self.stem_stride = tuple(stem), stem_stride
        self.head, self.resolutions = tuple(head), tuple(resolutions)
        self.stages = read_stages(rows, self.stem)
        super().__init__(name, self._all_options())

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
        blocks = [self.stem_block(channels)]
        for stage in self.stages:
            before = channels
            channels, depth, kernel = (value[key] for key in stage.options())
            blocks.append(stage.first(before, channels, kernel))
            blocks += [stage.other(channels, kernel) for _ in range(1, depth)]
        return [*blocks, self.head_block(channels, value["head_channels"])]

    def dimensions(self):
        """Returns which decisions are on what, as `search.coarse_grid` asks.

        Returns:
            Dictionary of lists of names of decisions, each front to back:
            `"resolution"`, `"depth"`, `"width"` and `"kernel"`.

        Example:

        >>> from keras_nas import spaces
        >>> spaces.smoke_big_nas().dimensions()["width"]
        ['stage1_channels', 'head_channels']
        """
        ends = {"depth": "_depth", "width": "_channels", "kernel": "_kernel"}
        return {
            dimension: [key for key in self.decisions if key.endswith(end)]
            for dimension, end in {"resolution": "resolution", **ends}.items()
        }

    def stem_block(self, channels):
        """Returns the dictionary of the convolution in front."""
        return _conv(3, channels, 3, self.stem_stride)

    def head_block(self, cin, channels):
        """Returns the dictionary of the convolution behind the stages."""
        return _conv(cin, channels, 1, 1)

    def supernet(self, classes=1000, **kwargs):
        """Returns the model that holds all networks of the space.

        Its decisions have the names of those of the space, and
        `keras_nas.slice_model` cuts an architecture of the space out of it.

        Args:
            classes: Integer, the number of logits.
            **kwargs: `dropout=0.2`, the rate in front of the classifier;
                `zero_gamma=True`, whether the last BatchNormalization of each
                block begins with scales of 0; `execution="sliced"`, to compute
                only what is chosen, or `"masked"`, so that all shapes are
                static; `synchronized=False`, `momentum=0.99` and
                `epsilon=1e-3` of every BatchNormalization; `input_size`, the
                size of the patches that are resized to all resolutions, by
                default the largest of them; `seed` of the draws.

        Returns:
            A Functional model of images that returns logits.

        Raises:
            ValueError: If `classes` is not a positive integer.

        Example:

        >>> import keras_nas
        >>> space = keras_nas.spaces.smoke_big_nas()
        >>> model = space.supernet(classes=10)
        >>> keras_nas.slice_model(model, space.smallest()).input_shape
        (None, 6, 6, 3)
        """
        check_sizes(classes=classes)
        return build_supernet(self, classes, **kwargs)

    def _all_options(self):
        """Returns the options of each decision, front to back."""
        options = {"resolution": self.resolutions, "stem_channels": self.stem}
        for stage in self.stages:
            options |= stage.options()
        return {**options, "head_channels": self.head}

    def _cost_tables(self):
        return cost_tables(self)


def _conv(cin, cout, kernel, stride):
    shape = {"cin": cin, "cout": cout, "kernel": kernel, "stride": stride}
    return {"type": "conv", **shape, "act": "swish", "bias": False}
