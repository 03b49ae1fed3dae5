"""channel_multiple: widths rounded up by adding back probable channels."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import insert_masks
from keras_nas import slice_model
from keras_nas import spaces
from tests.common import assert_same_function
from tests.common import conv_block
from tests.common import decide
from tests.common import head
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize


def set_logits(model, seed=0, mean=0.0):
    rng = np.random.default_rng(seed)
    for layer in masks_of(model):
        layer.logits.assign(rng.normal(mean, 1.0, layer.logits.shape))
    return model


def chain(channels=16):
    inputs = keras.Input((6, 6, 3))
    x = conv_block(inputs, channels, "a")
    return randomize(keras.Model(inputs, head(conv_block(x, 12, "b"))))


def widths(report):
    return {name: (kept, total) for name, _, kept, total in report.layers}


@pytest.mark.parametrize("multiple", [2, 3, 4, 8])
def test_widths_are_the_next_multiple(multiple):
    model = set_logits(chain())
    _, before = slice_model(model, return_report=True)
    _, after = slice_model(model, return_report=True, channel_multiple=multiple)
    old, new = widths(before), widths(after)
    for name in ("a", "b"):
        kept, total = old[name]
        assert new[name][0] == min(total, -(-kept // multiple) * multiple)
    assert new["classifier"] == old["classifier"]


def test_the_most_probable_channels_come_back():
    model = decide(chain(), b_mask=range(12))
    logits = np.full(16, -9.0)
    logits[[0, 1, 2]] = 5.0
    logits[[7, 4]] = -0.1, -0.2
    logits[[9, 11, 13]] = -0.3, -0.4, -0.5
    model.get_layer("a_mask").logits.assign(logits)
    rounded = slice_model(model, channel_multiple=8)
    opened = decide(model, a_mask=[0, 1, 2, 4, 7, 9, 11, 13])
    assert rounded.get_layer("a").filters == 8
    assert_same_function(opened, rounded)


def test_nothing_changes_without():
    model = set_logits(chain(), 1)
    _, plain = slice_model(model, return_report=True)
    for multiple in (None, 1):
        _, report = slice_model(
            model, return_report=True, channel_multiple=multiple
        )
        assert report == plain


def test_the_model_is_left_alone():
    model = set_logits(chain())
    before = model.get_weights()
    slice_model(model, channel_multiple=8)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_removed_branch_does_not_come_back():
    inputs = keras.Input((6, 6, 3))
    x = conv_block(inputs, 8, "a")
    x = layers.Add()([x, conv_block(x, 8, "b")])
    model = randomize(keras.Model(inputs, head(x)))
    decide(model, a_mask=[0, 1, 2], b_mask=[])
    _, report = slice_model(model, return_report=True, channel_multiple=4)
    assert "b" in report.removed
    assert widths(report)["a"] == (4, 8)


def test_masks_in_a_row_are_both_opened():
    inputs = keras.Input((4,))
    x = mask("m")(layers.Dense(4, name="a")(inputs))
    x = mask("n")(layers.Activation("tanh")(x))
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    decide(model, m=[0, 1], n=[0, 2])
    sliced = slice_model(model, channel_multiple=2)
    assert sliced.get_layer("a").units == 2
    decide(model, m=[0, 1], n=[0, 1])  # As probable as 0 and 2.
    assert_same_function(model, sliced)


@pytest.mark.parametrize("name", ["residual", "mobile"])
def test_tied_layers_are_rounded_together(name):
    model = spaces.find_network(name, (16, 16, 3), 5)
    model = set_logits(randomize(insert_masks(model, seed=0)), 2, mean=-0.5)
    sliced, report = slice_model(model, return_report=True, channel_multiple=4)
    for kept, total in list(widths(report).values())[:-1]:
        assert kept % 4 == 0 or kept == total
    for names in report.tied:
        assert len({widths(report)[n] for n in names}) == 1
    assert len(report.tied) > 2


@pytest.mark.parametrize("value", [0, -8, 8.0, "8", True])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="channel_multiple.*positive integer"):
        slice_model(set_logits(chain()), channel_multiple=value)
