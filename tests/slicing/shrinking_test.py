"""shrink_model: the same function, in training too, and where weights were."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from keras_nas.layers import Mask
from keras_nas.slicing.shrinking import Origin
from keras_nas.slicing.shrinking import shrink_model
from tests.common import assert_same_function
from tests.common import inputs_for
from tests.common import masks_of
from tests.slicing.atoms import conv
from tests.slicing.atoms import mbconv
from tests.slicing.atoms import network
from tests.slicing.atoms import random_factors
from tests.slicing.atoms import scales_of
from tests.slicing.atoms import with_atoms

own = keras_nas.AtomicBlockScale

# Weights that take up constants.
FOLDED = {
    "bias": lambda x: layers.Conv2D(4, 3, padding="same", name="b")(
        layers.Conv2D(6, 1, activation="relu", name="a")(x)
    ),
    "new bias": lambda x: layers.Conv2D(4, 1, use_bias=False, name="b")(
        conv(x, 6, 1, "a")
    ),
    "old bias": lambda x: layers.Conv2D(4, 1, name="b")(conv(x, 6, 1, "a")),
}
EXACT = {
    "mbconv": lambda x: mbconv(x, 8, 4),
    "mbconv swish": lambda x: mbconv(x, 8, 4, "swish"),
    "squeeze-excite": lambda x: mbconv(x, 8, 4, squeeze=3),
    "two 3x3": lambda x: conv(conv(x, 6, 3, "a"), 4, 3, "b", None),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3, padding="same")(
        layers.Conv2DTranspose(6, 3, padding="same", activation="relu")(x)
    ),
    "separable": lambda x: layers.SeparableConv2D(4, 3, padding="same")(
        layers.SeparableConv2D(6, 3, depth_multiplier=2, padding="same")(x)
    ),
    "depthwise multiplier": lambda x: layers.Conv2D(4, 1)(
        own(factor="own")(
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(
                own(factor="own")(layers.Conv2D(3, 1)(x))
            )
        )
    ),
    "einsum": lambda x: layers.EinsumDense("abce,ed->abcd", (None, None, 4))(
        layers.EinsumDense(
            "abce,de->abcd", (None, None, 6), bias_axes="d", activation="relu"
        )(x)
    ),
    "prelu": lambda x: layers.Conv2D(4, 3, padding="same")(
        layers.PReLU(shared_axes=(1, 2))(layers.Conv2D(6, 1)(x))
    ),
    "slopes by position": lambda x: layers.Conv2D(4, 3, padding="same")(
        layers.PReLU()(layers.Conv2D(6, 1)(x))
    ),
    "grouped": lambda x: layers.Conv2D(4, 1)(
        own(factor="own")(
            layers.Conv2D(6, 3, groups=3, padding="same")(
                layers.ReLU()(own(factor="own")(layers.Conv2D(6, 1)(x)))
            )
        )
    ),
    "group norm": lambda x: layers.Conv2D(4, 3, padding="same")(
        own(factor="own")(
            layers.GroupNormalization(3)(
                own(factor="own")(layers.Conv2D(6, 1)(x))
            )
        )
    ),
}


def prepared(make, seed=0, dead=0.5):
    """Returns a model with dead factors at exactly 0, after one step."""
    model = network(make)
    if not masks_of(model):
        model = with_atoms(model)
    random_factors(model, seed, dead)
    for mask in masks_of(model):  # Something is left of each block.
        factors = mask.factor.numpy()
        mask.factor.assign(np.where(np.arange(len(factors)) < 1, 0.7, factors))
    model(inputs_for(model, seed=5), training=True)
    for mask in masks_of(model):  # Their averages are those of this step.
        np.testing.assert_allclose(mask.moving_average, mask.factor)
    return model


def statistics(model):
    return [
        [keras.ops.convert_to_numpy(v) for v in layer.non_trainable_weights]
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    ]


def in_training(model, seed=7):
    outputs = model(inputs_for(model, batch=4, seed=seed), training=True)
    return keras.ops.convert_to_numpy(outputs)


@pytest.mark.parametrize("name", [*FOLDED, *EXACT])
def test_the_same_function(name):
    make = {**FOLDED, **EXACT}[name]
    for seed, dead in enumerate((0.0, 0.5, 0.8)):
        model = prepared(make, seed, dead)
        before = [w.numpy().copy() for w in model.weights]
        small, _ = shrink_model(model, scales_of(model))
        for weight, value in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(weight.numpy(), value)
        assert_same_function(model, small)
        # The same batch in training, without what is dead.
        np.testing.assert_allclose(
            in_training(model), in_training(small), rtol=1e-4, atol=1e-5
        )
        assert_same_function(model, small)


@pytest.mark.parametrize("name", [*FOLDED, *EXACT])
def test_every_weight_has_its_origin(name):
    model = prepared({**FOLDED, **EXACT}[name])
    small, origins = shrink_model(model, scales_of(model))
    by_id = {id(o.variable): o for o in origins}
    assert len(by_id) == len(origins)
    known = {id(v) for v in model.weights}
    for layer in small.layers:
        for weight in layer.weights:
            origin = by_id.get(id(weight))
            if origin is None:
                assert name == "new bias" and weight.path.endswith("b/bias")
                continue
            assert id(origin.source) in known
            assert origin.source.path.split("/")[-1] == weight.name
            assert origin.index.shape == tuple(weight.shape)
            taken = origin.take(origin.source)
            if name in FOLDED and weight.path.endswith("b/bias"):
                continue
            if weight.name == "moving_mean":
                continue  # It took up constants.
            np.testing.assert_array_equal(weight.numpy(), taken)


def test_origins_by_hand():
    inputs = keras.Input((4, 4, 3))
    x = conv(inputs, 4, 1, "a")
    model = with_atoms(
        keras.Model(inputs, layers.Conv2D(2, 1, use_bias=False, name="b")(x))
    )
    (mask,) = masks_of(model)
    small, origins = shrink_model(model, [np.array([0.0, 1.0, 0.0, 1.0])])
    found = {o.variable.path: o for o in origins}
    rows = np.arange(12).reshape(1, 1, 3, 4)
    np.testing.assert_array_equal(found["a/kernel"].index, rows[..., [1, 3]])
    rows = np.arange(8).reshape(1, 1, 4, 2)
    np.testing.assert_array_equal(found["b/kernel"].index, rows[:, :, [1, 3]])
    assert found["b/kernel"].source is model.get_layer("b").kernel
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        origin = found[f"a_bn/{name}"]
        np.testing.assert_array_equal(origin.index, [1, 3])
        assert origin.source is getattr(model.get_layer("a_bn"), name)
    origin = found[f"{mask.name}/moving_average"]
    np.testing.assert_array_equal(origin.index, [1, 3])
    assert "b/bias" not in found and small.get_layer("b").use_bias
    np.testing.assert_array_equal(origin.take([5, 6, 7, 8]), [6, 8])


def test_an_origin_takes_entries():
    variable = keras.Variable(np.zeros((2, 2)))
    origin = Origin(variable, None, np.array([[5, 0], [2, 3]]))
    values = np.arange(6).reshape(2, 3) * 10
    np.testing.assert_array_equal(origin.take(values), [[50, 0], [20, 30]])


def test_masks_go_on():
    model = prepared(EXACT["mbconv"])
    (mask,) = masks_of(model)
    for _ in range(3):
        in_training(model)
    alive = mask.decision()
    small, _ = shrink_model(model, scales_of(model))
    (cut,) = masks_of(small)
    assert isinstance(cut, Mask) and cut.name == mask.name
    assert cut.factor is small.get_layer("mb_dw_bn").gamma
    np.testing.assert_array_equal(
        cut.seed_generator.state.numpy(), mask.seed_generator.state.numpy()
    )
    np.testing.assert_array_equal(
        cut.moving_average.numpy(), mask.moving_average.numpy()[alive]
    )
    config = mask.get_config()
    assert cut.get_config() == config
    # It can be cut again, and at last sliced.
    cut.factor.assign(cut.factor * np.arange(len(alive)))
    cut.moving_average.assign(cut.factor)
    smaller, _ = shrink_model(small, scales_of(small))
    assert len(masks_of(smaller)[0].decision()) == len(alive) - 1
    assert_same_function(small, smaller)
    assert_same_function(small, keras_nas.slice_model(smaller))


def test_random_generators_go_on():
    def block(x):
        x = layers.Dropout(0.5, seed=3, name="drop")(conv(x, 6, 1, "a"))
        return conv(x, 4, 1, "b", None)

    model = prepared(block)
    in_training(model)
    small, _ = shrink_model(model, scales_of(model))
    old, new = (
        m.get_layer("drop").seed_generator.state.numpy() for m in (model, small)
    )
    np.testing.assert_array_equal(old, new)
    in_training(small)
    assert (small.get_layer("drop").seed_generator.state.numpy() != old).any()


def test_frozen_layers_stay_frozen():
    model = prepared(EXACT["mbconv"])
    model.get_layer("stem").trainable = False
    small, _ = shrink_model(model, scales_of(model))
    assert not small.get_layer("stem").trainable
    assert small.get_layer("mb_expand").trainable


def test_statistics_follow_alike():
    model = prepared(EXACT["mbconv"])
    alive = masks_of(model)[0].decision()
    small, _ = shrink_model(model, scales_of(model))
    in_training(model), in_training(small)
    for old, new in zip(statistics(model), statistics(small), strict=True):
        if old[0].shape != new[0].shape:
            old = [value[alive] for value in old]
        np.testing.assert_allclose(old[1], new[1], rtol=1e-4)
    # The mean behind the second convolution has lost the constants.
    means = (m.get_layer("mb_expand_bn").moving_mean for m in (model, small))
    old, new = (mean.numpy() for mean in means)
    np.testing.assert_allclose(old[alive], new, rtol=1e-4, atol=1e-6)


def test_rms_normalization_in_the_path():
    def block(x):
        x = own(factor="own")(layers.Conv2D(6, 1, name="a")(x))
        x = layers.RMSNormalization(name="rms")(x)
        return layers.Conv2D(4, 1, name="b")(x)

    model = prepared(block)
    small, origins = shrink_model(model, scales_of(model))
    assert_same_function(model, small)
    np.testing.assert_allclose(
        in_training(model), in_training(small), rtol=1e-4, atol=1e-5
    )
    scale = small.get_layer("rms").scale
    (origin,) = [o for o in origins if o.variable is scale]
    np.testing.assert_array_equal(origin.index, masks_of(model)[0].decision())


def test_a_block_that_is_dead_altogether_is_gone():
    model = random_factors(with_atoms(network(EXACT["mbconv"])), dead=1.0)
    small, _ = shrink_model(model, scales_of(model))
    assert not masks_of(small)
    assert "mb_project" not in [layer.name for layer in small.layers]
    assert_same_function(model, small)


def test_own_factors_of_one_mask_at_two_places():
    scale = own(factor="own")

    def block(x):
        a = scale(layers.Conv2D(6, 1, name="a")(x))
        b = scale(layers.Conv2D(6, 1, name="b")(x))
        b = own(factor="own")(layers.DepthwiseConv2D(3, padding="same")(b))
        return layers.Conv2D(4, 1)(layers.Concatenate()([a, b]))

    model = prepared(block)
    small, _ = shrink_model(model, scales_of(model))
    assert_same_function(model, small)
