"""AtomNAS on problems whose answer is known, and what shrinking keeps."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from keras_nas import AtomicBlockScale
from keras_nas import ExpectedFLOPs
from keras_nas import count_cost
from keras_nas.graph import flow_of
from keras_nas.search.shrinkage import ArrayBatches
from tests.common import assert_plain
from tests.common import assert_same_function

USEFUL = 4  # The labels depend on this many of the features.


def problem(features=16):
    """Inputs of which only the first few decide the labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, features)).astype("float32")
    return x, (x[:, :USEFUL].sum(1) > 0).astype("int32")


def gated_inputs(**kwargs):
    """Factors on a fixed copy of the inputs: which are worth it?"""
    copy = layers.Dense(
        16, use_bias=False, kernel_initializer="identity", trainable=False
    )
    factors = AtomicBlockScale(
        **{"threshold": 0.01, "momentum": 0.9, "name": "factors", **kwargs}
    )
    return keras.Sequential(
        [keras.Input((16,)), copy, factors, layers.Dense(2)]
    )


def mobile(seed=0):
    """A residual block of two kernel sizes behind a stem, with factors."""
    keras.utils.set_random_seed(seed)
    conv = {"type": "conv", "kernel": 3, "stride": 1, "act": "relu"}
    block = {"type": "mbconv", "cin": 8, "cout": 8, "stride": 1, "act": "relu"}
    block |= {"kernels": [3, 5], "mid": [8, 8], "residual": "add"}
    blocks = [{**conv, "cin": 3, "cout": 8}, block, {**block}]
    network = keras_nas.spaces.build_from_blocks(blocks, (8, 8, 3), 4)
    return keras_nas.insert_masks(network, AtomicBlockScale, skip="block0_conv")


def images(number=32):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(number, 8, 8, 3)).astype("float32")
    return x, rng.integers(0, 4, number)


def compiled(search, optimizer=None, mask_optimizer=None, **kwargs):
    search.compile(
        optimizer or keras.optimizers.RMSprop(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        mask_optimizer=mask_optimizer,
        **kwargs,
    )
    return search


def adam(rate):
    return keras.optimizers.Adam(rate)


# What it finds.


def test_search_keeps_the_features_that_matter():
    keras.utils.set_random_seed(0)
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(), ExpectedFLOPs(target=USEFUL / 16), ramp=0.5
    )
    compiled(search, adam(0.01), adam(0.05)).fit(x, y, epochs=20, verbose=0)
    assert search.architecture().decisions["factors"] == list(range(USEFUL))


def test_a_strength_finds_them_too():
    keras.utils.set_random_seed(0)
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(), ExpectedFLOPs(strength=0.02), ramp=0.2
    )
    compiled(search, adam(0.01), adam(0.02)).fit(x, y, epochs=30, verbose=0)
    assert search.architecture().decisions["factors"] == list(range(USEFUL))


@pytest.mark.parametrize("target", [0.3, 250])
def test_target_is_met(target):
    keras.utils.set_random_seed(0)
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(), ExpectedFLOPs(target=target), ramp=0.5
    )
    compiled(search, adam(0.01), adam(0.01)).fit(x, y, epochs=2, verbose=0)
    macs = count_cost(search.export_model()).macs
    assert macs <= (target if target > 1 else target * 16 * 18)
    assert macs == search.decided_cost()


# What shrinking keeps.


def killed(search, whole=()):
    """Sets half of the factors, and their averages, to 0.

    Those of masks whose names begin with one of `whole` are all set to 0.
    """
    rng = np.random.default_rng(0)
    for mask in flow_of(search.model).masks:
        alive = rng.random(mask.factor.shape) < 0.5
        alive &= not mask.name.startswith(tuple(whole))
        mask.factor.assign(mask.factor * alive)
        mask.moving_average.assign(mask.moving_average * alive)
    return search


