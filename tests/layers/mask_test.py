"""What all masks share: axes, shapes, and one draw per step."""

import concurrent.futures
import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_nas import LogisticSigmoidMask
from keras_nas.layers import PerChannelMask
from tests.layers.layer_checks import build_mask
from tests.layers.layer_checks import draw
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy


def _mask(**arguments):
    arguments = {"initial_logit": 0.0, "temperature": 1.0, **arguments}
    return LogisticSigmoidMask(**{"seed": 0, "name": "mask", **arguments})


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_one_factor_for_the_batch_and_all_positions(rank, data_format):
    sizes = [3, 2, 4, 5][: rank - 2]
    first = data_format == "channels_first"
    shape = (6, 7, *sizes) if first else (6, *sizes, 7)
    axis = 1 if first else rank - 1
    inputs = np.random.default_rng(0).uniform(1, 2, shape).astype("float32")
    for mask in (_mask(data_format=data_format), _mask(axis=axis - rank)):
        outputs = mask(inputs, training=True)
        assert mask.logits.shape == (7,)
        assert mask.channel_axis(rank) == axis
        factors = np.moveaxis(to_numpy(outputs) / inputs, axis, -1)
        factors = factors.reshape(-1, 7)
        np.testing.assert_allclose(
            factors, factors[:1].repeat(len(factors), 0), rtol=1e-6
        )
        np.testing.assert_allclose(
            factors[0], to_numpy(mask.sample()), rtol=1e-6
        )
        assert len(np.unique(factors[0])) == 7
        mask.logits.assign([-1, 1, -1, 1, 1, -1, 1])
        kept = np.take(to_numpy(mask(inputs)), [1, 3, 4, 6], axis)
        np.testing.assert_array_equal(kept, np.take(inputs, [1, 3, 4, 6], axis))
        assert not np.take(to_numpy(mask(inputs)), [0, 2, 5], axis).any()


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2, -3])
def test_any_axis_but_the_batch(axis):
    inputs = keras.Input((4, 5, 6))
    mask = _mask(axis=axis)
    assert mask(inputs).shape == (None, 4, 5, 6)
    assert mask.logits.shape == (inputs.shape[axis],)


def test_default_data_format_is_kept_with_the_layer(monkeypatch):
    monkeypatch.setattr(
        keras.config, "image_data_format", lambda: "channels_first"
    )
    mask = _mask()
    monkeypatch.undo()
    assert mask.channel_axis(4) == 1
    again = LogisticSigmoidMask.from_config(mask.get_config())
    assert again.channel_axis(4) == 1


def test_unknown_sizes_of_other_axes():
    mask = _mask()
    assert mask(keras.Input((None, None, 8))).shape == (None, None, None, 8)
    assert mask(np.ones((2, 3, 5, 8))).shape == (2, 3, 5, 8)


@pytest.mark.parametrize("axis", [4, -5, 0, -4])
def test_axis_that_is_no_channel_axis_is_refused(axis):
    with pytest.raises(
        ValueError,
        match="argument `axis` of mask 'mask'. Expected an axis of its rank-4 "
        "input other than the batch axis 0. Received: axis=.*Pass axis=-1",
    ):
        _mask(axis=axis)(keras.Input((4, 4, 3)))


@pytest.mark.parametrize("axis", [1.0, "last", True, (1,)])
def test_axis_of_another_type_is_refused(axis):
    with pytest.raises(
        ValueError, match="argument `axis`. Expected the integer index"
    ):
        _mask(axis=axis)


def test_input_without_channels_is_refused():
    for data_format in ("channels_last", "channels_first"):
        with pytest.raises(ValueError, match="of its rank-1 input"):
            _mask(data_format=data_format)(keras.Input(()))


def test_unknown_number_of_channels_is_refused():
    with pytest.raises(
        ValueError,
        match=r"Mask 'mask' needs a known number of channels. Received: "
        r"input_shape=\(None, 8, None\), whose axis 2 is unknown",
    ):
        _mask()(keras.Input((8, None)))


@pytest.mark.parametrize("channels", [1, 5])
def test_another_number_of_channels_is_refused(channels):
    mask = _mask()
    mask(keras.Input((8,)))
    with pytest.raises(ValueError, match="expected axis -1 .* to have value 8"):
        mask(np.ones((2, channels)))


def test_unknown_data_format_is_refused():
    with pytest.raises(ValueError, match="argument `data_format`. Expected"):
        _mask(data_format="NCHW")


def _shared_model(mask):
    """A mask that is applied at four places, one in a nested model."""
    inputs = keras.Input((64,))
    inner_inputs = keras.Input((64,))
    inner = keras.Model(inner_inputs, mask(inner_inputs))
    outputs = [mask(inputs), inner(inputs)]
    outputs.append(mask(ops.reshape(inputs, (-1, 1, 1, 64))))
    outputs.append(mask(keras.layers.Dropout(0.5, seed=0)(inputs) * 0 + 1))
    return keras.Model(inputs, [ops.reshape(x, (-1, 64)) for x in outputs])


