"""Every layer that has a rule, and some that have none.

Each is put behind masked channels that are 0, and behind masked channels that
a BatchNormalization made another constant.
"""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops
from keras.src.applications.convnext import LayerScale
from keras.src.applications.convnext import StochasticDepth

from keras_nas import count_cost
from keras_nas import slice_model
from keras_nas.graph import PassThrough
from keras_nas.graph import register_rule
from keras_nas.graph.rules import rule_for
from tests.common import assert_expected_equals_counted
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import decide
from tests.common import decide_at_random
from tests.common import mask
from tests.common import randomize

CHANNELS = 4
SHAPES = {
    "image": (5, 4, CHANNELS),
    "sequence": (5, CHANNELS),
    "volume": (3, 4, 3, CHANNELS),
    "vector": (CHANNELS,),
}


def model_around(layer, kind, constant):
    """Returns `first` -> norm and mask (or mask and norm) -> layer -> Dense."""
    inputs = keras.Input((*SHAPES[kind][:-1], 3))
    x = layers.Dense(CHANNELS, name="first")(inputs)
    if constant:
        x = mask("mask")(x)
        x = layers.BatchNormalization()(x)
    else:
        x = layers.BatchNormalization()(x)
        x = mask("mask")(x)
    x = layers.Flatten()(layer(x))
    outputs = layers.Dense(2)(x)
    return randomize(keras.Model(inputs, outputs))


def branch(merge):
    """Joins the tensor with one that has other masks."""

    def call(x):
        y = layers.Dense(CHANNELS, name="second")(x)
        y = layers.BatchNormalization()(mask("second_mask")(y))
        return merge([x, y])

    return call


def squeeze_excite(x):
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, CHANNELS))(gate)
    gate = layers.Conv2D(2, 1, activation="relu")(gate)
    gate = layers.Conv2D(CHANNELS, 1, activation="sigmoid")(gate)
    return layers.Multiply()([x, gate])


def split_attention(x):
    """Two branches, weighed by a softmax over rows that stand for them."""
    splits = [
        layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        for _ in range(2)
    ]
    mean = layers.GlobalAveragePooling2D(keepdims=True)(layers.Add()(splits))
    hidden = layers.Conv2D(2, 1, activation="relu")(mean)
    logits = [layers.Conv2D(CHANNELS, 1)(hidden) for _ in range(2)]
    shares = layers.Softmax(axis=1)(layers.Concatenate(axis=1)(logits))
    first = layers.Cropping2D(((0, 1), (0, 0)))(shares)
    second = layers.Cropping2D(((1, 0), (0, 0)))(shares)
    pairs = zip(splits, (first, second), strict=True)
    return layers.Add()([layers.Multiply()(pair) for pair in pairs])


def activation(name):
    return layers.Activation(name)


@keras.saving.register_keras_serializable(package="tests")
def flipped(x):
    return ops.flip(x, axis=-1)