def test_next_loss_is_the_same_and_slots_are_slices(eagerly):
    search = compiled(
        keras_nas.search.AtomNAS(mobile(), ExpectedFLOPs(strength=0.0))
    )
    x, y = images()
    search.fit(x, y, epochs=2, batch_size=16, verbose=0)
    killed(search)
    before = float(search.compute_loss(x, y, search(x, training=True)))
    old = {
        v.path.split("/", 1)[1]: v.numpy() for v in search.optimizer.variables
    }
    alive = search.architecture().decisions
    search.end_epoch(is_last=True)
    assert count_cost(search.model).macs < count_cost(mobile()).macs
    after = float(search.compute_loss(x, y, search(x, training=True)))
    assert after == pytest.approx(before, abs=1e-5)
    assert search.architecture().decisions == alive
    kept = alive["block1_expand5_mask"]
    for name, axis in (
        ("block1_expand5_kernel", 3),
        ("block1_depthwise5_kernel", 2),
        ("block1_depthwise5_bn_gamma", 0),
    ):
        slots = [
            v
            for v in search.optimizer.variables
            if v.path.split("/", 1)[1].startswith(name)
        ]
        assert len(slots) == 2  # Velocity and momentum.
        for slot in slots:
            expected = np.take(old[slot.path.split("/", 1)[1]], kept, axis)
            np.testing.assert_array_equal(slot.numpy(), expected)
    assert int(search.optimizer.iterations) == 4


def test_a_block_that_dies_altogether_changes_no_loss(eagerly):
    search = compiled(
        keras_nas.search.AtomNAS(mobile(), ExpectedFLOPs(strength=0.0))
    )
    x, y = images()
    search.fit(x, y, epochs=2, batch_size=16, verbose=0)
    killed(search, whole=["block1"])
    before = float(search.compute_loss(x, y, search(x, training=True)))
    search.end_epoch(is_last=True)
    after = float(search.compute_loss(x, y, search(x, training=True)))
    assert after == pytest.approx(before, abs=1e-5)
    names = [layer.name for layer in search.model.layers]
    assert not any(name.startswith("block1_expand") for name in names)
    assert_same_function(search.model, search.export_model())


def test_an_unshrunk_run_with_dead_factors_at_zero_goes_the_same_way(eagerly):
    x, y = images()

    def run(shrinks):
        search = compiled(
            keras_nas.search.AtomNAS(
                mobile(), ExpectedFLOPs(strength=0.0), recalibration_steps=0
            )
        )
        search.fit(x, y, epochs=1, batch_size=16, shuffle=False, verbose=0)
        killed(search)
        dead = [
            (mask, mask.factor.numpy() != 0)
            for mask in flow_of(search.model).masks
        ]
        if shrinks:
            search.end_epoch(is_last=True)
        losses = []
        for i in range(6):
            batch = slice(16 * (i % 2), 16 * (i % 2) + 16)
            losses.append(search.train_on_batch(x[batch], y[batch])[0])
            if not shrinks:
                for mask, alive in dead:
                    mask.factor.assign(mask.factor * alive)
        return losses

    np.testing.assert_allclose(run(True), run(False), rtol=0, atol=1e-5)


def test_shrinking_in_fit_goes_on_and_logs():
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(), ExpectedFLOPs(target=0.5), ramp=0.25
    )
    compiled(search, adam(0.01), adam(0.02))
    history = search.fit(
        x, y, epochs=4, validation_data=(x, y), verbose=0
    ).history
    assert history["trained_cost"][0] == 1.0
    assert history["trained_cost"][1:] == [history["decided_cost"][0]] * 3
    assert history["decided_cost"][-1] <= 0.5
    assert history["atoms_alive"][-1] == 0.5
    assert history["strength"][-1] == 0.0
    assert search.model.count_params() < gated_inputs().count_params()
    assert int(search.optimizer.iterations) == 4 * 16
    assert search.trainable_variables == search.model.trainable_variables


