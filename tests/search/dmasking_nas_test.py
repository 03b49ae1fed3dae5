"""DMaskingNAS: who is trained on what and when, and problems with answers."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from keras_nas import BlockChoice
from keras_nas import ChannelMask
from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import ResolutionSubsample
from tests.common import deciders_of
from tests.common import head
from tests.common import masks_of
from tests.search.figs_test import gated_inputs as figs_model
from tests.search.figs_test import separable_problem

FEATURES = 8


def channels(temperature=1.0, **kwargs):
    return ChannelMask(
        [2, 4, 6, FEATURES],
        temperature=temperature,
        seed=0,
        name="mask",
        **kwargs,
    )


def small_model(**kwargs):
    """10 multiply-adds for each channel."""
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(FEATURES, name="first"),
            layers.BatchNormalization(momentum=0.0, name="norm"),
            channels(**kwargs),
            layers.ReLU(),
            layers.Dense(2, name="last"),
        ]
    )


def data(examples=80, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, FEATURES)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def new_search(model=None, cost=None, weights=0.1, masks=0.1, **kwargs):
    """Returns a search with the learning rates of weights and of masks."""
    search = keras_nas.search.DMaskingNAS(
        small_model() if model is None else model,
        cost or ExpectedFLOPs(target=0.5),
        **kwargs,
    )
    search.compile(
        keras.optimizers.SGD(weights),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        mask_optimizer=keras.optimizers.Adam(masks),
    )
    return search


def fit(search, *args, **kwargs):
    args = args or data()
    return search.fit(*args, **{"epochs": 2, "verbose": 0, **kwargs}).history


def values(search):
    """Returns copies of the logits, and of all other trained variables."""
    logits = {id(mask.logits) for mask in deciders_of(search.model)}
    variables = search.model.trainable_variables
    return (
        [v.numpy() for v in variables if id(v) in logits],
        [v.numpy() for v in variables if id(v) not in logits],
    )


def moves(before, after):
    """Whether each array differs."""
    return [np.any(a != b) for a, b in zip(before, after, strict=True)]


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(0)


# Phases.


def test_the_architecture_phase_moves_no_weight():
    """With a learning rate of 0, what moves weights is the other phase."""
    search = new_search(weights=0.0)
    logits, weights = values(search)
    fit(search)
    new_logits, new_weights = values(search)
    assert all(moves(logits, new_logits))
    assert not any(moves(weights, new_weights))


def test_the_weights_phase_moves_no_logits():
    search = new_search(cost=ExpectedFLOPs(1e-3), masks=0.0)
    logits, weights = values(search)
    fit(search)
    new_logits, new_weights = values(search)
    assert not any(moves(logits, new_logits))
    assert all(moves(weights, new_weights))


def test_the_warm_up_trains_weights_alone():
    search = new_search(cost=ExpectedFLOPs(1e-3), warmup_epochs=2)
    logits, weights = values(search)
    history = fit(search, epochs=2)
    new_logits, new_weights = values(search)
    assert not any(moves(logits, new_logits))
    assert all(moves(weights, new_weights))
    assert "architecture_loss" not in history


def test_masks_are_trained_after_the_warm_up():
    search = new_search(cost=ExpectedFLOPs(1e-3), warmup_epochs=1)
    logits, _ = values(search)
    fit(search, epochs=2)
    assert all(moves(logits, values(search)[0]))


def test_weights_do_not_pay():
    """Their loss is that of the task; a penalty this large would show."""
    search = new_search(cost=ExpectedFLOPs(1e6), warmup_epochs=1)
    assert fit(search, epochs=1)["loss"][0] < 100.0


@pytest.mark.parametrize("warmup", [0, 1], ids=["architecture", "weights"])
def test_normalization_sees_the_batch_in_both_phases(warmup):
    """Without momentum, moving means are those of the last batch."""
    search = new_search(weights=0.0, warmup_epochs=warmup)
    x, y = data(64)
    other = (x[:32] + 3.0, y[:32])
    fit(search, x, y, batch_size=64, epochs=1, architecture_data=other)
    last = x if warmup else other[0]
    first, norm = (search.model.get_layer(n) for n in ("first", "norm"))
    expected = np.array(first(last)).mean(0)
    moving = norm.moving_mean.numpy()
    np.testing.assert_allclose(moving, expected, rtol=1e-4, atol=1e-5)
    assert all(layer.trainable for layer in search.model.layers)


def test_temperature_falls_after_each_epoch():
    search = new_search(small_model(temperature=3.0), temperature_decay=0.9)
    history = fit(search, epochs=3)
    expected = 3.0 * 0.9 ** np.arange(1, 4)
    np.testing.assert_allclose(history["temperature"], expected, rtol=1e-5)
    (mask,) = masks_of(search.model)
    np.testing.assert_allclose(float(mask.temperature), expected[-1], 1e-5)


def test_temperature_falls_in_the_warm_up_as_the_paper_has_it():
    search = new_search(warmup_epochs=2)
    temperatures = fit(search, epochs=2)["temperature"]
    np.testing.assert_allclose(temperatures, np.exp([-0.045, -0.09]), rtol=1e-5)


# Data.


class Recorder(keras.layers.Layer):
    """Notes the first features of what it is given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, inputs):
        self.seen.append(np.array(inputs)[:, 0].tolist())
        return inputs * 1.0

    def compute_output_shape(self, input_shape):
        return input_shape


