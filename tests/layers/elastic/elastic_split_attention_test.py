"""Elastic split attention against networks built directly."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import Architecture
from keras_nas import SplitAttention
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticSplitAttention
from keras_nas.layers import ElasticSqueezeExcite
from tests.common import assert_plain
from tests.common import assert_same_function
from tests.elastic import assert_close
from tests.elastic import assert_is_child
from tests.elastic import choices_of
from tests.elastic import choose
from tests.elastic import give_first
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import randomized

SPLITS = [0, 1, 2, 4]
WIDTHS, KERNELS, HIDDEN = [2, 4, 6], [3, 5], [1, 3, 4]
TOLERANCE = 2e-5


def elastic(splits, execution, activation="silu", strides=1, **kwargs):
    """A network of elastic channels around the layer."""
    kwargs = {"hidden": HIDDEN, "kernels": KERNELS, **kwargs}
    widths = kwargs.pop("widths", WIDTHS)
    width = ElasticChoice(widths, seed=0, name="width")
    kernel = kwargs.pop("kernels")
    if isinstance(kernel, list):
        kernel = ElasticChoice(kernel, seed=0, name="kernel")
    mask = ElasticChannels(widths, width, execution=execution, name="mask")
    inputs = keras.Input((7, 6, 3))
    x = mask(ElasticConv2D(widths[-1], 1, width=mask, name="conv")(inputs))
    x = ElasticSplitAttention(
        kernel,
        splits,
        strides,
        width=mask,
        activation=activation,
        execution=execution,
        name="split",
        **kwargs,
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    return randomized(keras.Model(inputs, ElasticDense(3, name="end")(x)))


def plain(width, kernel, hidden, splits, activation="silu", strides=1):
    inputs = keras.Input((7, 6, 3))
    x = layers.Conv2D(width, 1, name="conv")(inputs)
    x = SplitAttention(
        kernel, splits, strides, hidden, activation, name="split"
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, name="end")(x))


def child_of(model, *args, **kwargs):
    """Builds a child directly, with the first of all weights."""
    child = plain(*args, **kwargs)
    weights = [w for w in model.weights if w.name != "choice"]
    pairs = list(zip(weights, child.weights, strict=True))
    give_first(pairs)
    return child, pairs


def maps():
    return images()[:, :7, :6]


@pytest.mark.parametrize("splits, strides", [(0, 1), (1, 2), (2, 1), (4, 2)])
def test_every_child_is_a_network_built_directly(splits, strides):
    models = {
        execution: elastic(splits, execution, strides=strides)
        for execution in ("sliced", "masked")
    }
    models["masked"].set_weights(models["sliced"].get_weights())
    x = maps()
    # Each width with each kernel, of any two cases of the same strides.
    for i, width in enumerate(WIDTHS):
        kernel = KERNELS[(i + (splits > 1)) % 2]
        chosen = Architecture("", {"width": width, "kernel": kernel})
        child, _ = child_of(
            models["sliced"], width, kernel, HIDDEN[i], splits, strides=strides
        )
        expected, cost = child(x), count_cost(child)
        for model in models.values():
            choose(model, chosen)
            assert_close(model(x), expected, TOLERANCE)
            sliced = slice_model(model, chosen)
            assert_plain(sliced)
            assert_close(sliced(x), expected, TOLERANCE)
            counted = count_cost(sliced)
            assert (counted.macs, counted.params) == (cost.macs, cost.params)
            assert decided_cost(model).macs == cost.macs


@pytest.mark.parametrize("execution", ["sliced", "masked"])
@pytest.mark.parametrize("splits", SPLITS)
def test_gradients_are_those_of_the_child(splits, execution):
    model = elastic(splits, execution)
    x = maps()
    for i, j in ((0, 0), (1, 1), (2, 0)):
        child, pairs = child_of(model, WIDTHS[i], KERNELS[j], HIDDEN[i], splits)
        indices = {"width": i, "kernel": j}
        results = gradient_step(model, x, True, indices)
        expected = gradient_step(child, x, True)
        assert_is_child(results, model, child, expected, pairs, 1e-4)


def test_both_executions_train_alike():
    weights = []
    for execution in ("sliced", "masked"):
        model = elastic(2, execution)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        x, y = np.tile(maps(), (4, 1, 1, 1)), np.ones((16, 3), "float32")
        model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        assert_close(a, b, 1e-4)


def test_hidden_channels_follow_the_width_by_default():
    widths = [32, 48, 72]
    model = elastic(2, "sliced", hidden=None, widths=widths)
    attention = model.get_layer("split").squeeze_excite
    assert attention.hidden_width.widths == [8, 16, 24]
    for width in widths:
        sliced = slice_model(
            model, Architecture("", {"width": width, "kernel": 3})
        )
        direct = plain(width, 3, None, 2)
        assert count_cost(sliced).macs == count_cost(direct).macs
    fixed = elastic(2, "sliced", hidden=None, widths=[8, 16])
    attention = fixed.get_layer("split").squeeze_excite
    assert (attention.hidden, attention.hidden_width) == (8, None)


def test_channels_that_two_choices_decide():
    filters = ElasticChoice([2, 3], name="filters")
    ratio = ElasticChoice([1, 2], name="ratio")
    widths, hidden = [[2, 4], [3, 6]], [[1, 2], [2, 3]]
    mask = ElasticChannels(widths, [filters, ratio])
    layer = ElasticSplitAttention(3, 2, hidden=hidden, width=mask)
    layer.build((None, 4, 4, 6))
    x = images(4)[..., :1] + np.zeros(6, "float32")
    for i, j in itertools.product(range(2), repeat=2):
        filters.choose([2, 3][i])
        ratio.choose([1, 2][j])
        assert layer(x[..., : widths[i][j]]).shape[-1] == widths[i][j]
        assert layer.squeeze_excite.hidden_width.width() == hidden[i][j]


def test_an_activation_may_be_a_layer():
    act = layers.LeakyReLU(0.3, name="act")
    model = elastic(2, "sliced", activation=act)
    chosen = Architecture("", {"width": 4, "kernel": 3})
    choose(model, chosen)
    child, _ = child_of(model, 4, 3, 3, 2, act)
    assert_close(model(maps()), child(maps()), TOLERANCE)
    assert_close(slice_model(model, chosen)(maps()), model(maps()))


@pytest.mark.parametrize("splits", [1, 2])
def test_it_comes_back_from_a_file_with_its_choices(splits, tmp_path):
    model = elastic(splits, "sliced", activation=layers.ReLU(name="act"))
    choose(model, Architecture("", {"width": 4, "kernel": 3}))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert_same_function(model, again)
    choices = choices_of(again)
    assert sorted(choices) == ["kernel", "width"]
    choices["width"].choose(2)
    layer = again.get_layer("split")
    assert layer(np.ones((1, 4, 4, 2), "float32")).shape[-1] == 2


def test_copies_of_a_config_share_their_choices():
    width = ElasticChoice([2, 4], name="width")
    mask = ElasticChannels([2, 4], width)
    layer = ElasticSplitAttention(width, 2, width=mask, name="split")
    again = ElasticSplitAttention.from_config(layer.get_config())
    assert again.kernel_choice is again.width.decided_by[0]


def test_channels_and_kernels_that_never_change():
    layer = ElasticSplitAttention(3, 2, hidden=4, name="split")
    twin = SplitAttention(3, 2, hidden=4, name="twin")
    x = maps()
    layer.build(x.shape)
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    assert_close(layer(x), twin(x))
    assert not choices_of(keras.Sequential([keras.Input(x.shape[1:]), layer]))


def test_arguments_that_are_refused():
    with pytest.raises(ValueError, match="`hidden`.*no `width`"):
        ElasticSplitAttention(3, 2, hidden=[2, 4]).build((None, 4, 4, 8))
    with pytest.raises(ValueError, match="`width`.*Received: width=3"):
        ElasticSplitAttention(3, 2, width=3)
    with pytest.raises(ValueError, match="`execution`"):
        ElasticSplitAttention(3, 2, execution="both")
    with pytest.raises(ValueError, match="`splits`"):
        ElasticSplitAttention(3, -1)
    with pytest.raises(ValueError, match="increasing"):
        ElasticSplitAttention([5, 3], 2)


def test_the_names_of_squeeze_excite():
    layer = ElasticSqueezeExcite(2, name="se")
    layer.build((None, 4, 4, 8))
    assert [w.path.split("/")[-2] for w in layer.weights] == [
        "se_reduce",
        "se_reduce",
        "se_expand",
        "se_expand",
    ]
    assert layer.scale[0].name == "se_scale" and layer.pool.name == "se_pool"
