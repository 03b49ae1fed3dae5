"""AtomicBlockScale: whose factors it takes, files, and refused arguments."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import AtomicBlockScale
from tests.common import run
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy


def network(kind):
    """Returns a model with one layer "scale" behind a BatchNormalization."""
    steps = [
        layers.Conv2D(4, 3, use_bias=False, name="conv"),
        layers.BatchNormalization(name="norm"),
        AtomicBlockScale(name="scale", momentum=0.5),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    ]
    if kind == "sequential":
        return keras.Sequential([keras.Input((5, 5, 3)), *steps])
    inputs = x = keras.Input((5, 5, 3))
    for layer in steps:
        x = layer(x)
    return keras.Model(inputs, x)


KINDS = ["sequential", "functional"]


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_the_scales_of_the_normalization_before(kind):
    model = network(kind)
    scale, norm = model.get_layer("scale"), model.get_layer("norm")
    assert scale.factor_kind == "batch_norm"
    assert scale.normalization is norm and scale.factor is norm.gamma
    assert not scale.trainable_weights and len(scale.weights) == 1
    assert norm.gamma is not scale.moving_average
    assert norm not in scale._flatten_layers()
    # What it does not own, it does not train twice.
    ids = [id(v) for v in model.trainable_variables]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_factors_of_copies_are_those_of_the_copied_normalization(kind):
    model = network(kind)
    copy = keras.models.clone_model(model)
    assert copy.get_layer("scale").factor is copy.get_layer("norm").gamma
    inputs = keras.Input((5, 5, 3))
    keras.Model(inputs, model(inputs))
    assert model.get_layer("scale").factor is model.get_layer("norm").gamma


def behind(*steps, shape=(5, 5, 4), **kwargs):
    scale = AtomicBlockScale(**kwargs)
    keras.Sequential([keras.Input(shape), *steps, scale])
    return scale


OTHERS = {
    "the input": [],
    "a convolution": [layers.Conv2D(4, 1)],
    "a normalization without scale": [layers.BatchNormalization(scale=False)],
    "a normalization of rows": [layers.BatchNormalization(axis=1)],
    "a normalization further up": [layers.BatchNormalization(), layers.ReLU()],
    "another normalization": [layers.LayerNormalization()],
}


@pytest.mark.parametrize("steps", OTHERS.values(), ids=OTHERS)
def test_factors_are_its_own_behind(steps):
    scale = behind(*steps)
    assert scale.factor_kind == "own"
    assert scale.factor is scale.own_factor
    assert to_numpy(scale.factor).tolist() == [1.0] * 4


def test_factors_are_its_own_if_told_so():
    scale = behind(layers.BatchNormalization(), factor="own")
    assert scale.factor is scale.own_factor and scale.normalization is None


def test_factors_are_its_own_in_a_call_on_numbers():
    scale = AtomicBlockScale()
    scale(np.ones((1, 4)))
    assert scale.factor_kind == "own"


def test_axes_count_from_either_end():
    for axis, other in ((1, -3), (-3, 1)):
        norm = layers.BatchNormalization(axis=other)
        scale = behind(norm, axis=axis)
        assert scale.factor is norm.gamma
    norm = layers.BatchNormalization(axis=1)
    scale = behind(norm, data_format="channels_first")
    assert scale.factor is norm.gamma


@pytest.mark.parametrize("steps", OTHERS.values(), ids=OTHERS)
def test_told_otherwise_it_needs_a_normalization(steps):
    with pytest.raises(ValueError, match="Received: none. Put it right behind"):
        behind(*steps, factor="batch_norm", name="other")


def test_two_normalizations_are_refused():
    scale, inputs = AtomicBlockScale(name="scale"), keras.Input((4,))
    scale(layers.BatchNormalization(name="first")(inputs))
    with pytest.raises(ValueError, match="'first', as before.*'second'"):
        scale(layers.BatchNormalization(name="second")(inputs))


def test_without_a_normalization_there_are_no_factors():
    scale = AtomicBlockScale(factor="batch_norm", name="scale")
    with pytest.raises(ValueError, match="'scale'.*not called behind one yet"):
        scale.factor  # noqa: B018
    with pytest.raises(ValueError, match="'scale'.*not called behind one yet"):
        scale(np.ones((1, 4)))


REFUSED = {
    "threshold": [-1e-3, float("nan"), "small", True, None],
    "momentum": [1.0, -0.1, float("nan"), "0.9", False, None],
    "factor": ["gamma", None],
}


@pytest.mark.parametrize(
    "name, value",
    [(name, value) for name, values in REFUSED.items() for value in values],
)
def test_arguments_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"argument `{name}`.*{name}="):
        AtomicBlockScale(**{name: value})


def test_what_masks_refuse_is_refused():
    with pytest.raises(ValueError, match="`seed`"):
        AtomicBlockScale(seed="one")
    with pytest.raises(ValueError, match="`axis`"):
        AtomicBlockScale(axis=0)(np.ones((2, 4)))
    with pytest.raises(ValueError, match="known number of channels"):
        AtomicBlockScale()(keras.Input((5, None)))


def files_of(model, path):
    model.save(path)
    return keras.models.load_model(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", ["own", "batch_norm"])
def test_files(kind, factor, tmp_path):
    model = network(kind)
    if factor == "own":
        model = keras.Sequential(
            [keras.Input((3,)), AtomicBlockScale(name="scale", momentum=0.5)]
        )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, *model.input_shape[1:])).astype("float32")
    y = rng.normal(size=(16, model.output_shape[-1]))
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    scale = model.get_layer("scale")
    factors = to_numpy(scale.factor).copy()
    factors[0] = 0.0
    scale.factor.assign(factors)
    loaded = files_of(model, tmp_path / "model.keras")
    again = loaded.get_layer("scale")
    assert again.get_config() == scale.get_config()
    assert again.factor_kind == factor and step_of(again) == 2
    if factor == "batch_norm":
        assert again.factor is loaded.get_layer("norm").gamma
    for one, other in (
        (scale.moving_average, again.moving_average),
        (scale.factor, again.factor),
    ):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    np.testing.assert_array_equal(run(model, x)[0], run(loaded, x)[0])
    for each in (model, loaded):
        each.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(run(model, x)[0], run(loaded, x)[0], atol=1e-6)
    np.testing.assert_allclose(
        to_numpy(scale.moving_average), to_numpy(again.moving_average)
    )


def test_files_before_training(tmp_path):
    loaded = files_of(network("functional"), tmp_path / "model.keras")
    scale = loaded.get_layer("scale")
    assert scale.factor is loaded.get_layer("norm").gamma
    assert step_of(scale) == 0 and scale.decision() == [0, 1, 2, 3]
