"""Elastic layers one by one, against Keras' layers with sliced weights."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_nas
from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticDepth
from keras_nas.layers import ElasticDepthwiseConv2D
from keras_nas.layers import ElasticDropout
from keras_nas.layers import ElasticMBConv
from keras_nas.layers import running_child
from tests.elastic import assert_close
from tests.elastic import choices_of
from tests.elastic import randomized
from tests.layers.layer_checks import check_serialization


def features(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("sizes", [[3, 5, 7], [2, 4]])
def test_the_centre_of_the_kernel(sizes, strides, size):
    x = features(2, size, size, 4)
    for execution in ("sliced", "masked"):
        conv = ElasticDepthwiseConv2D(
            sizes, strides, padding="same", execution=execution
        )
        conv.build(x.shape)
        kernel = features(*conv.kernel.shape, seed=1)
        conv.kernel.assign(kernel)
        for number in sizes:
            plain = layers.DepthwiseConv2D(
                number, strides, padding="same", use_bias=False
            )
            plain.build((None, size, size, 3))
            start = (max(sizes) - number) // 2
            inside = slice(start, start + number)
            plain.set_weights([kernel[inside, inside, :3]])
            conv.kernel_choice.choose(number)
            assert_close(conv(x[..., :3]), plain(x[..., :3]))


@pytest.mark.parametrize(
    "sizes, arguments, match",
    [
        ([3, 4], {"padding": "same"}, "all odd or all even"),
        ([3, 5], {"padding": "valid"}, "`padding`.*'valid'"),
        ([1, 3], {"padding": "same", "strides": 2}, "at least the strides"),
        ([3, 3], {"padding": "same"}, "increasing positive integers"),
        ([3, 5], {"padding": "same", "execution": "x"}, "`execution`.*'x'"),
    ],
)
def test_kernels_that_are_refused(sizes, arguments, match):
    with pytest.raises(ValueError, match=match):
        ElasticDepthwiseConv2D(sizes, **arguments)


def test_first_channels_of_layers_with_weights():
    x = features(2, 4, 4, 6)
    width = ElasticChoice([3, 5], name="width")
    mask = ElasticChannels([3, 5], width)
    conv = ElasticConv2D(5, 3, width=mask, activation="relu")
    conv.build(x.shape)
    conv.bias.assign(features(5, seed=1))
    width.choose(3)
    plain = layers.Conv2D(3, 3, activation="relu")
    plain.build((None, 4, 4, 2))
    kernel, bias = (ops.convert_to_numpy(w) for w in (conv.kernel, conv.bias))
    plain.set_weights([kernel[:, :, :2, :3], bias[:3]])
    assert_close(conv(x[..., :2]), plain(x[..., :2]))
    dense = ElasticDense(3)
    dense.build((None, 6))
    expected = x[..., :4] @ ops.convert_to_numpy(dense.kernel)[:4]
    assert_close(dense(x[..., :4]), expected)
    with pytest.raises(ValueError, match="`groups`.*2"):
        ElasticConv2D(4, 3, groups=2)
    with pytest.raises(ValueError, match="`width`"):
        ElasticConv2D(4, 3, width=3)


@pytest.mark.parametrize("accumulates", [False, True])
def test_batch_normalization(accumulates):
    x = features(8, 3, 3, 4) * 2.0 + 1.0
    norm = ElasticBatchNormalization(momentum=0.9, accumulates=accumulates)
    plain = layers.BatchNormalization(momentum=0.9)
    norm.build(x.shape)
    plain.build((None, 3, 3, 3))
    values = [np.abs(features(4, seed=i)) + 0.5 for i in range(4)]
    norm.set_weights(values)
    plain.set_weights([v[:3] for v in values])
    for training in (False, True):
        assert_close(
            norm(x[..., :3], training=training),
            plain(x[..., :3], training=training),
        )
    moved = norm.get_weights()
    for old, new, other in zip(values, moved, plain.get_weights(), strict=True):
        assert_close(new[:3], other if accumulates else old[:3])
        assert new[3] == old[3]


def test_channels_follow_two_choices():
    a, b = ElasticChoice([1, 2], name="a"), ElasticChoice([1, 3], name="b")
    for execution in ("sliced", "masked"):
        mask = ElasticChannels([[1, 3], [2, 6]], [a, b], execution=execution)
        x = features(2, 6)
        for i, j, width in ((0, 0, 1), (0, 1, 3), (1, 0, 2), (1, 1, 6)):
            with running_child([(a, i), (b, j)]):
                y = ops.convert_to_numpy(mask(x))
            np.testing.assert_array_equal(y[:, :width], x[:, :width])
            assert not y[:, width:].any()
            assert y.shape[1] == (width if execution == "sliced" else 6)
        check_serialization(mask)
    for widths in ([1, 2], [[1, 2], [3]], [[0, 1], [2, 3]], [[1.5] * 2] * 2):
        with pytest.raises(ValueError, match="`widths`"):
            ElasticChannels(widths, [a, b])
    with pytest.raises(ValueError, match="`decided_by`"):
        ElasticChannels([1, 2], "a")
    with pytest.raises(ValueError, match="number of channels of its input"):
        ElasticChannels([1, 2], a).build((None, 5))


def test_depth():
    depth = ElasticChoice([1, 3], name="depth")
    layer = ElasticDepth(1, depth)
    depth.choose(1)
    assert not ops.any(layer(features(2, 3)))
    depth.choose(3)
    assert_close(layer(features(2, 3)), features(2, 3))
    for position in (-1, 3, 1.0):
        with pytest.raises(ValueError, match="`position`"):
            ElasticDepth(position, depth)


def test_dropout_outside_of_a_search_is_dropout():
    x = np.ones((1, 100), "float32")
    assert not ops.all(ElasticDropout(0.5)(x, training=True))
    assert ops.all(ElasticDropout(0.5)(x) == 1.0)


def two_blocks(execution, channels_first=False):
    """Expansion, channels, kernel and depth are chosen, also together."""
    width = ElasticChoice([2, 4], name="width")
    depth = ElasticChoice([1, 2], name="depth")
    shape = (4, 5, 5) if channels_first else (5, 5, 4)
    form = "channels_first" if channels_first else "channels_last"
    inputs = x = keras.Input(shape)
    common = {
        "zero_gamma": False,
        "execution": execution,
        "seed": 0,
        "data_format": form,
    }
    x = ElasticMBConv(width, [3, 5], 3, 2, name="one", **common)(x)
    x = ElasticMBConv(
        width,
        3,
        [1, 2, 3],
        filters_in=width,
        depth=depth,
        position=1,
        name="two",
        **common,
    )(x)
    x = layers.GlobalAveragePooling2D(form)(x)
    return keras.Model(inputs, ElasticDense(2)(x))


def test_a_width_that_follows_two_choices():
    models = {e: two_blocks(e) for e in ("sliced", "masked")}
    randomized(models["sliced"])
    models["masked"].set_weights(models["sliced"].get_weights())
    x = features(3, 5, 5, 4)
    # All pairs of a width and a ratio, and all of a depth and either.
    for index, (ratio, width) in enumerate(
        itertools.product((1, 2, 3), (2, 4))
    ):
        decisions = {
            "width": width,
            "depth": 1 + (index + ratio) % 2,
            "two_expand_ratio": ratio,
            "one_kernel_size": 3 if ratio == 2 else 5,
        }
        chosen = keras_nas.Architecture("", decisions)
        outputs = []
        for model in models.values():
            for name, choice in choices_of(model).items():
                choice.choose(decisions[name])
            sliced = keras_nas.slice_model(model, chosen)
            outputs += [model(x), sliced(x)]
            assert (
                keras_nas.decided_cost(model).macs
                == keras_nas.count_cost(sliced).macs
            )
        for output in outputs[1:]:
            assert_close(output, outputs[0])
    assert sliced.layers[-1].input.shape[-1] == 4


def test_a_plain_call_is_inference():
    model = keras.Sequential(
        [keras.Input((5, 5, 4)), ElasticMBConv([2, 4], [3, 5], name="block")]
    )
    randomized(model)
    x = features(3, 5, 5, 4)
    steps = [int(c.seed_generator.state[1]) for c in choices_of(model).values()]
    np.testing.assert_array_equal(model(x), model(x, training=False))
    after = [int(c.seed_generator.state[1]) for c in choices_of(model).values()]
    assert steps == after


def test_blocks_that_are_refused():
    depth = ElasticChoice([1, 2], name="depth")
    with pytest.raises(ValueError, match="may be left out"):
        ElasticMBConv(4, 3, 2, 2, depth=depth, position=1).build(
            (None, 5, 5, 4)
        )
    with pytest.raises(ValueError, match="`depth`"):
        ElasticMBConv(4, depth=2)
    with pytest.raises(ValueError, match="`se_ratio`.*-1"):
        ElasticMBConv(4, se_ratio=-1)
    width = ElasticChoice([2, 8], name="width")
    with pytest.raises(ValueError, match="`filters_in`.*4.*width"):
        ElasticMBConv(4, filters_in=width).build((None, 5, 5, 4))


def test_a_layer_that_always_draws_is_not_cut():
    width = ElasticChoice([4, 8], name="width")
    mask = ElasticChannels([4, 8], width)
    inputs = keras.Input((8, 8, 3))
    x = ElasticConv2D(8, 3, width=mask)(inputs, training=True)
    x = keras.layers.GlobalAveragePooling2D()(mask(x))
    model = keras.Model(inputs, ElasticDense(3)(x))
    with pytest.raises(ValueError, match="always runs as in training"):
        keras_nas.slice_model(model, keras_nas.Architecture("", {"width": 4}))


def elastic_model(*between):
    """Returns a model with layers between elastic channels and a classifier."""
    width = ElasticChoice([4, 8], name="width")
    mask = ElasticChannels([4, 8], width)
    model = keras.Sequential([keras.Input((6, 6, 3))])
    model.add(ElasticConv2D(8, 3, width=mask, activation="relu"))
    for layer in (mask, *between, ElasticDense(3)):
        model.add(layer)
    return model


def test_slices_of_other_than_the_first_channels_are_not_cut():
    smallest = keras_nas.Architecture("", {"width": 4})
    pooled = elastic_model(layers.GlobalAveragePooling2D())
    assert keras_nas.slice_model(pooled, smallest).layers[1].filters == 4
    with pytest.raises(ValueError, match="no Flatten.*execution='masked'"):
        keras_nas.slice_model(elastic_model(layers.Flatten()), smallest)


def test_masks_beside_choices_are_refused():
    model = elastic_model(layers.GlobalAveragePooling2D())
    with pytest.raises(ValueError, match="has elastic layers"):
        keras_nas.insert_masks(model)