def recording():
    recorder = Recorder()
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            recorder,
            layers.Dense(FEATURES),
            channels(),
            layers.Dense(2),
        ]
    )
    search = keras_nas.search.DMaskingNAS(model, ExpectedFLOPs(1e-3))
    search.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        mask_optimizer="adam",
        run_eagerly=True,
    )
    recorder.seen.clear()
    return search, recorder.seen


def test_a_fifth_of_the_arrays_is_for_the_masks():
    search, seen = recording()
    x, y = data(50)
    x[:, 0] = np.arange(50)
    search.fit(x, y, batch_size=20, epochs=1, verbose=0)
    first, second = seen[0] + seen[1], seen[2]
    assert len(seen) == 3  # 40 in steps of 20, then 10.
    assert sorted(first) == list(range(40))
    assert sorted(second) == list(range(40, 50))


def test_data_of_the_masks_may_be_given():
    search, seen = recording()
    x, y = data(30)
    x[:, 0] = np.arange(30)
    more = x[:10] + 100.0, y[:10]
    search.fit(x, y, batch_size=30, epochs=1, verbose=0, architecture_data=more)
    assert [sorted(batch) for batch in seen] == [
        list(range(30)),
        list(range(100, 110)),
    ]


def test_datasets():
    import tensorflow as tf

    search, seen = recording()
    x, y = data(30)
    x[:, 0] = np.arange(30)
    parts = [
        tf.data.Dataset.from_tensor_slices((x[a:b], y[a:b])).batch(10)
        for a, b in ((0, 20), (20, 30))
    ]
    search.fit(parts[0], epochs=1, verbose=0, architecture_data=parts[1])
    assert [batch[0] for batch in seen] == [0.0, 10.0, 20.0]


def test_a_dataset_is_not_split():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(data()).batch(10)
    with pytest.raises(ValueError, match="`architecture_data`.*a fifth"):
        fit(new_search(), dataset)


def test_structures_of_arrays_are_split_alike():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    x = channels()(layers.Dense(FEATURES)(layers.Concatenate()([a, b])))
    model = keras.Model({"a": a, "b": b}, layers.Dense(2)(x))
    search = new_search(model)
    x, y = data(40)
    fit(search, {"a": x[:, :3], "b": x[:, 3:5]}, y)


# The target, and the strength.