VECTOR = np.linspace(0.5, 2.0, CHANNELS).tolist()
CUT = {
    "image": {
        "conv": lambda: layers.Conv2D(3, 1),
        "conv without bias": lambda: layers.Conv2D(3, 1, use_bias=False),
        "conv valid": lambda: layers.Conv2D(3, 3, strides=2),
        "conv same": lambda: layers.Conv2D(3, 3, padding="same"),
        "conv dilated": lambda: layers.Conv2D(3, 2, dilation_rate=2),
        "conv relu": lambda: layers.Conv2D(3, 1, activation="relu"),
        "conv sigmoid": lambda: layers.Conv2D(
            3, 1, activation="sigmoid", use_bias=False
        ),
        "separable valid": lambda: layers.SeparableConv2D(
            3, 3, depth_multiplier=2
        ),
        "separable same": lambda: layers.SeparableConv2D(
            3, 3, padding="same", use_bias=False
        ),
        "depthwise valid": lambda: layers.DepthwiseConv2D(3),
        "depthwise same": lambda: layers.DepthwiseConv2D(3, padding="same"),
        "depthwise multiplier": lambda: layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=2, use_bias=False
        ),
        "depthwise sigmoid": lambda: layers.DepthwiseConv2D(
            1, activation="sigmoid"
        ),
        "groups = channels": lambda: layers.Conv2D(
            CHANNELS, 3, groups=CHANNELS, padding="same"
        ),
        "groups = channels, twice as many out": lambda: layers.Conv2D(
            2 * CHANNELS, 3, groups=CHANNELS, use_bias=False
        ),
        "transposed": lambda: layers.Conv2DTranspose(3, 2, strides=2),
        "transposed same": lambda: layers.Conv2DTranspose(
            3, 3, strides=2, padding="same", use_bias=False
        ),
        "transposed pointwise": lambda: layers.Conv2DTranspose(3, 1),
        "dense": lambda: layers.Dense(3),
        "einsum dense": lambda: layers.EinsumDense(
            "abcd,de->abce", output_shape=(5, 4, 3), bias_axes="e"
        ),
        "einsum dense, kernel turned": lambda: layers.EinsumDense(
            "...d,ed->...e", output_shape=3
        ),
        "einsum dense, channels to the front": lambda: layers.EinsumDense(
            "abcd,de->aebc",
            output_shape=(3, 5, 4),
            bias_axes="e",
            activation="sigmoid",
            name="channels_first",
        ),
        "norm": layers.BatchNormalization,
        "norm without scale": lambda: layers.BatchNormalization(scale=False),
        "norm without center": lambda: layers.BatchNormalization(center=False),
        "instance norm": lambda: layers.GroupNormalization(-1),
        "instance norm without center": lambda: layers.GroupNormalization(
            CHANNELS, center=False
        ),
        "prelu": lambda: layers.PReLU("random_normal", shared_axes=[1, 2]),
        "prelu of one slope": lambda: layers.PReLU(
            "random_normal", shared_axes=[1, 2, 3]
        ),
        "relu6": lambda: layers.ReLU(6.0),
        "relu threshold": lambda: layers.ReLU(
            negative_slope=0.1, threshold=0.3
        ),
        "leaky relu": layers.LeakyReLU,
        "elu": layers.ELU,
        "hard silu": lambda: activation("hard_silu"),
        "sigmoid": lambda: activation("sigmoid"),
        "softplus": lambda: activation("softplus"),
        "max pool": lambda: layers.MaxPooling2D(2, padding="same"),
        "average pool": lambda: layers.AveragePooling2D(2, padding="same"),
        "adaptive average pool": lambda: layers.AdaptiveAveragePooling2D(2),
        "adaptive max pool": lambda: layers.AdaptiveMaxPooling2D(2),
        "zero padding": lambda: layers.ZeroPadding2D(1),
        "up sampling": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
        "resizing": lambda: layers.Resizing(7, 3),
        "resizing by area": lambda: layers.Resizing(
            3, 3, interpolation="bicubic", antialias=True
        ),
        "resizing with padding": lambda: layers.Resizing(
            6, 6, pad_to_aspect_ratio=True
        ),
        "cropping": lambda: layers.Cropping2D(1),
        "center crop": lambda: layers.CenterCrop(3, 3),
        "global average": layers.GlobalAveragePooling2D,
        "global max": lambda: layers.GlobalMaxPooling2D(keepdims=True),
        "dropout": lambda: layers.Dropout(0.5),
        "spatial dropout": lambda: layers.SpatialDropout2D(0.5),
        "noise": lambda: layers.GaussianNoise(0.5),
        "flatten": layers.Flatten,
        "reshape": lambda: layers.Reshape((-1, CHANNELS)),
        "permute": lambda: layers.Permute((3, 1, 2)),
        "rescaling": lambda: layers.Rescaling(0.5, 1.0),
        "rescaling by channel": lambda: layers.Rescaling(VECTOR, VECTOR[::-1]),
        "multiply": lambda: branch(layers.Multiply()),
        "concatenate": lambda: branch(layers.Concatenate()),
        "x * y": lambda: branch(lambda xs: xs[0] * xs[1]),
        "x + 3": lambda: lambda x: x + 3.0,
        "3 - x": lambda: lambda x: 3.0 - x,
        "x * 2": lambda: lambda x: x * 2.0,
        "hard sigmoid by hand": lambda: lambda x: x * ops.relu6(x + 3.0) / 6.0,
        "operations": lambda: lambda x: ops.tanh(ops.sigmoid(ops.silu(x))),
        "more operations": lambda: lambda x: -ops.abs(ops.exp(x / 2.0) - 1.0),
        "leaky relu operation": lambda: lambda x: ops.leaky_relu(x, 0.3),
        "squeeze and excite": lambda: squeeze_excite,
        "split attention": lambda: split_attention,
        "softmax of rows": lambda: layers.Softmax(axis=1),
        "softmax of positions": lambda: layers.Softmax(axis=(1, 2)),
        "softmax operation": lambda: lambda x: ops.softmax(x, axis=1),
        "log softmax": lambda: lambda x: ops.log_softmax(x, axis=-2),
        "sparsemax": lambda: lambda x: ops.sparsemax(x, axis=1),
        "normalize": lambda: lambda x: ops.normalize(x, axis=2),
        "stochastic depth": lambda: StochasticDepth(0.5),
        "layer scale": lambda: LayerScale(0.5, CHANNELS),
        "pad": lambda: lambda x: ops.pad(x, [[0, 0], [1, 0], [0, 1], [0, 0]]),
        "clip": lambda: lambda x: ops.clip(x, -0.5, 0.5),
        "clip away from 0": lambda: lambda x: ops.clip(x, 0.1, 0.5),
        "mean": lambda: lambda x: ops.mean(x, axis=(1, 2)),
        "sum": lambda: lambda x: ops.sum(x, axis=2),
        "max": lambda: lambda x: ops.max(x, axis=1, keepdims=True),
        "reshape operation": lambda: (
            lambda x: ops.reshape(x, (-1, 20, CHANNELS))
        ),
        "transpose": lambda: lambda x: ops.transpose(x, (0, 3, 1, 2)),
        "moveaxis": lambda: lambda x: ops.moveaxis(x, -1, 1),
        "swapaxes": lambda: lambda x: ops.swapaxes(x, 1, 2),
        "expand and squeeze": lambda: (
            lambda x: ops.squeeze(ops.expand_dims(x, 2), 2)
        ),
        "every second row": lambda: lambda x: x[:, ::2],
        "one row": lambda: lambda x: x[:, -1],
        "halves of the channels": lambda: (
            lambda x: ops.concatenate(
                [ops.relu(x[..., 2:]), x[..., :2]], axis=-1
            )
        ),
        "a new axis and some channels": lambda: lambda x: x[:, None, ..., 0:4],
        "split and concatenate": lambda: (
            lambda x: ops.concatenate(ops.split(x, 2, axis=-1)[::-1], axis=-1)
        ),
        "split at": lambda: (
            lambda x: ops.concatenate(
                [ops.tanh(y) for y in ops.split(x, [1], axis=3)], axis=3
            )
        ),
        "split of rows": lambda: lambda x: sum(ops.split(x, 5, axis=1)),
        "pooling operations": lambda: (
            lambda x: ops.average_pool(ops.max_pool(x, 2), 2, padding="same")
        ),
        "resize operation": lambda: lambda x: ops.image.resize(x, (3, 3)),
    },
    "sequence": {
        "conv": lambda: layers.Conv1D(3, 3),
        "transposed": lambda: layers.Conv1DTranspose(3, 2, strides=2),
        "conv causal": lambda: layers.Conv1D(3, 3, padding="causal"),
        "separable": lambda: layers.SeparableConv1D(3, 3, padding="same"),
        "depthwise": lambda: layers.DepthwiseConv1D(3, depth_multiplier=2),
        "max pool": lambda: layers.MaxPooling1D(2),
        "average pool": lambda: layers.AveragePooling1D(2, padding="same"),
        "zero padding": lambda: layers.ZeroPadding1D(1),
        "up sampling": lambda: layers.UpSampling1D(2),
        "cropping": lambda: layers.Cropping1D(1),
        "global average": layers.GlobalAveragePooling1D,
    },
    "volume": {
        "conv": lambda: layers.Conv3D(3, 2),
        "conv same": lambda: layers.Conv3D(3, 3, padding="same"),
        "transposed": lambda: layers.Conv3DTranspose(3, 2),
        "pool": lambda: layers.AveragePooling3D(2, padding="same"),
        "global max": layers.GlobalMaxPooling3D,
    },
    "vector": {
        "dense": lambda: layers.Dense(3, use_bias=False, activation="tanh"),
        "reshape": lambda: layers.Reshape((1, 1, CHANNELS)),
        "reshape to the front": lambda: layers.Reshape((CHANNELS, 1)),
        "repeat": lambda: layers.RepeatVector(3),
        "prelu": lambda: layers.PReLU("random_normal"),
        "identity": layers.Identity,
    },
}
# What cannot be cut where a channel is another constant than 0.
CUT_ZEROS = {
    "image": {
        "unit norm": layers.UnitNormalization,
        "rms norm": layers.RMSNormalization,
        "prelu by position": lambda: layers.PReLU("random_normal"),
    },
    "vector": {
        "unit norm": layers.UnitNormalization,
        "rms norm": layers.RMSNormalization,
    },
}
# Whole groups stay or go; these have one of channels 0 and 1, one of 2 and 3.
IN_GROUPS = {
    "image": {
        "grouped": lambda: layers.Conv2D(6, 1, groups=2),
        "grouped same": lambda: layers.Conv2D(
            2, 3, groups=2, padding="same", use_bias=False, activation="relu"
        ),
        "group norm": lambda: layers.GroupNormalization(2),
        "group norm without center": lambda: layers.GroupNormalization(
            2, center=False
        ),
        "group norm without scale": lambda: layers.GroupNormalization(
            2, scale=False
        ),
    },
    "sequence": {"grouped": lambda: layers.Conv1D(4, 2, groups=2)},
}
# Channels 0 and 2 are tied, and 1 and 3.
HALVES = {
    "image": {
        "glu": lambda: lambda x: ops.glu(x),
        "gate by hand": lambda: lambda x: x[..., :2] * ops.silu(x[..., 2:]),
        "split and multiply": lambda: (
            lambda x: layers.Multiply()(ops.split(x, 2, axis=-1))
        ),
    },
}
JOINED = {
    "image": {
        "add": lambda: branch(layers.Add()),
        "subtract": lambda: branch(layers.Subtract()),
        "average": lambda: branch(layers.Average()),
        "maximum": lambda: branch(layers.Maximum()),
        "minimum": lambda: branch(layers.Minimum()),
        "x + y": lambda: branch(lambda xs: xs[0] + xs[1]),
        "x - y": lambda: branch(lambda xs: xs[0] - xs[1]),
    },
}
KEPT_WHOLE = {
    "image": {
        "softmax": lambda: activation("softmax"),
        "softmax layer": layers.Softmax,
        "softmax of rows and channels": lambda: layers.Softmax(axis=(1, 3)),
        "softmax of a batch": lambda: layers.Softmax(axis=0),
        "normalize": lambda: lambda x: ops.normalize(x, axis=3),
        "softmax that leaves rows out": lambda: (
            lambda x: layers.Softmax(axis=1)(
                x, mask=np.arange(5)[None, :, None, None] != 2
            )
        ),
        "layer norm": layers.LayerNormalization,
        "unit norm of rows": lambda: layers.UnitNormalization(axis=1),
        "group norm of rows": lambda: layers.GroupNormalization(5, axis=1),
        "glu of rows": lambda: lambda x: ops.glu(x[:, :4], axis=1),
        "einsum of two axes": lambda: layers.EinsumDense(
            "abcd,cde->abe", output_shape=(5, 3), bias_axes="be"
        ),
        "resizing with ones": lambda: layers.Resizing(
            6, 6, pad_to_aspect_ratio=True, fill_value=1.0
        ),
        "pad channels": lambda: (
            lambda x: ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, 1]])
        ),
        "pad with ones": lambda: (
            lambda x: ops.pad(
                x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.0
            )
        ),
        "concatenate rows of turned channels": lambda: branch(
            lambda xs: ops.concatenate([xs[0], ops.flip(xs[1], 3)], 1)
        ),
        "mean of channels": lambda: lambda x: ops.mean(x, -1, keepdims=True),
        "mean of all": lambda: lambda x: x - ops.mean(x),
        "every second channel": lambda: lambda x: x[..., ::2],
        "one channel": lambda: lambda x: x[..., 1],
        "reshape channels away": lambda: lambda x: ops.reshape(x, (-1, 40, 2)),
        "norm of rows": lambda: layers.BatchNormalization(axis=1),
        "custom activation": lambda: layers.Activation(flipped),
        "unknown operation": lambda: flipped,
        "1 / x": lambda: lambda x: 1.0 / (ops.square(x) + 1.0),
        "x / y": lambda: lambda x: x / (ops.square(x) + 1.0),
        "rescaling by column": lambda: layers.Rescaling(
            np.reshape(VECTOR, (4, 1)).tolist()
        ),
        "x + array": lambda: lambda x: x + np.ones(CHANNELS, "float32"),
    },
    "sequence": {
        "lstm": lambda: layers.LSTM(3),
        "attention": lambda: lambda x: layers.MultiHeadAttention(1, 2)(x, x),
    },
}


