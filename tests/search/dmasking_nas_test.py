"""DMaskingNAS on problems whose answer is known, and what moves when."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import deciders

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def problem(number=500, seed=0):
    """Images whose label is the sign of the corner pixel beside the first."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(number, 6, 6, 1)).astype("float32")
    return x, (x.mean((1, 2, 3)) > 0).astype("int32")


def network(temperature=1.0):
    """A masked convolution, a choice beside a shortcut, a classifier."""
    inputs = x = keras.Input((6, 6, 1))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.5)(x)
    settings = {"temperature": temperature, "seed": 0}
    x = keras_nas.ChannelMask([2, 4, 8], name="width", **settings)(x)
    x = layers.ReLU()(x)
    candidates = [
        layers.Conv2D(8, k, padding="same", use_bias=False)(x) for k in (1, 3)
    ]
    choice = keras_nas.BlockChoice(
        ["skip", "k1", "k3"], zero="skip", name="block", **settings
    )
    x = layers.Add()([x, choice(candidates)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x), name="network")


def new_search(regularizer=None, model=None, learning_rate=0.05, **kwargs):
    keras.utils.set_random_seed(0)
    search = keras_nas.search.DMaskingNAS(
        model or network(),
        regularizer or keras_nas.ExpectedFLOPs(target=0.5),
        **kwargs,
    )
    search.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        LOSS,
        metrics=["accuracy"],
        mask_optimizer=keras.optimizers.Adam(learning_rate),
    )
    return search


def values(search):
    """Returns the trained variables: those of the masks, and the others."""
    masks = {id(m.logits) for m in deciders(flow_of(search.model))}
    found = {True: [], False: []}
    for variable in search.model.trainable_variables:
        found[id(variable) in masks].append(variable.numpy())
    return found


def largest_move(a, b):
    return max(np.abs(x - y).max() for x, y in zip(a, b, strict=True))


def test_weights_alone_are_trained_in_the_warm_up():
    search = new_search(keras_nas.ExpectedFLOPs(0.0), warmup_epochs=2)
    before = values(search)
    history = search.fit(*problem(), epochs=2, verbose=0).history
    after = values(search)
    assert largest_move(before[True], after[True]) == 0
    assert largest_move(before[False], after[False]) > 0
    assert "architecture_loss" not in history


def test_each_phase_trains_its_own_variables_on_its_own_data(monkeypatch):
    search = new_search(keras_nas.ExpectedFLOPs(0.0))
    x, y = problem(100)
    x[:, 0, 0, 0] = np.arange(100)
    states, seen = [], []
    view = search._phase.view
    fit = view.fit

    def watched(x, **kwargs):
        states.append(values(search))
        seen.extend(x[:, 0, 0, 0].tolist())
        history = fit(x, **kwargs)
        states.append(values(search))
        return history

    monkeypatch.setattr(view, "fit", watched)
    start = values(search)
    search.fit(x, y, epochs=1, verbose=0)
    first, second = states
    assert largest_move(start[True], first[True]) == 0
    assert largest_move(start[False], first[False]) > 0
    assert largest_move(first[True], second[True]) > 0
    assert largest_move(first[False], second[False]) == 0
    assert seen == list(range(80, 100))  # A fifth, the last.


def test_both_phases_use_the_statistics_of_the_batch():
    """Moving averages follow the inputs, which only one phase shifts."""
    for shift in (0, 1):
        search = new_search(keras_nas.ExpectedFLOPs(0.0))
        x, y = problem(64)
        data = [(x + 50.0 * (shift == i), y) for i in range(2)]
        search.fit(*data[0], architecture_data=data[1], epochs=1, verbose=0)
        (norm,) = [
            layer
            for layer in search.model.layers
            if isinstance(layer, layers.BatchNormalization)
        ]
        assert np.abs(norm.moving_mean.numpy()).max() > 1.0


def test_temperature_falls_after_each_epoch():
    search = new_search(temperature_decay=0.5)
    history = search.fit(*problem(100), epochs=3, verbose=0).history
    np.testing.assert_allclose(history["temperature"], [0.5, 0.25, 0.125])
    for mask in deciders(flow_of(search.model)):
        np.testing.assert_allclose(mask.temperature.numpy(), 0.125)


def test_the_papers_decay():
    search = new_search()
    assert search.temperature_decay == pytest.approx(np.exp(-0.045))


@pytest.mark.parametrize("target", [0.2, 0.5, 0.8])
def test_the_target_is_met_by_the_sliced_network(target):
    search = new_search(keras_nas.ExpectedFLOPs(target=target))
    search.fit(*problem(100), epochs=2, verbose=0)
    macs = keras_nas.count_cost(search.export_model()).macs
    assert macs <= target * search.full_cost
    assert macs == search.decided_cost()
    sliced = keras_nas.slice_model(search.model, search.architecture())
    assert keras_nas.count_cost(sliced).macs == macs


