"""Expected costs, against closed formulas, enumeration and differences."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from tests.common import architecture_of
from tests.common import conv_block
from tests.common import decide
from tests.common import decide_at_random
from tests.common import head
from tests.common import mask
from tests.common import masks_of
from tests.common import randomize


def set_probabilities(model, *vectors):
    """Sets the logits so that channels are kept with these probabilities."""
    for layer, p in zip(masks_of(model), vectors, strict=True):
        layer.logits.assign(np.log(p) - np.log1p(-np.asarray(p)))


def flops(model):
    return float(ExpectedFLOPs(1.0)(model))


def params(model):
    return float(ExpectedParams(1.0)(model))


def draw(size, seed=0, low=0.3, high=0.95):
    return np.random.default_rng(seed).uniform(low, high, size)


# Where channels are many, that all of a layer are closed is next to
# impossible, and the closed formulas of the paper hold.
MANY = 32


def chain():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, MANY, "a", stride=2)
    return keras.Model(inputs, head(conv_block(x, MANY, "b"), classes=5))


def test_bilinear_formula():
    model, p, q = chain(), draw(MANY, 0), draw(MANY, 1)
    set_probabilities(model, p, q)
    macs = 16 * 9 * 3 * p.sum() + 16 * 9 * p.sum() * q.sum() + 5 * q.sum()
    weights = (
        9 * 3 * p.sum()
        + 2 * p.sum()
        + 9 * p.sum() * q.sum()
        + 2 * q.sum()
        + 5 * q.sum()
        + 5
    )
    assert flops(model) == pytest.approx(macs, rel=1e-5)
    assert params(model) == pytest.approx(weights, rel=1e-5)


def test_residual_group():
    inputs = keras.Input((4, 4, 3))
    x = conv_block(inputs, MANY, "a")
    for name in "bc":
        y = conv_block(x, MANY, name, kernel=1)
        x = layers.Add()([x, y])
    model = keras.Model(inputs, head(x, classes=2))
    p = [draw(MANY, seed, high=0.7) for seed in range(3)]
    set_probabilities(model, *p)
    union = 1 - (1 - p[0]) * (1 - p[1]) * (1 - p[2])
    first = 1 - (1 - p[0]) * (1 - p[1])  # What enters c varies.
    macs = 16 * 27 * union.sum()  # All of the group stays together.
    macs += 2 * 16 * union.sum() ** 2 + 2 * union.sum()
    assert (first < union).all()
    assert flops(model) == pytest.approx(macs, rel=1e-5)


def test_a_mask_shared_with_a_depthwise_layer_counts_once():
    inputs = keras.Input((4, 4, 3))
    shared = mask()
    x = layers.BatchNormalization()(layers.Conv2D(MANY, 1)(inputs))
    x = layers.ReLU()(shared(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(shared(layers.BatchNormalization()(x)))
    model = keras.Model(inputs, head(x, classes=2))
    p = draw(MANY)
    set_probabilities(model, p)
    macs = 16 * (3 + 9) * p.sum() + 2 * p.sum()
    assert flops(model) == pytest.approx(macs, rel=1e-5)


def test_concatenation_and_flatten():
    inputs = keras.Input((4, 4, 3))
    x, y = conv_block(inputs, MANY, "a"), conv_block(inputs, MANY, "b")
    x = layers.Flatten()(layers.Concatenate()([x, y]))
    model = keras.Model(inputs, layers.Dense(2)(x))
    p, q = draw(MANY, 0), draw(MANY, 1)
    set_probabilities(model, p, q)
    macs = (16 * 27 + 16 * 2) * (p.sum() + q.sum())
    assert flops(model) == pytest.approx(macs, rel=1e-5)


def test_a_branch_that_may_close_altogether():
    """Its cost counts as often as some channel of it is open."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 1)(inputs)
    y = mask()(layers.Conv2D(3, 3, padding="same", use_bias=False)(x))
    model = keras.Model(inputs, head(layers.Add()([x, y]), classes=2))
    p = np.array([0.2, 0.5, 0.1])
    set_probabilities(model, p)
    live = 1 - np.prod(1 - p)
    macs = 16 * 9 + 16 * 9 * 3 * 3 * live + 6
    assert flops(model) == pytest.approx(macs, rel=1e-5)


