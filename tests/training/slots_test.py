"""Optimizers that go on with fewer channels, against pinned channels."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import optimizers

from keras_nas.slicing.shrinking import Origin
from keras_nas.slicing.shrinking import shrink_model
from keras_nas.training import PartitionedOptimizer
from keras_nas.training.slots import build_with_slots
from keras_nas.training.slots import carry_over
from tests.common import masks_of
from tests.common import randomize
from tests.slicing.atoms import mbconv
from tests.slicing.atoms import network
from tests.slicing.atoms import with_atoms

ALIVE = [0, 3, 4, 6]
DEAD = [1, 2, 5, 7]


def decayed():
    optimizer = optimizers.SGD(0.05, momentum=0.9, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["beta", "gamma", "bias"])
    return optimizer


OPTIMIZERS = {
    "sgd": lambda factors: optimizers.SGD(0.05),
    "momentum": lambda factors: optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda factors: optimizers.SGD(0.05, 0.9, nesterov=True),
    "rmsprop": lambda factors: optimizers.RMSprop(
        1e-3, momentum=0.9, epsilon=1e-3
    ),
    "centered": lambda factors: optimizers.RMSprop(1e-3, centered=True),
    "adam": lambda factors: optimizers.Adam(0.01, epsilon=1e-3),
    "average": lambda factors: optimizers.Adam(
        0.01, epsilon=1e-3, use_ema=True, ema_momentum=0.9
    ),
    "accumulation": lambda factors: optimizers.SGD(
        0.05, momentum=0.9, gradient_accumulation_steps=2
    ),
    "partitioned": lambda factors: PartitionedOptimizer(
        optimizers.RMSprop(1e-3, momentum=0.9, epsilon=1e-3),
        optimizers.SGD(0.02, momentum=0.5),
        factors,
    ),
    "decay": lambda factors: decayed(),
    "schedule": lambda factors: optimizers.SGD(
        optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.9
    ),
    "loss scale": lambda factors: optimizers.LossScaleOptimizer(
        optimizers.SGD(0.05, momentum=0.9), initial_scale=64.0
    ),
    "loss scale of both": lambda factors: optimizers.LossScaleOptimizer(
        PartitionedOptimizer(
            optimizers.SGD(0.05, momentum=0.9),
            optimizers.SGD(0.02, momentum=0.5),
            factors,
        ),
        dynamic_growth_steps=2,
    ),
}


def data(steps, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, 16, 6, 6, 3)).astype("float32")
    return list(zip(x, rng.normal(size=(steps, 16, 3)), strict=True))


def trained(make, block=lambda x: mbconv(x, 8, 4)):
    """Returns a model after three steps, and its optimizer's slots."""
    model = randomize(with_atoms(network(block)))
    factors = [mask.factor for mask in masks_of(model)]
    optimizer = make(factors)
    slots = build_with_slots(optimizer, model.trainable_variables)
    # A few steps take less time than to trace one.
    model.compile(optimizer, "mse", run_eagerly=True)
    for batch in data(3):
        model.train_on_batch(*batch)
    return model, slots


def pin(model):
    """Keeps dead factors at 0, whatever the optimizer does."""
    (mask,) = masks_of(model)
    factor = mask.factor.numpy()
    factor[DEAD] = 0.0
    mask.factor.assign(factor)


def shrunk(model, slots):
    """Returns the smaller model, the origins, and its slots."""
    pin(model)
    (mask,) = masks_of(model)
    scale = np.isin(np.arange(8), ALIVE).astype("float32")
    small, origins = shrink_model(model, [scale])
    optimizer, new_slots = carry_over(
        model.optimizer, slots, small.trainable_variables, origins
    )
    small.compile(optimizer, "mse", run_eagerly=True)
    return small, origins, new_slots


def check_slots(slots, new_slots, origins, atol=0.0):
    """New slots are the entries of the old ones, in the same order."""
    of = {}
    for slot, variable in slots:
        of.setdefault(id(variable), []).append(slot)
    by_id = {id(origin.variable): origin for origin in origins}
    for slot, variable in new_slots:
        origin = by_id[id(variable)]
        old = of[id(origin.source)].pop(0)
        assert old.name.split("/")[-1] == slot.name.split("/")[-1]
        np.testing.assert_allclose(
            origin.take(old), slot.numpy(), rtol=0, atol=atol
        )
    left = [i for i, s in of.items() if s]
    assert not left


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_slots_are_kept_and_go_on_as_with_dead_channels_at_zero(name):
    model, slots = trained(OPTIMIZERS[name])
    small, origins, new_slots = shrunk(model, slots)
    check_slots(slots, new_slots, origins)
    old, new = model.optimizer, small.optimizer
    assert type(new) is type(old) and int(old.iterations) > 0
    assert int(new.iterations) == int(old.iterations)
    assert float(new.learning_rate) == float(old.learning_rate)
    assert [v.path for v in new.variables] == [v.path for v in old.variables]
    if name != "sgd":
        assert any(slot.numpy().any() for slot, _ in new_slots)
    for batch in data(6, seed=1):
        losses = [m.train_on_batch(*batch) for m in (model, small)]
        np.testing.assert_allclose(*losses, rtol=1e-5)
        pin(model)
    for origin in origins:
        # Constants of dead channels are part of the means of the large one.
        if origin.variable.name != "moving_mean":
            np.testing.assert_allclose(
                origin.take(origin.source), origin.variable.numpy(), atol=1e-5
            )
    check_slots(slots, new_slots, origins, atol=1e-4)
    assert int(model.optimizer.iterations) == int(small.optimizer.iterations)