@pytest.mark.parametrize("target", [0.3, 0.5, 0.77, 1.0, 45])
def test_the_sliced_network_meets_the_target(target):
    """And no wider one does whose logit is larger."""
    search = new_search(cost=ExpectedFLOPs(target=target))
    fit(search)
    macs = keras_nas.count_cost(search.export_model()).macs
    budget = target if target > 1 else target * 10 * FEATURES
    assert macs == search.decided_cost() <= budget
    assert search.architecture().decisions == {"mask": macs // 10}
    (mask,) = masks_of(search.model)
    chosen = mask.options.index(macs // 10)
    for option, logit in zip(
        mask.options[chosen:], mask.logits.numpy()[chosen:], strict=True
    ):
        assert 10 * option > budget or logit <= mask.logits.numpy()[chosen]


def test_a_target_of_parameters():
    search = new_search(cost=ExpectedParams(target=0.5))
    fit(search)
    params = keras_nas.count_cost(search.export_model()).params
    width = search.architecture().decisions["mask"]
    assert params == (8 + 1 + 2 + 2) * width + 2
    assert params <= 0.5 * (13 * 8 + 2)


def test_the_masks_loss_is_the_tasks_plus_the_penalty():
    strength = 1e-2
    search = new_search(
        cost=ExpectedFLOPs(strength),
        weights=0.0,
        masks=0.0,
        temperature_decay=1.0,
    )
    x, y = data(40)
    history = fit(search, x, y, epochs=1, architecture_data=(x[:16], y[:16]))
    # The step's draws are still there, and so is the normalization's batch.
    (mask,) = masks_of(search.model)
    g = np.array(mask.weights_of_options())
    first, norm, _, relu, last = search.model.layers
    hidden = norm(first(x[:16]), training=True)
    outputs = np.array(last(relu(hidden * mask.sample())), "float64")
    p = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    task = -np.log(p[np.arange(16), y[:16]]).mean()
    cost = 10 * (g @ [2, 4, 6, 8])
    expected = task + strength * cost
    np.testing.assert_allclose(
        history["architecture_loss"][0], expected, rtol=1e-4
    )


def test_a_strength_narrows_and_does_not_adjust():
    search = new_search(cost=ExpectedFLOPs(1.0), masks=0.3)
    fit(search, epochs=10)
    assert search.architecture().decisions["mask"] == 2
    assert search.decided_cost() == 20


def test_history():
    history = fit(new_search(warmup_epochs=1), epochs=3)
    for key in (
        "loss",
        "accuracy",
        "expected_cost",
        "decided_cost",
        "temperature",
        "uncertainty",
        "strength",
    ):
        assert len(history[key]) == 3, key
    assert len(history["architecture_loss"]) == 2
    assert 0 < history["expected_cost"][0] <= 1


def test_uncertainty_is_the_mean_entropy():
    search = new_search()
    (mask,) = masks_of(search.model)
    assert abs(search.uncertainty() - 1.0) < 1e-6
    mask.logits.assign([0.0, 0.0, -1e4, -1e4])
    np.testing.assert_allclose(search.uncertainty(), 0.5, rtol=1e-5)
    mask.logits.assign([0.0, 1e4, 0.0, 0.0])
    assert search.uncertainty() < 1e-6


# Problems with known answers.


def half_blind(seed=0):
    """Two candidates, each of which sees one half of the features."""
    inputs = keras.Input((FEATURES,))
    halves = [
        layers.Dense(
            4,
            use_bias=False,
            trainable=False,
            kernel_initializer=keras.initializers.Constant(kernel),
        )(inputs)
        for kernel in np.split(np.eye(FEATURES), 2, axis=1)
    ]
    choice = BlockChoice(
        ["first", "second"], temperature=1.0, seed=seed, name="half"
    )
    return keras.Model(inputs, layers.Dense(2)(choice(halves)))


@pytest.mark.parametrize("useful", ["first", "second"])
def test_the_candidate_that_sees_what_matters_is_chosen(useful):
    x, _ = data(400)
    half = x[:, :4] if useful == "first" else x[:, 4:]
    y = (half.sum(1) > 0).astype("int32")
    search = new_search(half_blind(), ExpectedFLOPs(0.0), weights=0.3)
    fit(search, x, y, epochs=12)
    assert search.architecture().decisions == {"half": useful}


def test_as_many_channels_as_matter_are_kept():
    """The labels depend on the first 4 features; more are worth nothing."""
    x, y = separable_problem(np.random.default_rng(0))
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(
                16,
                use_bias=False,
                kernel_initializer="identity",
                trainable=False,
            ),
            ChannelMask([1, 2, 4, 8, 16], temperature=1.0, seed=0, name="m"),
            layers.Dense(2),
        ]
    )
    search = new_search(model, ExpectedFLOPs(3e-4), weights=0.3)
    fit(search, x, y, epochs=20)
    assert search.architecture().decisions == {"m": 4}


