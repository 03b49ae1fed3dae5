"""OneShot: sub-networks of a supernet, with the weights that it has."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from keras_nas import Architecture
from keras_nas import search


def supernet():
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(6, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="norm", momentum=0.5),
            keras_nas.FiGSMask(initial_logit=-1.0, name="mask"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="logits"),
        ],
        name="net",
    )


def compiled(model):
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def problem(n=64):
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, size=(n, 4, 4, 3)).astype("float32")
    return x, (x[..., 0].mean((1, 2)) > 2.0).astype("int32")


def test_the_supernet_is_trained_as_if_it_had_no_masks():
    x, y = problem()
    plain = keras.Sequential(
        [layer for layer in supernet().layers if layer.name != "mask"]
    )
    plain.build((None, 4, 4, 3))
    model = supernet()
    for ours, theirs in zip(model.weights[:4], plain.weights, strict=False):
        theirs.assign(ours)
    plain.layers[-1].set_weights(model.layers[-1].get_weights())
    one_shot = compiled(search.OneShot(model))
    compiled(plain)
    for each in (one_shot, plain):
        each.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    assert len(one_shot.trainable_variables) == len(plain.trainable_variables)
    np.testing.assert_allclose(
        model.get_layer("conv").kernel, plain.layers[0].kernel, atol=1e-6
    )


def test_a_child_is_evaluated_as_the_network_that_is_cut_out():
    x, y = problem()
    one_shot = compiled(search.OneShot(supernet()))
    one_shot.fit(x, y, batch_size=16, epochs=1, verbose=0)
    child = Architecture("net", {"mask": [1, 4]})
    batches = [x[:32], x[32:]]
    found = one_shot.evaluate_child(child, batches, (x, y))
    small = one_shot.export_model(child)
    assert small.get_layer("conv").filters == 2

    # Its statistics are those of the batches, computed by hand.
    features = one_shot.model.get_layer("conv")(x)
    means = np.asarray(features).mean((0, 1, 2))[[1, 4]]
    norm = small.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, means, rtol=1e-4)
    expected = compiled(small).evaluate(x, y, return_dict=True, verbose=0)
    assert found["accuracy"] == pytest.approx(expected["accuracy"])
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)

    # What is trained next is the whole supernet again.
    one_shot.fit(x, y, batch_size=64, epochs=1, verbose=0)
    assert one_shot.model.get_layer("mask").decision() == list(range(6))


def test_masks_that_choose_otherwise_are_refused():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4),
            keras_nas.ChannelMask([2, 4], name="counts"),
        ]
    )
    with pytest.raises(ValueError, match="by a margin.*'counts'"):
        search.OneShot(model)
    with pytest.raises(ValueError, match="has no mask layers"):
        search.OneShot(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))


def test_an_architecture_of_another_model_is_refused():
    one_shot = search.OneShot(supernet())
    with pytest.raises(ValueError, match="Masks without a decision"):
        one_shot.decide(Architecture("net", {"others": [0]}))
