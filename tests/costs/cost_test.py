"""Counts, against published ones and the shapes of weights."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from tests.common import COST_PARTS
from tests.common import conv_block
from tests.common import decide
from tests.common import head
from tests.common import macs_of
from tests.common import mask
from tests.common import params_of


def parts(cost):
    return {part: getattr(cost, part) for part in COST_PARTS}


def test_mobilenet_v2():
    cost = count_cost(keras.applications.MobileNetV2(weights=None))
    assert parts(cost) == {
        "macs": 300_774_272,
        "pool": 62_720,
        "kernels": 3_469_760,
        "biases": 1_000,
        "norm": 34_112,
    }
    assert cost.params == 3_504_872


def test_efficientnet_b0():
    cost = count_cost(keras.applications.EfficientNetB0(weights=None))
    assert parts(cost) == {
        "macs": 385_814_752,
        "pool": 2_369_248,
        "kernels": 5_236_192,
        "biases": 10_340,
        "norm": 42_016,
    }


def test_resnet50():
    """The trainable parameters that Keras prints."""
    cost = count_cost(keras.applications.ResNet50(weights=None))
    assert cost.params == 25_583_592


def small():
    inputs = keras.Input((8, 6, 3))
    x = conv_block(inputs, 4, "a", stride=2)
    x = layers.DepthwiseConv2D(3, name="d")(x)
    return keras.Model(inputs, head(x))


def test_parts_of_a_small_network():
    cost = count_cost(small())
    by_name = {row.name: row for row in cost.layers}
    assert by_name["a"].macs == 4 * 3 * 27 * 4
    assert by_name["a"].params == by_name["a"].kernels == 27 * 4
    assert by_name["a_bn"].norm == 8
    assert by_name["d"].macs == 2 * 1 * 9 * 4
    assert (by_name["d"].kernels, by_name["d"].biases) == (36, 4)
    assert by_name["classifier"].params == 4 * 3 + 3
    assert cost.pool == 2 * 1 * 4
    assert cost.macs == macs_of(small())
    assert cost.params == 108 + 8 + 40 + 15
    assert "a_mask" not in by_name and "a_relu" not in by_name


@pytest.mark.parametrize(
    "layer, macs",
    [
        (lambda: layers.Conv2D(6, 3, groups=3), 6 * 4 * 9 * 6),
        (lambda: layers.Conv2D(6, 3, strides=2), 3 * 2 * 9 * 3 * 6),
        (lambda: layers.Conv2D(6, 3, dilation_rate=2), 4 * 2 * 9 * 3 * 6),
        (
            lambda: layers.SeparableConv2D(6, 3, depth_multiplier=2),
            6 * 4 * (9 * 6 + 6 * 6),
        ),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), 6 * 4 * 9 * 6),
        (lambda: layers.Conv2DTranspose(6, 3, strides=2), 8 * 6 * 9 * 3 * 6),
        (lambda: layers.Dense(6), 8 * 6 * 3 * 6),
    ],
)
def test_multiply_adds_of_one_layer(layer, macs):
    model = keras.Sequential([keras.Input((8, 6, 3)), layer()])
    cost = count_cost(model)
    assert cost.macs == macs
    assert cost.params == params_of(model)


def test_shared_layer_computes_twice_and_weighs_once():
    dense = layers.Dense(4)
    inputs = keras.Input((4,))
    cost = count_cost(keras.Model(inputs, dense(dense(inputs))))
    assert (cost.macs, cost.params) == (2 * 16, 20)
    assert [row.params for row in cost.layers] == [20, 0]


def test_unknown_layers_count_their_parameters():
    inputs = keras.Input((5, 3))
    x = layers.LayerNormalization()(inputs)
    model = keras.Model(inputs, layers.LSTM(4)(x))
    assert count_cost(model).params == params_of(model)


def test_masks_count_as_open():
    model = small()
    full = count_cost(model)
    decide(model, a_mask=[1])
    assert count_cost(model) == full
    assert decided_cost(model).macs < full.macs


def test_decided_cost_of_an_architecture():
    model = small()
    chosen = Architecture("", {"a_mask": [0, 2]})
    sliced = slice_model(model, chosen)
    decided = decided_cost(model, chosen)
    assert parts(decided) == parts(count_cost(sliced))
    assert decided.macs == macs_of(sliced)
    # Layer by layer, too.
    names = {layer.name for layer in sliced.layers}
    for row in decided.layers:
        assert row.name in names


def test_folded_constants_cost_a_bias():
    inputs = keras.Input((4,))
    x = layers.BatchNormalization()(mask("m")(layers.Dense(3)(inputs)))
    model = keras.Model(inputs, layers.Dense(2, use_bias=False)(x))
    decide(model, m=[0])
    assert decided_cost(model).biases == 1 + 2
    decide(model, m=[0, 1, 2])
    assert decided_cost(model).biases == 3


def test_table():
    text = str(count_cost(small()))
    first, *rows, total, memory = text.splitlines()
    assert "MACs" in first and len(rows) == 5
    assert total.split() == ["total", "1,380", "171"]
    cost = count_cost(small())
    assert f"{cost.activations:,} elements" in memory
    assert f"{cost.peak_activations:,} at once" in memory


def test_unknown_size_is_refused():
    inputs = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="layer 'c' .*fixed input size"):
        count_cost(keras.Model(inputs, layers.Conv2D(4, 3, name="c")(inputs)))


def test_size_that_nothing_depends_on_may_be_unknown():
    inputs = keras.Input((None, 3))
    x = layers.GlobalMaxPooling1D()(inputs)
    assert count_cost(keras.Model(inputs, layers.Dense(2)(x))).macs == 6


def test_not_a_model_is_refused():
    with pytest.raises(ValueError, match="Keras 3"):
        count_cost(np.zeros(3))


def test_layers_whose_multiply_adds_are_unknown_are_named():
    model = keras.Sequential(
        [keras.Input((6, 3)), layers.LSTM(4, name="lstm"), layers.Dense(2)]
    )
    cost = count_cost(model)
    assert cost.uncounted == ("lstm",)
    assert cost.macs == 4 * 2
    assert "not counted (no rule): lstm" in str(cost)
    known = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    assert count_cost(known).uncounted == ()


def test_activations_by_hand():
    model = small()
    cost = count_cost(model)
    # Input 8 x 6 x 3; a: 4 x 3 x 4, with BatchNorm and ReLU, its mask is
    # nothing; d: 2 x 1 x 4; pool: 4; classifier: 3.
    assert cost.activations == 3 * 48 + 8 + 4 + 3
    assert cost.peak_activations == 8 * 6 * 3 + 48
    by_name = {row.name: row.activations for row in cost.layers}
    assert (by_name["a"], by_name["d"], by_name["classifier"]) == (48, 8, 3)


def test_a_shortcut_stays_alive_until_it_is_read():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(5, 1)(inputs)
    x = layers.Conv2D(7, 1)(x)
    x = layers.Conv2D(2, 1)(x)
    plain = count_cost(keras.Model(inputs, x))
    residual = count_cost(keras.Model(inputs, layers.Add()([inputs, x])))
    assert plain.activations == 16 * (5 + 7 + 2)
    assert plain.peak_activations == 16 * (5 + 7)
    assert residual.activations == 16 * (5 + 7 + 2 + 2)
    assert residual.peak_activations == 16 * (2 + 5 + 7)


def test_outputs_of_the_model_stay_alive():
    inputs = keras.Input((2,))
    first = layers.Dense(10)(inputs)
    x = layers.Dense(20)(layers.Dense(30)(first))
    assert count_cost(keras.Model(inputs, x)).peak_activations == 50
    both = keras.Model(inputs, [first, x])
    assert count_cost(both).peak_activations == 10 + 30 + 20


def test_what_does_nothing_at_inference_makes_no_tensor():
    inputs = keras.Input((4,))
    x = mask("m")(layers.Dropout(0.5)(layers.Dense(8)(inputs)))
    x = layers.Identity()(x)
    cost = count_cost(keras.Model(inputs, [layers.Dense(2)(x), x]))
    assert cost.activations == 8 + 2
    assert cost.peak_activations == 4 + 8
    # Dropout that is always on is a layer as any other.
    x = layers.Dropout(0.5)(layers.Dense(8)(inputs), training=True)
    assert count_cost(keras.Model(inputs, x)).activations == 8 + 8


def test_both_calls_of_a_shared_layer_make_a_tensor():
    dense = layers.Dense(4)
    inputs = keras.Input((4,))
    cost = count_cost(keras.Model(inputs, dense(dense(inputs))))
    assert (cost.activations, cost.peak_activations) == (8, 8)


def test_activations_of_mobilenet_v2():
    """Over the layers that Keras lists, at their output shapes."""
    model = keras.applications.MobileNetV2(weights=None)
    outputs = [layer.output.shape[1:] for layer in model.layers[1:]]
    expected = sum(int(np.prod(shape)) for shape in outputs)
    cost = count_cost(model)
    assert cost.activations == expected
    # The first expansion, 96 channels, and its padded copy.
    assert cost.peak_activations == (112 * 112 + 113 * 113) * 96


def test_activations_of_unknown_size_are_none():
    inputs = keras.Input((None, 3))
    x = layers.Dense(2)(layers.GlobalMaxPooling1D()(inputs))
    cost = count_cost(keras.Model(inputs, x))
    assert (cost.activations, cost.peak_activations) == (3 + 2, None)
    x = layers.BatchNormalization(name="bn")(inputs)
    x = layers.Dense(2)(layers.GlobalMaxPooling1D()(x))
    cost = count_cost(keras.Model(inputs, x))
    assert (cost.activations, cost.peak_activations) == (None, None)
    assert [row.activations for row in cost.layers] == [None, 2]
    assert "(None, 3)" in str(cost)


def test_decided_cost_knows_no_activations():
    cost = decided_cost(small())
    assert (cost.activations, cost.peak_activations) == (None, None)
    assert {row.activations for row in cost.layers} == {None}