def test_parameters_as_the_cost():
    search = new_search(keras_nas.ExpectedParams(target=0.4))
    search.fit(*problem(100), epochs=1, verbose=0)
    params = keras_nas.count_cost(search.export_model()).params
    assert params <= 0.4 * search.full_cost


def test_strength_adds_the_cost_to_the_loss_of_the_masks_alone():
    cost, strength = keras_nas.ExpectedFLOPs(1.0), 1e-4
    x, y = problem(32)
    search = new_search(keras_nas.ExpectedFLOPs(strength=strength))
    predictions = search(x, training=True)
    task = float(LOSS(y, predictions))
    of_weights = search.compute_loss(x, y, predictions, training=True)
    assert float(of_weights) == pytest.approx(task, rel=1e-5)
    view = search._phase.view
    of_masks = float(view.compute_loss(x, y, predictions, training=True))
    expected = task + strength * float(cost(search.model))
    assert of_masks == pytest.approx(expected, rel=1e-5)


def test_history():
    search = new_search(warmup_epochs=1)
    history = search.fit(*problem(100), epochs=3, verbose=0).history
    for key in ("expected_cost", "decided_cost", "strength", "uncertainty"):
        assert len(history[key]) == 3
    assert len(history["architecture_loss"]) == 2
    assert history["uncertainty"][0] == pytest.approx(1.0)
    assert history["uncertainty"][2] < 1.0


def test_uncertainty_is_the_mean_entropy():
    search = new_search()
    width, block = deciders(flow_of(search.model))
    width.logits.assign([0.0, 0.0, -1e9])
    block.logits.assign([0.0, 0.0, 0.0])
    expected = (np.log(2) / np.log(3) + 1.0) / 2
    assert search.uncertainty() == pytest.approx(expected)


def test_the_candidate_that_sees_what_matters_is_chosen():
    """Labels depend on a feature that only one candidate passes on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2)).astype("float32")
    y = (x[:, 1] > 0).astype("int32")
    inputs = keras.Input((2,))
    candidates = []
    for weights in ([[1.0], [0.0]], [[0.0], [1.0]], [[0.7], [0.0]]):
        layer = layers.Dense(1, use_bias=False, trainable=False)
        candidates.append(layer(inputs))
        layer.set_weights([np.array(weights)])
    options = ["first", "second", "weak"]
    choice = keras_nas.BlockChoice(options, seed=0, temperature=1.0)
    outputs = layers.Dense(2)(choice(candidates))
    model = keras.Model(inputs, outputs)
    search = new_search(
        keras_nas.ExpectedFLOPs(0.0), model, temperature_decay=0.8
    )
    search.fit(x, y, epochs=8, verbose=0)
    assert search.architecture().decisions == {choice.name: "second"}


def test_datasets():
    x, y = problem(128)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    search = new_search()
    with pytest.raises(ValueError, match="argument `architecture_data`"):
        search.fit(data, epochs=1, verbose=0)
    history = search.fit(
        data.take(3), architecture_data=data.skip(3), epochs=2, verbose=0
    ).history
    assert len(history["architecture_loss"]) == 2
    # The budget falls over the steps of the masks: one an epoch.
    assert float(search.controller.ramp_steps) == pytest.approx(0.6 * 2)


def test_weights_of_a_search_can_be_saved_and_loaded(tmp_path):
    search = new_search()
    search.fit(*problem(100), epochs=1, verbose=0)
    path = str(tmp_path / "search.weights.h5")
    search.save_weights(path)
    other = new_search()
    x, _ = problem(8, seed=1)
    other(x)  # Builds it.
    other.load_weights(path)
    assert other.architecture() == search.architecture()
    np.testing.assert_allclose(other.predict(x), search.predict(x), atol=1e-6)


def test_inserted_masks_can_be_searched():
    mask = functools.partial(keras_nas.ChannelMask, 4)
    model = keras_nas.spaces.residual_network((6, 6, 1), 2, (4, 8))
    search = new_search(model=keras_nas.insert_masks(model, mask, seed=0))
    search.fit(*problem(64), epochs=1, verbose=0)
    assert search.decided_cost() <= 0.5 * search.full_cost


def test_errors_are_clear():
    figs = keras.Sequential([keras.Input((4,)), keras_nas.FiGSMask(name="m")])
    with pytest.raises(ValueError, match=r"on each channel.*\['m'\].*FiGS"):
        keras_nas.search.DMaskingNAS(figs)
    with pytest.raises(ValueError, match=r"of other kinds: \['width', 'block"):
        keras_nas.search.FiGS(network())
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="has no mask layers"):
        keras_nas.search.DMaskingNAS(plain)
    for name, value in (
        ("warmup_epochs", -1),
        ("warmup_epochs", 1.5),
        ("temperature_decay", 0.0),
        ("temperature_decay", 1.5),
        ("ramp", 2.0),
    ):
        with pytest.raises(ValueError, match=f"argument `{name}`"):
            keras_nas.search.DMaskingNAS(network(), **{name: value})
    with pytest.raises(ValueError, match="out of reach"):
        new_search(keras_nas.ExpectedFLOPs(target=2))