def test_exported_network_is_what_was_validated():
    search = compiled(
        keras_nas.search.AtomNAS(mobile(), ExpectedFLOPs(target=0.6), ramp=0.5)
    )
    x, y = images()
    history = search.fit(
        x, y, epochs=4, batch_size=16, validation_data=(x, y), verbose=0
    ).history
    small, report = search.export_model(return_report=True)
    assert_plain(small)
    assert_same_function(search.model, small)
    small.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    accuracy = small.evaluate(x, y, verbose=0)[1]
    assert accuracy == history["val_accuracy"][-1]
    totals = {name: total for name, _, _, total in report.layers}
    assert totals["block1_expand3"] == 8
    kept = {name: kept for name, _, kept, _ in report.layers}
    decisions = search.architecture().decisions
    assert kept.get("block1_expand5", 0) == len(
        decisions["block1_expand5_mask"]
    )
    # The architecture is one of the full model.
    again = keras_nas.slice_model(mobile(), search.architecture())
    assert count_cost(again).macs == count_cost(small).macs
    assert [w.shape for w in again.weights] == [w.shape for w in small.weights]


def test_structure_comes_back(eagerly):
    x, y = images()

    def search():
        return compiled(
            keras_nas.search.AtomNAS(
                mobile(), ExpectedFLOPs(target=0.6), ramp=0.5
            )
        )

    first = search()
    first.fit(x, y, epochs=2, batch_size=16, verbose=0)
    second = search()
    second.restore_structure(first.structure())
    assert second.trained_cost == first.trained_cost
    shapes = [[v.shape for v in s.variables] for s in (first, second)]
    assert shapes[0] == shapes[1]
    shapes = [[v.shape for v in s.optimizer.variables] for s in (first, second)]
    assert shapes[0] == shapes[1]
    for old, new in zip(first.variables, second.variables, strict=True):
        new.assign(old)
    assert second.architecture().decisions == first.architecture().decisions
    assert_same_function(first.model, second.model)


# The penalty, against its formula.


@functools.cache
def penalized():
    """A network whose factors each test sets."""
    return mobile()


def penalty_of(search):
    search.controller.begin(1)
    search.controller.step.assign(1.0)
    return float(search.penalty(training=False))


@pytest.mark.parametrize("cost_aware", [True, False])
@pytest.mark.parametrize("normalization", ["mean", "sum"])
def test_penalty_is_that_of_equation_5(normalization, cost_aware):
    search = keras_nas.search.AtomNAS(
        penalized(),
        ExpectedFLOPs(strength=0.3),
        normalization=normalization,
        cost_aware=cost_aware,
    )
    rng = np.random.default_rng(0)
    costs, factors = [], []
    for mask in flow_of(search.model).masks:
        factor = rng.normal(size=8).astype("float32")
        mask.factor.assign(factor)
        kernel = 5 if "expand5" in mask.name else 3
        cost = 64 * (8 + kernel**2 + 8)
        costs.extend([cost if cost_aware else 1.0] * 8)
        factors.extend(factor)
    share = np.array(costs) / np.sum(costs)
    if normalization == "mean":
        share *= len(costs)
    expected = 0.3 * np.sum(share * np.abs(factors))
    assert penalty_of(search) == pytest.approx(expected, rel=1e-5)


def test_strength_rises_in_a_line():
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(), ExpectedFLOPs(strength=0.02), ramp=0.5
    )
    compiled(search, adam(0.001))
    history = search.fit(x, y, epochs=4, verbose=0).history
    np.testing.assert_allclose(history["strength"], [0.01, 0.02, 0.02, 0.02])


# Warnings and errors.


def test_a_network_does_not_vanish():
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(threshold=0.5), ExpectedFLOPs(strength=100.0), ramp=0.0
    )
    compiled(search, adam(0.01), adam(0.1))
    with pytest.warns(UserWarning, match="collapsed"):
        search.fit(x, y, epochs=4, verbose=0)


