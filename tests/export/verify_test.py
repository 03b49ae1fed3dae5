import json

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.export import ExportMismatchError
from keras_nas.export import export_litert
from keras_nas.export import export_saved_model
from keras_nas.export import verify_export


def _perturbed(model, relative):
    copy = keras.models.clone_model(model)
    weights = model.get_weights()
    weights[0] = weights[0] * (1 + relative)
    copy.set_weights(weights)
    return copy


def test_chain_of_all_kinds_of_artifacts_passes(mbconv, images, artifacts):
    chain = [_perturbed(mbconv, 0.0), *artifacts.values()]
    result = verify_export(mbconv, chain, images)
    assert result.passed
    assert result.num_samples == len(images)
    assert result.is_conclusive
    assert result.output_spread > 0.1
    names = [link.candidate for link in result.links]
    assert names == [
        "mbconv (Keras)",
        "model.keras",
        "saved_model (SavedModel)",
        "model.tflite (LiteRT)",
    ]
    assert [link.rtol for link in result.links] == [5e-5, 5e-5, 5e-5, 1e-4]
    assert all(link.top1_agreement == 1.0 for link in result.links)
    assert result.links[0].max_abs_diff == 0.0
    assert len(str(result).splitlines()) == 1 + len(chain) + 1
    plain = result.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["links"][3]["candidate"] == "model.tflite (LiteRT)"


@pytest.mark.parametrize("kind", ["keras", "saved_model", "litert"])
def test_perturbed_model_fails(kind, mbconv, images, artifacts):
    perturbed = _perturbed(mbconv, 2e-3)
    pattern = r"mbconv \(Keras\) -> .*largest difference .* allowed"
    with pytest.raises(ExportMismatchError, match=pattern) as caught:
        verify_export(perturbed, artifacts[kind], images)
    (link,) = caught.value.verification.links
    assert link.max_rel_diff > link.rtol
    result = verify_export(
        perturbed, artifacts[kind], images, raise_on_mismatch=False
    )
    assert not result.passed
    assert "FAILED" in str(result)
    loose = {"rtol": 0.1, "litert_rtol": 0.1}
    assert verify_export(perturbed, artifacts[kind], images, **loose).passed


def test_only_the_broken_link_fails(mbconv, images, artifacts):
    perturbed = _perturbed(mbconv, 2e-3)
    result = verify_export(
        mbconv,
        [artifacts["keras"], perturbed, perturbed],
        images,
        raise_on_mismatch=False,
    )
    assert [link.passed for link in result.links] == [True, False, True]


def test_nan_fails_even_where_both_have_it(mbconv, images):
    broken = _perturbed(mbconv, np.nan)
    for reference, candidate in [(mbconv, broken), (broken, broken)]:
        with pytest.raises(ExportMismatchError, match="NaN in output 0"):
            verify_export(reference, candidate, images)
    result = verify_export(mbconv, broken, images, raise_on_mismatch=False)
    assert result.as_dict()["links"][0]["max_abs_diff"] is None
    json.dumps(result.as_dict(), allow_nan=False)


def test_infinities_that_agree_are_equal():
    values = keras.Input((2,))
    model = keras.Model(values, keras.ops.log(values))
    samples = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert verify_export(model, model, samples).passed
    shifted = keras.Model(values, keras.ops.log(values + 1e-3))
    result = verify_export(model, shifted, samples, raise_on_mismatch=False)
    assert result.links[0].max_abs_diff == np.inf


def test_outputs_that_ignore_the_samples_prove_little(images):
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, layers.Dense(2, "softmax")(x / 1e4))
    with pytest.warns(UserWarning, match="hardly depend on the samples"):
        result = verify_export(model, model, images)
    assert result.passed
    assert not result.is_conclusive
    assert "proves little" in str(result)
    assert verify_export(model, model, images[:1]).output_spread is None


def test_outputs_of_other_shapes_fail(mbconv, images):
    features = keras.Model(mbconv.input, mbconv.layers[-2].output)
    with pytest.raises(ExportMismatchError, match="outputs of shapes"):
        verify_export(mbconv, features, images)


