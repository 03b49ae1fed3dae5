"""Spaces of sizes in all dimensions: resolution, width, depth, kernel."""

from keras_nas.spaces.architecture import Architecture
from keras_nas.spaces.big_nas_costs import CostTables
from keras_nas.spaces.big_nas_rows import are_options
from keras_nas.spaces.big_nas_rows import read_stages
from keras_nas.spaces.big_nas_supernet import build_supernet
from keras_nas.spaces.block_schema import is_size
from keras_nas.spaces.blocks import build_from_blocks
from keras_nas.spaces.decision_indices import decisions_of_indices
from keras_nas.spaces.decision_indices import draw_indices
from keras_nas.spaces.decision_indices import read_indices
from keras_nas.spaces.search_space import SearchSpace


class BigNASSpace(SearchSpace):
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
        _check_size("stem_stride", stem_stride)
        self.stem, self.stem_stride = tuple(stem), stem_stride
        self.head, self.resolutions = tuple(head), tuple(resolutions)
        self.stages = read_stages(rows, self.stem)
        self._tables = None
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

    def build(self, architecture, classes=1000, momentum=0.99, epsilon=1e-3):
        """Returns the network of an architecture, a plain Keras model.

        Args:
            architecture: An `Architecture` of this space.
            classes: Integer, the number of logits.
            momentum: Float, that of every BatchNormalization.
            epsilon: Float, that of every BatchNormalization.

        Returns:
            A Functional model of images of the decided resolution that
            returns logits.

        Raises:
            ValueError: If the architecture is not of this space, or `classes`
                is not a positive integer.
        """
        size = self._values(architecture)["resolution"]
        return build_from_blocks(
            self.blocks(architecture),
            (size, size, 3),
            classes,
            self.name,
            momentum,
            epsilon,
        )

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
        _check_size("classes", classes)
        return build_supernet(self, classes, **kwargs)

    def sample_indices(self, n, seed):
        """Returns many architectures, drawn uniformly, as an array.

        Use it with `costs`, where `sample` would take long.

        Args:
            n: Integer >= 0, how many.
            seed: Integer >= 0; the same one draws the same architectures.

        Returns:
            Integer array of shape (n, decisions): for each decision, in the
            order of `decisions`, the index of the option.

        Raises:
            ValueError: If an argument is something else.
        """
        return draw_indices(self, n, seed)

    def to_indices(self, architectures):
        """Returns architectures as an array that `costs` takes.

        Args:
            architectures: List of `Architecture`s of this space.

        Returns:
            Integer array, as of `sample_indices`.

        Raises:
            ValueError: If one of them is not of this space.
        """
        return read_indices(self, architectures)

    def from_indices(self, indices):
        """Returns the architectures of an array.

        Args:
            indices: Integer array, as of `sample_indices`.

        Returns:
            List of `Architecture`s.

        Raises:
            ValueError: If the array does not fit the space.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_big_nas()
        >>> indices = space.to_indices([space.smallest(), space.biggest()])
        >>> indices[1].tolist()
        [1, 1, 1, 1, 1]
        >>> space.from_indices(indices)[0] == space.smallest()
        True
        """
        return [
            Architecture(self.name, decisions)
            for decisions in decisions_of_indices(self, indices)
        ]

    def costs(self, architectures, classes=1000):
        """Returns what many networks cost, without building them.

        The numbers are those of `cost`. The first call counts each different
        block of the space, which takes seconds; then it is more than 100,000
        networks of an array in a second.

        Args:
            architectures: Integer array, as of `sample_indices`, or a list of
                `Architecture`s of this space.
            classes: Integer, the number of logits.

        Returns:
            Two integer arrays: multiply-adds, and trained parameters.

        Raises:
            ValueError: If the architectures are not of this space, or
                `classes` is not a positive integer.

        Example:

        >>> from keras_nas import spaces
        >>> space = spaces.smoke_big_nas()
        >>> macs, params = space.costs([space.smallest(), space.biggest()])
        >>> int(params[1]) == space.cost(space.biggest()).params
        True
        """
        _check_size("classes", classes)
        indices = read_indices(self, architectures)
        if self._tables is None:
            self._tables = CostTables(self)
        return self._tables.costs(indices, classes)

    def _all_options(self):
        """Returns the options of each decision, front to back."""
        options = {"resolution": self.resolutions, "stem_channels": self.stem}
        for stage in self.stages:
            options |= stage.options()
        return {**options, "head_channels": self.head}

    def _values(self, architecture):
        """Returns what is decided, and what there is only one option of."""
        self.check(architecture)
        only = {key: options[0] for key, options in self._all_options().items()}
        return {**only, **architecture.decisions}


def _conv(cin, cout, kernel, stride):
    shape = {"cin": cin, "cout": cout, "kernel": kernel, "stride": stride}
    return {"type": "conv", **shape, "act": "swish", "bias": False}


def _check_size(key, value):
    if not is_size(value):
        raise ValueError(
            f"Invalid value received for argument `{key}`. Expected a "
            f"positive integer. Received: {key}={value!r}"
        )