def test_other_masks_are_refused():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8),
            keras_nas.FiGSMask(name="mask"),
            layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match="AtomNAS only.*'mask'. of FiGS"):
        keras_nas.search.AtomNAS(model)
    with pytest.raises(ValueError, match="FiGS only.*'factors'. of AtomNAS"):
        keras_nas.search.FiGS(gated_inputs())


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"ramp": 1.5}, "argument `ramp`"),
        ({"normalization": "max"}, "argument `normalization`.*'max'"),
        ({"min_dead_cost": -1.0}, "argument `min_dead_cost`"),
        ({"recalibration_steps": 1.5}, "argument `recalibration_steps`"),
        ({"regularizer": ExpectedFLOPs(target=1e12)}, "argument `target`"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        keras_nas.search.AtomNAS(gated_inputs(), **arguments)


def test_a_search_that_is_stopped_early_meets_its_target_too():
    x, y = problem()
    search = keras_nas.search.AtomNAS(
        gated_inputs(), ExpectedFLOPs(target=0.5), ramp=1.0
    )
    compiled(search, adam(0.01), adam(0.02))
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(
            search, "stop_training", epoch == 0
        )
    )
    search.fit(x, y, epochs=5, verbose=0, callbacks=[stop])
    assert count_cost(search.export_model()).macs <= 0.5 * 16 * 18


def two_layers(**kwargs):
    """Two layers in a row with factors, none of which may vanish."""
    return keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(8, activation="relu"),
            AtomicBlockScale(name="first", momentum=0.0, **kwargs),
            layers.Dense(8, activation="relu"),
            AtomicBlockScale(name="second", momentum=0.0, **kwargs),
            layers.Dense(2),
        ]
    )


def test_equal_factors_go_from_all_masks_alike():
    search = keras_nas.search.AtomNAS(two_layers(), ExpectedFLOPs(target=0.5))
    compiled(search)
    with pytest.warns(UserWarning, match="alive, with factors of up to 1"):
        search.end_epoch(is_last=True)
    kept = search.architecture().decisions
    assert abs(len(kept["first"]) - len(kept["second"])) <= 1
    assert 0.4 < search.decided_cost() / search.full_cost <= 0.5


def test_a_target_that_ends_the_network_is_tried_again():
    search = keras_nas.search.AtomNAS(two_layers(), ExpectedFLOPs(target=0.1))
    compiled(search)
    first, second = (search.model.get_layer(n) for n in ("first", "second"))
    first.own_factor.assign(np.full(8, 0.1))
    with pytest.warns(UserWarning, match="The target is not met"):
        search.end_epoch(is_last=True)
    assert search.atoms_alive() == 1.0
    first.own_factor.assign(np.linspace(0.1, 1.0, 8))
    second.own_factor.assign(np.linspace(0.1, 1.0, 8))
    search.end_epoch(is_last=True)
    assert search.decided_cost() / search.full_cost <= 0.1


def test_weights_of_a_larger_network_are_not_to_be_restored():
    search = compiled(keras_nas.search.AtomNAS(gated_inputs()))
    stop = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
    with pytest.raises(ValueError, match="Received: EarlyStopping"):
        search.fit(*problem(), callbacks=[stop])


def test_one_callback_alone():
    search = compiled(keras_nas.search.AtomNAS(gated_inputs()))
    stop = keras.callbacks.TerminateOnNaN()
    search.fit(*problem(), verbose=0, callbacks=stop)


def test_a_search_is_not_saved_as_a_whole(tmp_path):
    search = compiled(keras_nas.search.AtomNAS(gated_inputs()))
    with pytest.raises(NotImplementedError, match="export_model"):
        search.save(tmp_path / "search.keras")


def test_advice_is_about_factors():
    search = keras_nas.search.AtomNAS(
        gated_inputs(momentum=0.9999), ExpectedFLOPs(strength=1e-6)
    )
    x, y = problem()
    with pytest.warns(UserWarning, match="moving average 1; .*threshold, 0.01"):
        compiled(search, adam(1e-6)).fit(x, y, epochs=3, verbose=0)