@pytest.mark.parametrize("compiled", [False, True])
def test_one_draw_per_step_at_all_places(compiled):
    mask = _mask()
    model = _shared_model(mask)
    train = lambda: model(tf.ones((3, 64)), training=True)  # noqa: E731
    train = tf.function(train) if compiled else train
    seen = []
    for step in range(1, 4):
        outputs = [to_numpy(x) for x in train()]
        for output in outputs:
            np.testing.assert_array_equal(output, outputs[0][:1].repeat(3, 0))
        assert step_of(mask) == step
        seen.append(outputs[0][0])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (seen[i] != seen[j]).all()


def test_two_calls_of_the_model_are_two_steps():
    mask = _mask()
    model = _shared_model(mask)

    @tf.function
    def train():
        x = tf.ones((1, 64))
        return model(x, training=True)[0], model(x, training=True)[0]

    a, b = train()
    assert (to_numpy(a) != to_numpy(b)).all()
    assert step_of(mask) == 2


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_fit_takes_one_step_per_batch(steps_per_execution):
    mask = _mask()
    inputs = keras.Input((4,))
    hidden = mask(keras.layers.Dense(8)(inputs))
    outputs = keras.layers.Dense(1)(mask(hidden))
    model = keras.Model(inputs, outputs)
    assert step_of(mask) == 0
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    x, y = np.ones((12, 4)), np.ones((12, 1))
    model.fit(x, y, batch_size=2, epochs=2, validation_data=(x, y), verbose=0)
    assert step_of(mask) == 12
    model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    model(x)
    assert step_of(mask) == 12


def test_sample_outside_of_a_call_repeats_the_last_draw():
    mask = build_mask(_mask(), 32)
    seen = draw(mask)
    for _ in range(2):
        np.testing.assert_array_equal(to_numpy(mask.sample()), seen)
    assert step_of(mask) == 1
    assert (draw(mask) != seen).all()


def test_sample_leaves_the_call_of_an_outer_model_alone():
    """A stray call context would keep the losses of an earlier call."""
    mask = build_mask(_mask(), 8)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.ActivityRegularization(l2=1.0),
            mask,
        ]
    )
    mask.sample()
    for _ in range(3):
        model(np.ones((1, 8)), training=True)
        assert len(model.losses) == 1


def test_a_failed_call_does_not_disturb_the_next():
    mask = _mask()
    inputs = keras.Input((8,))
    model = keras.Model(inputs, mask(inputs))
    with pytest.raises(ValueError):
        model(np.ones((2, 9)), training=True)
    first = to_numpy(model(np.ones((2, 8)), training=True))
    second = to_numpy(model(np.ones((2, 8)), training=True))
    assert (first != second).all()


def test_padding_masks_pass_through():
    inputs = keras.Input((5,), dtype="int32")
    embedded = keras.layers.Embedding(10, 8, mask_zero=True)(inputs)
    model = keras.Model(inputs, _mask()(embedded))
    outputs = model(np.array([[1, 2, 0, 0, 0]]))
    assert to_numpy(outputs._keras_mask).tolist() == [[1, 1, 0, 0, 0]]


def test_copies_continue_the_draws():
    mask = build_mask(_mask(), 16)
    draw(mask)
    twin = copy.deepcopy(mask)
    assert step_of(twin) == 1
    assert (draw(twin) == draw(mask)).all()


def test_only_the_thread_that_holds_a_mask_stays_in_its_step():
    mask, half = build_mask(_mask(), 16), np.full(16, 0.5, "float32")
    draw(mask)
    with concurrent.futures.ThreadPoolExecutor() as threads, mask.held(half):
        np.testing.assert_array_equal(draw(mask), half)
        assert step_of(mask) == 1
        other = threads.submit(draw, mask).result()
        assert step_of(mask) == 2
        assert (other != half).all()
        np.testing.assert_array_equal(mask.uniform(), half)
    assert (to_numpy(mask.uniform()) != half).all()


@keras.saving.register_keras_serializable(package="keras_nas_tests")
class _CoinMask(PerChannelMask):
    """The smallest subclass: a fair coin per channel."""

    def build(self, input_shape):
        self.channels = self.num_channels(input_shape)
        super().build(input_shape)

    def sample(self):
        uniform = keras.random.uniform(
            (self.channels,), seed=self.seed_generator
        )
        return ops.cast(uniform > 0.5, "float32")

    def probabilities(self):
        return 0.5 * ops.ones(self.channels)

    def inference_scale(self):
        return ops.ones(self.channels)


def test_a_subclass_needs_four_methods(tmp_path):
    mask = _CoinMask(seed=1, name="coin")
    inputs = keras.Input((4, 500))
    model = keras.Model(inputs, [mask(inputs), mask(inputs * 2.0)])
    x = np.ones((2, 4, 500), "float32")
    a, b = (to_numpy(y) for y in model(x, training=True))
    np.testing.assert_array_equal(2 * a, b)
    assert set(np.unique(a)) == {0.0, 1.0}
    assert abs(a.mean() - 0.5) < 0.1
    np.testing.assert_array_equal(to_numpy(model(x)[0]), x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        to_numpy(loaded(x, training=True)[0]),
        to_numpy(model(x, training=True)[0]),
    )
