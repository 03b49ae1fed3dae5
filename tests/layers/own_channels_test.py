"""OwnChannels: a branch without weights whose channels are its own."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import slice_model
from keras_nas.layers import OwnChannels
from tests.common import architecture_of
from tests.common import assert_expected_equals_counted
from tests.common import assert_plain
from tests.common import decide
from tests.common import decide_at_random
from tests.common import mask
from tests.common import randomize


def network(joined=layers.Concatenate, fold=False):
    """Returns a model of a shortcut, a pool and a convolution of one input."""
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="mix")(inputs)
    pool = layers.MaxPooling2D(3, 1, padding="same")(x)
    branches = [
        mask("a", soft_inference=fold)(OwnChannels()(x)),
        mask("b")(OwnChannels()(pool)),
        mask("c")(layers.Conv2D(4, 3, padding="same")(layers.ReLU()(x))),
    ]
    x = layers.Conv2D(5, 1, name="last")(joined()(branches))
    x = layers.GlobalAveragePooling2D()(x)
    return randomize(keras.Model(inputs, layers.Dense(2)(x)))


def images():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 6, 6, 3)).astype("float32")


def assert_same(model, sliced):
    np.testing.assert_allclose(
        np.array(sliced(images())), np.array(model(images())), atol=1e-5
    )


@pytest.mark.parametrize("joined", [layers.Concatenate, layers.Add])
def test_any_decision_is_sliced_exactly(joined):
    model = network(joined)
    for seed in range(8):
        decide_at_random(model, seed)
        sliced = slice_model(model)
        assert_plain(sliced)
        assert_same(model, sliced)
        assert_expected_equals_counted(model, sliced)


@pytest.mark.parametrize(
    "kept, mix, last",
    [
        ({"a": [], "b": [], "c": [0, 2]}, 4, 2),
        ({"a": [1], "b": [], "c": [0]}, 4, 2),  # A part of the mix.
        ({"a": [0, 3], "b": [2], "c": [1, 2, 3]}, 4, 6),  # Not side by side.
        ({"a": [1], "b": [1, 3], "c": []}, 2, 3),
        ({"a": [], "b": [0, 1, 2, 3], "c": []}, 4, 4),
    ],
)
def test_only_what_is_kept_is_concatenated(kept, mix, last, tmp_path):
    model = decide(network(), **kept)
    assert architecture_of(model).decisions == kept
    sliced = slice_model(model)
    assert sliced.get_layer("mix").filters == mix
    assert sliced.get_layer("last").kernel.shape[2] == last
    assert_same(model, sliced)
    sliced.save(tmp_path / "sliced.keras")
    assert_same(model, keras.models.load_model(tmp_path / "sliced.keras"))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("kept", [[0, 1], [1, 3], [0, 1, 2, 3]])
def test_channels_that_only_others_need_are_made_up(kept, norm):
    inputs = keras.Input((6, 6, 3))
    own = layers.Conv2D(4, 1, name="mix")(inputs)
    own = mask("a")(own)
    if norm:  # What is closed is a constant.
        own = layers.BatchNormalization()(own)
    other = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.Add()([OwnChannels()(own), other])
    x = layers.Conv2D(3, 1)(mask("b")(x))
    x = layers.Concatenate()([x, layers.Conv2D(2, 1)(other)])
    x = layers.GlobalAveragePooling2D()(x)
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    decide(model, a=[0, 2, 3], b=kept)
    sliced = slice_model(model)
    assert_plain(sliced)
    assert_same(model, sliced)
    assert_expected_equals_counted(model, sliced)
    assert sliced.get_layer("mix").filters == len(kept)


def test_factors_are_folded():
    model = decide(network(fold=True), a=[1], b=[0, 3], c=[1, 2])
    model.get_layer("a").logits.assign([-1.0, 0.5, -1.0, -1.0])
    sliced = slice_model(model)
    assert_plain(sliced)
    assert_same(model, sliced)


def test_it_is_the_identity_and_is_saved(tmp_path):
    model = network()
    x = np.ones((2, 3, 4), "float32")
    np.testing.assert_array_equal(np.array(OwnChannels()(x)), x)
    model.save(tmp_path / "model.keras")
    assert_same(model, keras.models.load_model(tmp_path / "model.keras"))
