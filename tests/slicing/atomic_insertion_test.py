"""insert_masks with the factors of AtomNAS."""

import functools

import keras
import pytest
from keras import layers

import keras_nas
from tests.common import masks_of
from tests.slicing.atoms import atoms_of
from tests.slicing.atoms import conv
from tests.slicing.atoms import mbconv
from tests.slicing.atoms import network
from tests.slicing.atoms import norm
from tests.slicing.atoms import with_atoms


def test_layers_that_are_skipped_have_none():
    plain = network(lambda x: conv(mbconv(x, 8, 4), 4, 1, "last"))
    assert set(atoms_of(with_atoms(plain))) == {"mb_expand", "mb_project"}
    model = with_atoms(plain, skip="mb_expand")
    assert set(atoms_of(model)) == {"mb_project"}


def test_a_model_without_a_place_is_told_what_one_is():
    inputs = keras.Input((8, 8, 4))
    x = layers.GroupNormalization(2)(layers.Conv2D(8, 1)(inputs))
    model = keras.Model(inputs, layers.Conv2D(2, 1)(x))
    with pytest.raises(ValueError, match="which GroupNormalization and add"):
        with_atoms(model)


def test_masks_are_not_inserted_twice():
    model = with_atoms(network(lambda x: mbconv(x, 8, 4)))
    with pytest.raises(ValueError, match="has masks already"):
        with_atoms(model)


def test_arguments_of_the_layer_can_be_bound():
    model = keras_nas.insert_masks(
        network(lambda x: mbconv(x, 8, 4)),
        functools.partial(keras_nas.AtomicBlockScale, threshold=0.5),
    )
    (mask,) = masks_of(model)
    assert mask.threshold == 0.5 and mask.factor_kind == "batch_norm"


def test_channels_first():
    inputs = keras.Input((3, 6, 6))
    kwargs = {"data_format": "channels_first", "use_bias": False}
    x = layers.Conv2D(5, 1, name="a", **kwargs)(inputs)
    x = layers.ReLU()(norm(x, "a_bn", axis=1))
    x = layers.Conv2D(4, 1, **kwargs)(x)
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    model = with_atoms(keras.Model(inputs, layers.Dense(2)(x)))
    found = atoms_of(model)
    assert found.pop("a") == ("a_bn", "batch_norm")
    assert [kind for _, kind in found.values()] == ["own"]


def test_networks_of_keras():
    model = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), weights=None
    )
    found = atoms_of(with_atoms(model))
    assert found["block_3_expand"] == ("block_3_depthwise_BN", "batch_norm")
    assert len([n for n in found if n.endswith("expand")]) == 16
    model = keras.applications.EfficientNetB0(
        input_shape=(32, 32, 3), weights=None
    )
    found = atoms_of(with_atoms(model))
    assert len([n for n in found if n.endswith("expand_conv")]) == 15
    assert not [n for n in found if n.endswith("se_expand")]