def test_steps_must_be_known():
    search = compiled(
        keras_nas.search.AtomNAS(gated_inputs(), recalibration_steps=0)
    )
    x, y = problem()
    batches = ((x[:32], y[:32]) for _ in range(3))
    with pytest.raises(ValueError, match="`steps_per_epoch`"):
        search.fit(batches, verbose=0)


def test_batches_of_arrays_are_from_all_rows_that_are_trained_on():
    arrays = {"a": np.arange(20), "b": np.arange(20)[:, None]}
    batches = list(ArrayBatches(arrays, batch_size=2, steps=3, held_out=0.25))
    rows = [batch["a"].tolist() for (batch,) in batches[:3]]
    assert rows == [[0, 2], [4, 6], [8, 10]]
    assert batches[0][0]["b"].tolist() == [[0], [2]]
    everything = list(ArrayBatches(np.arange(5), batch_size=2, steps=50))
    assert [b.tolist() for (b,) in everything] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_several_inputs_as_arrays(kind):
    inputs = {name: keras.Input((16,), name=name) for name in ("a", "b")}
    hidden = [
        layers.BatchNormalization()(layers.Dense(8)(tensor))
        for tensor in inputs.values()
    ]
    outputs = layers.Dense(2)(layers.concatenate(hidden))
    x, y = problem()
    arrays = {"a": x, "b": x}
    if kind == "list":
        inputs, arrays = list(inputs.values()), list(arrays.values())
    masked = keras_nas.insert_masks(
        keras.Model(inputs, outputs), AtomicBlockScale
    )
    search = keras_nas.search.AtomNAS(
        masked, ExpectedFLOPs(target=0.6), ramp=0.5
    )
    compiled(search, adam(0.01)).fit(arrays, y, epochs=2, verbose=0)
    assert count_cost(search.export_model()).macs <= 0.6 * 16 * 18 + 32


def test_a_generator_is_not_read_for_the_statistics():
    x, y = problem()
    arguments = {"steps_per_epoch": 2, "epochs": 2, "verbose": 0}

    def batches():
        for _ in range(4):
            yield x[:32], y[:32]

    search = compiled(keras_nas.search.AtomNAS(gated_inputs()))
    with pytest.raises(ValueError, match="Pass `recalibration_data`"):
        search.fit(batches(), **arguments)
    search.fit(batches(), recalibration_data=[x[:32]], **arguments)


def test_averaged_weights_are_validated_and_exported(eagerly):
    optimizer = keras.optimizers.RMSprop(0.01, use_ema=True, ema_momentum=0.9)
    search = compiled(
        keras_nas.search.AtomNAS(mobile(), ExpectedFLOPs(target=0.6), ramp=0.5),
        optimizer,
    )
    x, y = images()
    history = search.fit(
        x, y, epochs=4, batch_size=16, validation_data=(x, y), verbose=0
    ).history
    small = search.export_model()
    small.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    # The penalty is 0 by then.
    loss = small.evaluate(x, y, verbose=0)
    assert loss == pytest.approx(history["val_loss"][-1], abs=1e-5)


@pytest.mark.parametrize("mask_optimizer", [None, "sgd"])
def test_averages_are_validated_if_the_loss_is_scaled(mask_optimizer):
    search = keras_nas.search.AtomNAS(mobile(), ExpectedFLOPs(target=0.6))
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    compiled(search, optimizer, mask_optimizer)
    search.optimizer = keras.optimizers.LossScaleOptimizer(search.optimizer)
    x, y = images()
    search.fit(x, y, epochs=1, verbose=0)
    swap = keras.callbacks.SwapEMAWeights
    assert any(isinstance(c, swap) for c in search.search_callbacks())


def test_fit_without_compile_is_refused_as_by_keras():
    with pytest.raises(ValueError, match="compile"):
        keras_nas.search.AtomNAS(gated_inputs()).fit(*problem())