def cases(table):
    return [
        pytest.param(make, kind, id=f"{kind} {name}")
        for kind, entries in table.items()
        for name, make in entries.items()
    ]


def slice_around(make, kind):
    """Slices behind zeros, behind constants, and where nothing is left.

    Returns:
        The number of channels that `first` keeps of [0, 3], and the report.
    """
    layer = make()
    model = model_around(layer, kind, constant=False)
    decide(model, mask=[0, 3], second_mask=[1, 3])
    sliced, report = assert_slices(model)
    model = model_around(layer, kind, constant=True)
    assert_slices(decide(model, mask=[0, 3], second_mask=[1, 3]))
    assert_slices(decide(model, mask=[], second_mask=[2]))
    return sliced.get_layer("first").units, report


@pytest.mark.parametrize("make, kind", cases(CUT))
def test_cut_through(make, kind):
    width, report = slice_around(make, kind)
    assert width == 2
    assert not report.barriers


@pytest.mark.parametrize("make, kind", cases(CUT_ZEROS))
def test_cut_through_if_zero(make, kind):
    width, report = slice_around(make, kind)
    assert width == 2
    assert not report.barriers


@pytest.mark.parametrize("make, kind", cases(IN_GROUPS))
def test_whole_groups_go(make, kind):
    for constant in (False, True):
        for kept in ([0, 1], [1], [2, 3], [3], [0, 3], []):
            layer = make()
            model = model_around(layer, kind, constant)
            sliced, report = assert_slices(decide(model, mask=kept))
            groups = len({channel // 2 for channel in kept})
            width = sliced.get_layer("first").units if kept else 0
            if not (constant and getattr(layer, "padding", "") == "same"):
                assert width == 2 * groups
            assert not report.barriers


@pytest.mark.parametrize("make, kind", cases(HALVES))
def test_halves_go_together(make, kind):
    for kept in ([0, 2], [0], [1, 3], [0, 1, 2], [0, 1, 2, 3], []):
        for constant in (False, True):
            model = model_around(make(), kind, constant)
            sliced, report = assert_slices(decide(model, mask=kept))
            assert not report.barriers
        if kept in ([0, 2], [1, 3]):
            assert sliced.get_layer("first").units == 2


@pytest.mark.parametrize("make, kind", cases(JOINED))
def test_branches_keep_the_channels_of_both(make, kind):
    width, report = slice_around(make, kind)
    assert width == len({0, 3} | {1, 3})
    assert not report.barriers


@pytest.mark.parametrize(
    "join",
    [layers.Concatenate(axis=1), lambda xs: ops.concatenate(xs, axis=2)],
    ids=["rows", "columns"],
)
def test_positions_side_by_side(join):
    inputs = keras.Input((5, 4, 3))
    a = mask("a_mask")(layers.Dense(4, name="a")(inputs))
    b = mask("b_mask")(layers.Dense(4, name="b")(inputs))
    x = layers.Conv2D(3, 3, padding="same")(join([a, b]))
    model = randomize(keras.Model(inputs, x))
    sliced, report = assert_slices(decide(model, a_mask=[0, 3], b_mask=[1, 3]))
    assert sliced.get_layer("a").units == sliced.get_layer("b").units == 3
    assert not report.barriers
    assert_slices(decide(model, a_mask=[], b_mask=[2]))
    assert_slices(decide(model, a_mask=[], b_mask=[]))


def test_softmax_over_an_unknown_number_of_rows():
    inputs = keras.Input((None, 4, 3))
    x = mask("mask")(layers.Dense(CHANNELS, name="first")(inputs))
    x = layers.GlobalAveragePooling2D()(layers.Softmax(axis=1)(x))
    model = keras.Model(inputs, layers.Dense(2)(x))
    _, report = slice_model(decide(model, mask=[0, 3]), return_report=True)
    ((_, reason),) = report.barriers
    assert reason == "the number of positions that it mixes is unknown"


@pytest.mark.parametrize("make, kind", cases(KEPT_WHOLE))
def test_kept_whole(make, kind):
    width, report = slice_around(make, kind)
    assert width == CHANNELS
    assert report.barriers


def test_fused_softmax_keeps_its_outputs_and_frees_its_inputs():
    layer = layers.Conv2D(3, 1, activation="softmax")
    model = model_around(layer, "image", constant=False)
    sliced, report = assert_slices(decide(model, mask=[0, 3]))
    assert sliced.get_layer("first").units == 2
    assert sliced.get_layer(layer.name).filters == 3
    assert report.barriers == [(layer.name, "its activation mixes channels")]


# With channels first: the CPU cannot run the convolutions, but the sliced
# network must have the weights of its twin with channels last.


def twin(data_format):
    keras.utils.clear_session()
    axis, shape = {
        "channels_last": (-1, (8, 6, 3)),
        "channels_first": (1, (3, 8, 6)),
    }[data_format]
    options = {"padding": "same", "data_format": data_format}

    def norm(x):
        return layers.BatchNormalization(axis=axis)(x)

    def block(x, conv):
        return layers.ReLU()(mask(axis=axis)(norm(conv(x))))

    inputs = keras.Input(shape)
    x = block(inputs, layers.Conv2D(4, 3, use_bias=False, **options))
    y = block(x, layers.Conv2D(4, 3, **options))
    x = layers.Add()([x, y])
    x = norm(layers.DepthwiseConv2D(3, **options)(x))
    x = block(x, layers.SeparableConv2D(5, 3, **options))
    x = layers.MaxPooling2D(2, data_format=data_format)(x)
    x = layers.Concatenate(axis=axis)([x, norm(x)])
    x = layers.ZeroPadding2D(1, data_format=data_format)(x)
    x = block(x, layers.Conv2D(4, 1, data_format=data_format))
    x = layers.GlobalAveragePooling2D(data_format=data_format)(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize("seed", range(3))
def test_channels_first_is_cut_like_channels_last(seed):
    twins = [
        decide_at_random(randomize(twin(data_format)), seed)
        for data_format in ("channels_last", "channels_first")
    ]
    last, first = (slice_model(model) for model in twins)
    for a, b in zip(last.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, 1e-6)
    assert_expected_equals_counted(twins[1], first)
    assert count_cost(first).macs == count_cost(last).macs
    assert_same_function(twins[0], last)


def test_channels_first_network_that_the_cpu_can_run():
    inputs = keras.Input((3, 4, 5))
    x = mask("rows", axis=1)(inputs)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.Activation("sigmoid")(mask("m", axis=1)(x))
    y = layers.GlobalAveragePooling2D("channels_first", keepdims=True)(x)
    x = layers.Multiply()([x, y])
    x = layers.ZeroPadding2D(1, data_format="channels_first")(x)
    x = layers.Flatten(data_format="channels_first")(x)
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    assert_slices(decide(model, rows=[0, 1], m=[1, 2]))
    assert_slices(decide(model, rows=[0], m=[]))


# Rules of users.


class Halve(layers.Layer):
    def call(self, inputs):
        return inputs / 2


class HalveTwice(Halve):
    def call(self, inputs):
        return inputs / 4


class Renamed(Halve):
    pass


def test_registered_rule():
    @register_rule(Halve)
    class HalveRule(PassThrough):
        def keeps_zero(self, operation):
            return True

    assert isinstance(rule_for(Halve()), HalveRule)
    assert isinstance(rule_for(Renamed()), HalveRule)
    # A subclass with a `call` of its own is an unknown layer again.
    assert not isinstance(rule_for(HalveTwice()), HalveRule)
    inputs = keras.Input((3,))
    x = mask("mask")(layers.Dense(4, name="first")(inputs))
    x = layers.Dense(2)(Halve()(x))
    model = decide(randomize(keras.Model(inputs, x)), mask=[1])
    sliced = slice_model(model)
    assert sliced.get_layer("first").units == 1
    assert_same_function(model, sliced)


def test_rules_are_for_classes_and_names():
    with pytest.raises(ValueError, match="types"):
        register_rule(layers.Dense(2))