def test_a_resolution_that_loses_nothing_is_chosen():
    """Images of one colour each: small ones say as much."""
    rng = np.random.default_rng(0)
    colours = rng.normal(size=(200, 1, 1, 3)).astype("float32")
    x = np.tile(colours, (1, 6, 6, 1))
    y = (colours[:, 0, 0, 0] > 0).astype("int32")
    inside = keras.Input((None, None, 3))
    part = keras.Model(inside, head(layers.Conv2D(4, 1)(inside), 2))
    inputs = keras.Input((6, 6, 3))
    wrap = ResolutionSubsample(
        [3, 6], part, temperature=1.0, seed=0, name="resolution"
    )
    search = new_search(
        keras.Model(inputs, wrap(inputs)), ExpectedFLOPs(1e-3), weights=0.3
    )
    fit(search, x, y, epochs=6)
    assert search.architecture().decisions == {"resolution": 3}
    assert search.export_model().input_shape == (None, 3, 3, 3)


def test_no_warning_in_a_healthy_search():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(new_search(masks=0.2), epochs=5)


def test_export_computes_what_the_search_predicts():
    search = new_search()
    fit(search)
    x, _ = data()
    np.testing.assert_allclose(
        search.predict(x, verbose=0),
        search.export_model().predict(x, verbose=0),
        atol=1e-5,
    )


def test_weights_of_a_search_can_be_saved_and_loaded(tmp_path):
    search = new_search()
    fit(search)
    path = str(tmp_path / "search.weights.h5")
    search.save_weights(path)
    other = new_search()
    fit(other, *data(20, seed=1), epochs=1)
    other.load_weights(path)
    assert len(search.variables) == len(other.variables)
    for a, b in zip(search.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    decisions = other.architecture().decisions
    assert decisions == search.architecture().decisions


def test_compiled_and_eager_steps_agree():
    results = []
    for eager in (False, True):
        keras.utils.set_random_seed(0)
        search = new_search()
        search.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            mask_optimizer=keras.optimizers.Adam(0.1),
            run_eagerly=eager,
        )
        fit(search, epochs=2, shuffle=False)
        results.append(values(search))
    for compiled, eager in zip(*results, strict=True):
        for a, b in zip(compiled, eager, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


# Errors.


def test_masks_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="DMaskingNAS.*'mask'. of FiGS"):
        keras_nas.search.DMaskingNAS(figs_model())
    with pytest.raises(ValueError, match="FiGS.*'mask'. of DMaskingNAS"):
        keras_nas.search.FiGS(small_model())
    with pytest.raises(ValueError, match="FiGS.*'half'"):
        keras_nas.search.FiGS(half_blind(), ExpectedFLOPs(0.0))


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"warmup_epochs": -1}, "argument `warmup_epochs`"),
        ({"warmup_epochs": 1.5}, "argument `warmup_epochs`"),
        ({"temperature_decay": 0.0}, "argument `temperature_decay`"),
        ({"temperature_decay": 1.1}, "argument `temperature_decay`"),
        ({"ramp": -0.1}, "argument `ramp`"),
        ({"regularizer": ExpectedFLOPs(target=19)}, "between 20"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        keras_nas.search.DMaskingNAS(small_model(), **arguments)


def test_a_model_without_masks_is_refused():
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="has no mask layers"):
        keras_nas.search.DMaskingNAS(plain)
