"""Where the factors of AtomNAS go, in networks by hand."""

import keras
import pytest
from keras import layers

from keras_nas.spaces import build_from_blocks
from tests.common import assert_same_function
from tests.common import head
from tests.common import masks_of
from tests.common import randomize
from tests.slicing.atoms import atoms_of
from tests.slicing.atoms import conv
from tests.slicing.atoms import depthwise
from tests.slicing.atoms import mbconv
from tests.slicing.atoms import network
from tests.slicing.atoms import norm
from tests.slicing.atoms import with_atoms


def places(make, shape=(6, 6, 3)):
    """Returns where the factors of `make` go, whose input is a stream.

    They must change nothing yet.
    """
    plain = randomize(network(make, shape))
    model = with_atoms(plain)
    for mask in masks_of(model):
        if mask.factor_kind == "batch_norm":
            before = mask._inbound_nodes[0].parent_nodes[0].operation
            assert mask.factor is before.gamma
    assert_same_function(plain, model)
    found = atoms_of(model)
    assert not {"stem", "classifier"} & set(found)
    return found


def test_an_mbconv_has_them_behind_the_norm_of_its_depthwise():
    found = places(lambda x: mbconv(x, 8, 4))
    assert found == {"mb_expand": ("mb_dw_bn", "batch_norm")}


def test_blocks_without_depthwise_have_them_at_the_first_convolution():
    # Constants in front of zeros that a convolution pads with do not fold.
    def residual(x):
        return conv(conv(x, 6, 3, "a"), 4, 3, "b", None)

    assert places(residual) == {"a": ("a_act", "own")}

    def unpadded(x):
        x = layers.ZeroPadding2D(name="pad")(conv(x, 6, 3, "a"))
        return conv(x, 4, 3, "b", None, padding="valid")

    assert places(unpadded) == {"a": ("pad", "own")}


def test_a_bottleneck_has_both_kinds():
    def bottleneck(x):
        x = conv(conv(x, 6, 1, "a"), 5, 3, "b")
        return conv(x, 4, 1, "c", None)

    expected = {"a": ("a_act", "own"), "b": ("b_bn", "batch_norm")}
    assert places(bottleneck) == expected


def test_a_network_without_normalization():
    model = with_atoms(
        keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                layers.Conv2D(4, 3, activation="relu", name="a"),
                layers.Conv2D(5, 3, name="b"),
                layers.ReLU(name="act"),
                layers.MaxPooling2D(name="pool"),
                layers.Conv2D(6, 1, activation="relu", name="c"),
                layers.Flatten(),
                layers.Dense(7, activation="relu", name="d"),
                layers.Dropout(0.1, name="drop"),
                layers.Dense(2, name="logits"),
            ]
        )
    )
    assert atoms_of(model) == {
        "a": ("a", "own"),
        "b": ("pool", "own"),
        "c": ("c", "own"),
        "d": ("drop", "own"),
    }


def test_a_perceptron_with_normalization():
    inputs = x = keras.Input((6,))
    for name in ("a", "b"):
        x = norm(layers.Dense(5, name=name)(x), f"{name}_bn")
        x = layers.Activation("swish")(x)
    model = with_atoms(keras.Model(inputs, layers.Dense(2, name="logits")(x)))
    assert atoms_of(model) == {
        "a": ("a_bn", "batch_norm"),
        "b": ("b_bn", "batch_norm"),
    }


def test_a_normalization_that_is_frozen_has_no_factors():
    inputs = keras.Input((4, 4, 3))
    x = layers.Flatten()(conv(inputs, 5, 3, "a"))
    network = keras.Model(inputs, layers.Dense(2)(x))
    network.get_layer("a_bn").trainable = False
    ((_, kind),) = atoms_of(with_atoms(network)).values()
    assert kind == "own"


def test_a_normalization_in_front_of_a_flatten():
    inputs = keras.Input((4, 4, 3))
    x = layers.Flatten()(conv(inputs, 5, 3, "a"))
    model = with_atoms(keras.Model(inputs, layers.Dense(2)(x)))
    assert atoms_of(model) == {"a": ("a_bn", "batch_norm")}


def test_in_front_of_a_squeeze_excite_the_channel_must_become_zero():
    found = places(lambda x: mbconv(x, 8, 4, squeeze=2))
    assert found == {
        "mb_expand": ("mb_dw_act", "own"),
        "mb_se_reduce": ("mb_se_reduce", "own"),
    }


@pytest.mark.parametrize("size", [3, 6])
def test_a_gate_has_none_not_even_on_a_map_of_one_position(size):
    def block(x):
        return mbconv(x, 8, 4, squeeze=2, stride=size)

    inputs = keras.Input((size, size, 3))
    x = block(inputs)
    assert x.shape[1:3] == (1, 1)
    model = with_atoms(keras.Model(inputs, head(x)))
    assert atoms_of(model) == {
        "mb_expand": ("mb_dw_act", "own"),
        "mb_se_reduce": ("mb_se_reduce", "own"),
        "mb_project": ("mb_project_bn", "batch_norm"),
    }