def _two_inputs(structure):
    # The order of the inputs is not that of their names.
    wide, flat = (
        keras.Input((4, 2), name="wide"),
        keras.Input((3,), name="flat"),
    )
    x = layers.Concatenate()([layers.Flatten()(wide), flat])
    heads = [layers.Dense(size)(x) for size in (2, *[1] * 9, 3, 4)]
    inputs = [wide, flat]
    if structure == "dict":
        inputs = {"wide": wide, "flat": flat}
    return keras.Model(inputs, heads)


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_several_inputs_and_outputs(structure, tmp_path):
    model = _two_inputs(structure)
    generator = np.random.default_rng(0)
    samples = {
        "wide": generator.normal(size=(3, 4, 2)),
        "flat": generator.normal(size=(3, 3)),
    }
    if structure == "list":
        specs = [
            keras.InputSpec(dtype="float32", shape=(2, 4, 2)),
            keras.InputSpec(dtype="float32", shape=(2, 3)),
        ]
    else:
        specs = None
    chain = [
        export_saved_model(model, tmp_path / "saved_model"),
        # A batch that does not divide the number of samples.
        export_litert(model, tmp_path / "m.tflite", input_signature=specs),
    ]
    assert verify_export(model, chain, samples).passed
    by_position = [samples[tensor.name] for tensor in model.inputs]
    assert verify_export(model, chain, by_position).passed


def test_renamed_inputs_are_matched_through_the_chain(tmp_path):
    def build(names):
        inputs = [keras.Input((3,), name=name) for name in names]
        return keras.Model(inputs, layers.Subtract()(inputs))

    model, renamed = build(["a", "b"]), build(["d", "c"])
    path = export_saved_model(renamed, tmp_path / "saved_model")
    samples = np.random.default_rng(0).normal(size=(2, 4, 3))
    assert verify_export(model, [renamed, path], list(samples)).passed
    with pytest.raises(ValueError, match=r"inputs \['c', 'd'\]"):
        verify_export(model, path, list(samples))


def test_subclassed_model_is_verified(tmp_path):
    class Doubled(keras.Model):
        def call(self, inputs):
            return 2 * inputs

    model = Doubled()
    samples = np.arange(12, dtype="float32").reshape(3, 4)
    model(samples)
    path = export_saved_model(model, tmp_path / "saved_model")
    assert verify_export(model, path, samples).passed


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((0, 16, 16, 3)),
        np.zeros((2, 8, 8, 3)),
        np.zeros((16, 16, 3)),
        np.zeros((2, 16, 16, 3), "complex64"),
        0.0,
        {"picture": np.zeros((2, 16, 16, 3))},
        [np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16, 3))],
    ],
)
def test_wrong_samples_are_refused(samples, mbconv, artifacts):
    with pytest.raises(ValueError, match="argument `samples`") as caught:
        verify_export(mbconv, artifacts["litert"], samples)
    assert not isinstance(caught.value, ExportMismatchError)


def test_samples_of_unequal_length_are_refused():
    model = _two_inputs("list")
    samples = [np.zeros((2, 4, 2)), np.zeros((3, 3))]
    with pytest.raises(ValueError, match="same number of rows"):
        verify_export(model, model, samples)


def test_artifact_for_another_size_is_refused(artifacts):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(image))
    for kind in ("saved_model", "litert"):
        with pytest.raises(ValueError, match=r"rows of shape \(16, 16, 3\)"):
            verify_export(model, artifacts[kind], np.zeros((2, 8, 8, 3)))


def test_things_that_are_no_artifact_are_refused(mbconv, images, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is nothing"):
        verify_export(mbconv, tmp_path / "model.tflite", images)
    with pytest.raises(ValueError, match="a SavedModel folder or"):
        verify_export(mbconv, tmp_path, images)
    with pytest.raises(ValueError, match="at least one artifact"):
        verify_export(mbconv, [], images)
    with pytest.raises(ValueError, match="argument `rtol`"):
        verify_export(mbconv, mbconv, images, rtol=-1.0)
