"""Networks as users write them, each of which once went wrong."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_nas import ChannelMask
from keras_nas import ExpectedFLOPs
from keras_nas import FiGSMask
from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import slice_model
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import decide_at_random
from tests.common import head
from tests.common import masks_of
from tests.common import randomize


class Windows(layers.Layer):
    """Reshapes with a batch size that is only known in a run."""

    def __init__(self, rows, **kwargs):
        super().__init__(**kwargs)
        self.rows = rows
        self.hidden = layers.Dense(9, activation="relu")
        self.back = layers.Dense(6)

    def call(self, inputs):
        batch = ops.shape(inputs)[0]
        x = ops.reshape(inputs, (batch, self.rows, 6))
        return ops.reshape(self.back(self.hidden(x)), (batch, 4, 4, 6))


@pytest.mark.parametrize("rows", [-1, 16])
def test_unknown_batch_size_in_a_traced_reshape(rows):
    inputs = keras.Input((4, 4, 3))
    x = Windows(rows)(layers.Conv2D(6, 1)(inputs))
    x = layers.Conv2D(7, 1)(x)
    masked = insert_masks(randomize(keras.Model(inputs, head(x))), seed=0)
    assert len(masks_of(masked)) == 4
    for seed in range(3):
        assert_slices(decide_at_random(masked, seed))


@pytest.mark.parametrize("normalized", [True, False])
def test_masks_of_padded_positions(normalized):
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(11, 8, mask_zero=True)(inputs)
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    if normalized:
        x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    masked = decide_at_random(insert_masks(model, seed=0), 1)
    sliced = slice_model(masked)
    assert sliced.get_layer("hidden").units < 6
    words = np.random.default_rng(0).integers(0, 11, (4, 7))
    np.testing.assert_allclose(masked(words), sliced(words), atol=1e-6)
    expected = float(ExpectedFLOPs(1.0)(masked, dtype="float64"))
    assert expected == count_cost(sliced).macs


def test_shared_encoder_with_normalization():
    shape = (8, 8, 3)
    encoder = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(8, 3, use_bias=False, name="conv"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(6, 3, padding="same"),
        ]
    )
    a, b = keras.Input(shape), keras.Input(shape)
    x = layers.Flatten()(encoder(a) - encoder(b))
    model = randomize(keras.Model([a, b], layers.Dense(1)(x)))
    masked = insert_masks(model, seed=0)
    assert_same_function(model, masked)
    masked.get_layer("conv_mask").logits.assign([9.0, 9.0] + [-9.0] * 6)
    sliced, report = assert_slices(decide_at_random(masked, 1, keep=(0.5,)))
    kept = len(masked.get_layer("conv_mask").decision())
    assert sliced.get_layer("conv").filters == kept < 8
    assert not report.folded


def test_variable_of_a_layer_used_by_an_operation():
    dense = layers.Dense(4)
    inputs = keras.Input((6,))
    x = layers.Concatenate()([dense(inputs), ops.matmul(inputs, dense.kernel)])
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    masked = insert_masks(model, seed=0)
    assert_same_function(model, masked)
    sliced = slice_model(decide_at_random(masked, 1))
    assert_same_function(masked, sliced)
    before = masked.get_weights(), masked(np.ones((1, 6)))
    dense.kernel.assign(2.0 * dense.kernel)  # The original's own.
    np.testing.assert_array_equal(before[1], masked(np.ones((1, 6))))


def small():
    inputs = keras.Input((4, 4, 3))
    return keras.Model(inputs, head(layers.Conv2D(4, 1)(inputs)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"mask": "figs"}, "argument `mask`"),
        ({"mask": FiGSMask()}, "argument `mask`"),
        ({"mask": layers.Dense}, "argument `mask`"),
        ({"mask": ChannelMask}, "functools.partial"),
        ({"skip": 5}, "argument `skip`"),
        ({"regularizer": "l2"}, "argument `regularizer`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        insert_masks(small(), **arguments)


def test_masks_are_inserted_once():
    with pytest.raises(ValueError, match="has masks already"):
        insert_masks(insert_masks(small()))