def test_an_activation_by_hand_is_no_gate():
    def block(x):
        x = norm(layers.Conv2D(6, 1, name="a")(x), "a_bn")
        x = x * (layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0))
        return layers.Conv2D(4, 1, name="b")(x)

    assert places(block) == {"a": ("a_bn", "own")}


def test_both_sides_of_a_gated_linear_unit():
    def block(x):
        a = layers.Conv2D(6, 1, name="a")(x)
        b = layers.Conv2D(6, 1, activation="sigmoid", name="b")(x)
        return layers.Conv2D(4, 1, name="c")(layers.Multiply()([a, b]))

    assert places(block) == {"a": ("a", "own"), "b": ("b", "own")}


def test_kernels_side_by_side():
    block = {
        "type": "mbconv",
        "cin": 4,
        "cout": 4,
        "kernels": [3, 5, 7],
        "mid": [6, 6, 6],
        "stride": 1,
        "act": "swish",
        "residual": "add",
    }
    stem = {"type": "conv", "cin": 3, "cout": 4, "kernel": 3, "stride": 1}
    plain = build_from_blocks(
        [{**stem, "act": "swish"}, block], (8, 8, 3), classes=2
    )
    model = with_atoms(plain)
    assert atoms_of(model) == {
        f"block1_expand{k}": (
            _reader_of(model, f"block1_depthwise{k}"),
            "batch_norm",
        )
        for k in (3, 5, 7)
    }
    gated = {**block, "se_hidden": 2}
    model = with_atoms(
        build_from_blocks([{**stem, "act": "swish"}, gated], (8, 8, 3))
    )
    kinds = {name: kind for name, (_, kind) in atoms_of(model).items()}
    assert kinds == dict.fromkeys(
        [*(f"block1_expand{k}" for k in (3, 5, 7)), "block1_se_reduce"], "own"
    )


def _reader_of(model, name):
    (node,) = model.get_layer(name)._outbound_nodes
    return node.operation.name


def test_a_dense_block_has_own_factors_where_others_normalize_again():
    def block(x):
        joined = [x]
        for name in ("a", "b"):
            y = layers.Concatenate()(joined) if len(joined) > 1 else x
            y = layers.ReLU()(norm(y))
            joined.append(layers.Conv2D(3, 1, name=name)(y))
        y = layers.ReLU()(norm(layers.Concatenate()(joined)))
        return layers.Conv2D(4, 1, name="transition")(y)

    # All that reads a channel has a normalization of its own.
    assert places(block) == {"a": ("a", "own"), "b": ("b", "own")}


def test_the_stream_and_what_an_addition_joins_have_none():
    def block(x):
        y = layers.Add()([conv(x, 6, 1, "a"), conv(x, 6, 1, "b")])
        return conv(y, 4, 1, "c", None)

    with pytest.raises(ValueError, match="no place for a mask"):
        places(block)


def test_outputs_have_none():
    inputs = keras.Input((6, 6, 3))
    x = conv(inputs, 4, 1, "a")
    y = conv(x, 5, 1, "b")
    model = with_atoms(keras.Model(inputs, [head(y), x]))
    assert atoms_of(model) == {"b": ("b_bn", "batch_norm")}


def test_shared_layers_have_none():
    shared = layers.Conv2D(4, 1, name="shared")

    def block(x):
        x = shared(layers.ReLU()(shared(conv(x, 4, 1, "a"))))
        return conv(x, 4, 1, "b", None)

    # Nor is there a bias of its own behind "a".
    assert places(block) == {"a": ("a_act", "own")}


def test_depthwise_without_normalization():
    def block(x):
        x = conv(x, 6, 1, "a")
        x = layers.DepthwiseConv2D(3, padding="same", name="dw")(x)
        return conv(x, 4, 1, "b", None)

    assert places(block) == {"a": ("dw", "own")}


def test_a_normalization_without_scale_has_no_factors():
    def block(x):
        x = norm(layers.Conv2D(6, 1, name="a")(x), "a_bn", scale=False)
        return conv(layers.ReLU(name="act")(x), 4, 1, "b", None)

    assert places(block) == {"a": ("act", "own")}


def test_a_branch_of_an_addition_with_a_depthwise_end_has_none():
    found = places(lambda x: mbconv(depthwise(x, 3, "dw"), 6, 4))
    assert found == {"mb_expand": ("mb_dw_bn", "batch_norm")}


def test_a_squeeze_excite_by_reshape():
    def block(x):
        x = conv(x, 6, 1, "a")
        gate = layers.GlobalAveragePooling2D()(x)
        gate = layers.Dense(2, activation="relu", name="reduce")(gate)
        gate = layers.Dense(6, activation="sigmoid", name="gate")(gate)
        x = layers.Multiply()([x, layers.Reshape((1, 1, 6))(gate)])
        return conv(x, 4, 1, "b", None)

    assert places(block) == {
        "a": ("a_act", "own"),
        "reduce": ("reduce", "own"),
    }