def small():
    """A network of few channels with an addition and a gate."""
    inputs = keras.Input((4, 4, 2))
    x = conv_block(inputs, 3, "a", kernel=1)
    y = conv_block(x, 3, "b")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(3, 1, activation="sigmoid")(gate)
    y = layers.Multiply()([y, gate])
    x = layers.Add()([x, y])
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    return keras.Model(inputs, head(conv_block(x, 2, "c", kernel=1)))


def test_near_the_mean_over_all_choices():
    """The expectation is close to the mean of the counts of all choices."""
    model = small()
    vectors = [draw(3, 0, 0.4), draw(3, 1, 0.4), draw(2, 2, 0.4)]
    p = np.concatenate(vectors)
    mean = 0.0
    for corner in itertools.product([0, 1], repeat=len(p)):
        corner = np.array(corner)
        for layer, kept in zip(
            masks_of(model), np.split(corner, [3, 6]), strict=True
        ):
            decide(model, **{layer.name: np.flatnonzero(kept)})
        weight = np.prod(np.where(corner, p, 1 - p))
        mean += weight * decided_cost(model).macs
    set_probabilities(model, *vectors)
    assert flops(model) == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_count_of_the_sliced_model(seed):
    model = decide_at_random(randomize(small()), seed)
    cost = count_cost(slice_model(model))
    assert flops(model) == cost.macs
    assert params(model) == cost.params
    decided = decided_cost(model, architecture_of(model))
    assert (decided.macs, decided.params) == (cost.macs, cost.params)


@pytest.mark.parametrize("cost", [ExpectedFLOPs(1.0), ExpectedParams(1.0)])
def test_gradient_equals_differences(cost):
    import tensorflow as tf

    model = small()
    set_probabilities(model, draw(3, 0), draw(3, 1), draw(2, 2))
    logits = [layer.logits for layer in masks_of(model)]
    with tf.GradientTape() as tape:
        value = cost(model)
    gradients = tape.gradient(value, [v.value for v in logits])
    step = 1e-2
    for variable, gradient in zip(logits, gradients, strict=True):
        at = keras.ops.convert_to_numpy(variable)
        for i, slope in enumerate(gradient.numpy()):
            change = np.zeros_like(at)
            change[i] = step
            variable.assign(at + change)
            above = float(cost(model))
            variable.assign(at - change)
            below = float(cost(model))
            variable.assign(at)
            difference = (above - below) / (2 * step)
            assert slope == pytest.approx(difference, rel=0.01, abs=0.05)


def test_closed_and_open_masks_have_gradients_that_are_numbers():
    import tensorflow as tf

    model = decide(small(), a_mask=[], b_mask=[0, 1, 2], c_mask=[1])
    logits = [layer.logits.value for layer in masks_of(model)]
    with tf.GradientTape() as tape:
        value = ExpectedFLOPs(1.0)(model)
    for gradient in tape.gradient(value, logits):
        assert np.isfinite(gradient.numpy()).all()


# Penalties, and models that carry one.


def sequential():
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, name="a"),
            mask("m", initial_logit=0.5, temperature=0.5),
            layers.ReLU(),
            layers.Dense(1),
        ]
    )


def functional():
    inputs = keras.Input((4,))
    x = mask("m", initial_logit=0.5, temperature=0.5)(layers.Dense(8)(inputs))
    return keras.Model(inputs, layers.Dense(1)(layers.ReLU()(x)))


BOTH = pytest.mark.parametrize("make", [sequential, functional])


@BOTH
def test_attached_cost_is_a_loss(make):
    model = make()
    cost = ExpectedFLOPs(1e-2)
    assert cost.attach(model) is model
    (loss,) = model.losses
    assert float(loss) == pytest.approx(1e-2 * flops(model))