def test_slots_of_the_factors_by_hand():
    model, slots = trained(OPTIMIZERS["rmsprop"])
    small, _, _ = shrunk(model, slots)
    for name in ("_velocities", "_momentums"):
        values = []
        for each in (model, small):
            (mask,) = masks_of(each)
            optimizer = each.optimizer
            index = optimizer._get_variable_index(mask.factor)
            values.append(getattr(optimizer, name)[index].numpy())
        assert values[0].all()
        np.testing.assert_array_equal(values[0][ALIVE], values[1])


def test_averages_replace_the_weights_that_are_left():
    model, slots = trained(OPTIMIZERS["average"])
    small, origins, _ = shrunk(model, slots)
    for each in (model, small):
        each.optimizer.finalize_variable_values(each.trainable_variables)
    for origin in origins:
        if origin.variable.trainable:
            np.testing.assert_array_equal(
                origin.take(origin.source), origin.variable.numpy()
            )


@pytest.mark.parametrize("use_bias", [True, False])
def test_averages_of_biases_move_with_the_constants_they_take_up(use_bias):
    def block(x):
        x = layers.BatchNormalization()(layers.Conv2D(8, 1, name="a")(x))
        return layers.Conv2D(4, 1, use_bias=use_bias, name="b")(x)

    model, slots = trained(OPTIMIZERS["average"], block)
    pin(model)
    before = model.get_layer("b").get_weights()
    small, _, _ = shrunk(model, slots)
    after = small.get_layer("b").get_weights()[1]
    assert np.abs(after).min() > 0
    average = np.zeros(4)
    if use_bias:
        index = model.optimizer._get_variable_index(model.get_layer("b").bias)
        slot = model.optimizer._model_variables_moving_average[index]
        average = slot.numpy() - before[1]
    small.optimizer.finalize_variable_values(small.trainable_variables)
    averaged = small.get_layer("b").get_weights()[1]
    np.testing.assert_allclose(averaged, after + average, rtol=1e-5)


def test_what_is_not_decayed_stays_so():
    model, slots = trained(OPTIMIZERS["decay"])
    small, _, _ = shrunk(model, slots)
    for variable in small.trainable_variables:
        is_kernel = "kernel" in variable.name
        assert small.optimizer._use_weight_decay(variable) == is_kernel


def test_single_variables_that_are_not_decayed_stay_so():
    variables = [keras.Variable(np.ones(3), name=n) for n in "ab"]
    optimizer = optimizers.AdamW(0.1)
    optimizer.exclude_from_weight_decay(var_list=variables[:1])
    slots = build_with_slots(optimizer, variables)
    new = [keras.Variable(np.ones(2), name=n) for n in "ab"]
    origins = [
        Origin(n, v, np.arange(2)) for n, v in zip(new, variables, strict=True)
    ]
    other, _ = carry_over(optimizer, slots, new, origins)
    assert [other._use_weight_decay(v) for v in new] == [False, True]


def test_a_learning_rate_that_was_set_is_kept():
    model, slots = trained(OPTIMIZERS["partitioned"])
    model.optimizer.learning_rate = 0.125
    model.optimizer.special_optimizer.learning_rate = 0.25
    small, _, _ = shrunk(model, slots)
    assert float(small.optimizer.learning_rate) == 0.125
    assert float(small.optimizer.special_optimizer.learning_rate) == 0.25
    (mask,) = masks_of(small)
    special = [
        v for v in small.trainable_variables if small.optimizer.is_special(v)
    ]
    assert len(special) == 1 and special[0] is mask.factor


def test_new_variables_start_with_new_slots():
    variable = keras.Variable(np.ones(3), name="old")
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    slots = build_with_slots(optimizer, [variable])
    optimizer.apply([keras.ops.ones(3)], [variable])
    new = keras.Variable(np.ones(5), name="new")
    _, ((slot, of),) = carry_over(optimizer, slots, [new], [])
    assert of is new and not slot.numpy().any()


@pytest.mark.parametrize("is_inside", [False, True])
def test_optimizers_that_cannot_be_cut_say_so_when_they_are_built(is_inside):
    variable = keras.Variable(np.ones((3, 4)), name="kernel")
    optimizer = optimizers.Adafactor(0.1)
    if is_inside:
        optimizer = optimizers.LossScaleOptimizer(optimizer)
    with pytest.raises(ValueError, match="'adafactor.*' keeps.*RMSprop"):
        build_with_slots(optimizer, [variable])


def test_recording_leaves_the_optimizer_as_it_was():
    optimizer = optimizers.Adam()
    variable = keras.Variable(np.ones(3))
    slots = build_with_slots(optimizer, [variable])
    assert "add_variable_from_reference" not in vars(optimizer)
    assert len(slots) == 2 and all(v is variable for _, v in slots)