@BOTH
def test_attached_cost_is_trained_by_stock_fit(make):
    model = ExpectedFLOPs(10.0).attach(make())
    penalty = float(model.losses[0])
    model.compile("adam", "mse")
    history = model.fit(
        np.ones((32, 4)), np.ones((32, 1)), epochs=3, verbose=0
    ).history["loss"]
    logits = keras.ops.convert_to_numpy(masks_of(model)[0].logits)
    assert (logits < 0.5).all()
    assert history[0] > 0.9 * penalty


@BOTH
def test_attached_cost_survives_saving(make, tmp_path):
    model = ExpectedParams(target=0.5, target_strength=3.0).attach(make())
    decide(model, m=[0, 1, 2, 3, 4])
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded) is type(model)
    assert type(loaded.cost_regularizer) is ExpectedParams
    assert loaded.cost_regularizer.get_config() == {
        "strength": None,
        "target": 0.5,
        "target_strength": 3.0,
    }
    assert float(loaded.losses[0]) == float(model.losses[0]) > 0
    loaded.compile("adam", "mse")
    loaded.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0)


@BOTH
def test_other_losses_stay(make):
    model = make()
    dense = model.layers[-1]
    dense.kernel_regularizer = keras.regularizers.L2(0.1)
    dense.kernel.regularizer = dense.kernel_regularizer
    ExpectedFLOPs(1.0).attach(model)
    assert len(model.losses) == 2


@BOTH
def test_attaching_again_replaces(make):
    model = ExpectedFLOPs(1.0).attach(make())
    kind = type(model)
    ExpectedParams(2.0).attach(model)
    (loss,) = model.losses
    assert float(loss) == pytest.approx(2.0 * params(model))
    assert type(model) is kind


def test_attached_cost_of_nested_models(tmp_path):
    inputs = keras.Input((4,))
    x = layers.Dense(3)(functional()(inputs))
    model = ExpectedFLOPs(1.0).attach(keras.Model(inputs, x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.losses[0]) == float(model.losses[0])


def test_target_is_a_hinge():
    model = sequential()
    full = count_cost(model).macs
    cost = ExpectedFLOPs(target=0.5, target_strength=4.0)
    assert cost.budget(model) == full / 2
    decide(model, m=range(8))
    assert float(cost.penalty(model)) == pytest.approx(4.0)
    decide(model, m=[0, 1, 2, 3])
    assert float(cost.penalty(model)) == 0.0
    decide(model, m=[0])
    assert float(cost.penalty(model)) == 0.0


def test_target_as_a_number():
    model = sequential()
    decide(model, m=range(8))
    cost = ExpectedFLOPs(target=20)
    assert float(cost.penalty(model)) == pytest.approx(40 / 20 - 1)


@pytest.mark.parametrize("target", [0, -0.5, 41, 1e9, "half", True])
def test_target_out_of_range(target):
    model = sequential()
    with pytest.raises(ValueError, match="argument `target`"):
        ExpectedFLOPs(target=target).attach(model)
    # A refused model is as it was.
    assert type(model) is keras.Sequential and model.losses == []


@pytest.mark.parametrize("arguments", [{}, {"strength": 1.0, "target": 0.5}])
def test_either_strength_or_target(arguments):
    with pytest.raises(ValueError, match="exactly one"):
        ExpectedFLOPs(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"strength": -1.0},
        {"strength": float("nan")},
        {"target": 0.5, "target_strength": -1.0},
    ],
)
def test_strengths_are_not_negative(arguments):
    with pytest.raises(ValueError, match="strength"):
        ExpectedFLOPs(**arguments)


def test_a_model_without_masks_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    for use in (ExpectedFLOPs(1.0), ExpectedFLOPs(1.0).attach):
        with pytest.raises(ValueError, match="has no mask layers"):
            use(model)


class Subclassed(keras.Model):
    pass


class SubclassedSequential(keras.Sequential):
    pass


def test_subclassed_models_are_refused():
    plain = functional()
    for model in (
        Subclassed(plain.input, plain.output),
        SubclassedSequential(sequential().layers),
    ):
        model.build((None, 4))
        with pytest.raises(ValueError, match="Functional or Sequential"):
            ExpectedFLOPs(1.0).attach(model)
        # The cost itself, for a loss of one's own, is there.
        assert flops(model) > 0
