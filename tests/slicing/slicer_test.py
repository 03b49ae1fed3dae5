"""The slicer: what it returns and leaves alone."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import slice_model
from tests.common import architecture_of
from tests.common import assert_plain
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import conv_block
from tests.common import decide
from tests.common import head
from tests.common import inputs_for
from tests.common import mask
from tests.common import randomize
from tests.common import run
from tests.slicing.networks import names
from tests.slicing.networks import nested_block
from tests.slicing.networks import norm
from tests.slicing.networks import siamese
from tests.slicing.networks import sliced
from tests.slicing.networks import soft
from tests.slicing.networks import soften


def fixed_network():
    inputs = keras.Input((8, 8, 3))
    x = conv_block(inputs, 4, "a")
    y = conv_block(x, 4, "b")
    return randomize(keras.Model(inputs, head(layers.Add()([x, y])), name="n"))


def test_original_is_untouched():
    model = decide(fixed_network(), a_mask=[0], b_mask=[0, 1])
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    weights = [w.copy() for w in model.get_weights()]
    result = slice_model(model)
    result.set_weights([w + 1 for w in result.get_weights()])
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not set(map(id, result.layers)) & set(map(id, model.layers))


def test_names_and_trainability_are_kept():
    model = decide(fixed_network(), a_mask=[0], b_mask=[0, 1])
    model.get_layer("a").trainable = False
    result = slice_model(model)
    assert result.name == "n"
    assert {"a", "a_bn", "a_relu", "b", "classifier"} <= set(names(result))
    assert not result.get_layer("a").trainable
    assert result.get_layer("b").trainable


def test_names_of_inputs_are_kept():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="x")])
    inputs = keras.Input((4,), name="x")
    outputs = mask("m")(inner(inputs))
    result, _ = sliced(inputs, outputs)
    assert names(result) == ["x", "x_1"]
    inputs = keras.Input((4,))  # Keras finds a name.
    model = keras.Model(inputs, mask("m")(inputs))
    assert names(slice_model(model))[0] == names(model)[0]


def test_sliced_model_trains():
    result = slice_model(decide(fixed_network(), a_mask=[0], b_mask=[0, 1]))
    result.compile("sgd", "mse")
    result.fit(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0)


def test_architecture_overrides_the_masks():
    model = decide(fixed_network(), a_mask=[0], b_mask=[0])
    chosen = Architecture("", {"a_mask": [1, 2], "b_mask": [2, 3]})
    result = slice_model(model, chosen)
    decide(model, a_mask=[1, 2], b_mask=[2, 3])
    assert_same_function(model, result)
    assert architecture_of(model).decisions == chosen.decisions


def test_report():
    model = decide(fixed_network(), a_mask=[0], b_mask=[])
    _, report = slice_model(model, return_report=True)
    assert report.layers == [
        ("a", "Conv2D", 1, 4),
        ("classifier", "Dense", 3, 3),
    ]
    text = str(report)
    assert "removed: b_bn" in text and "1/4" in text


def test_report_names_a_shared_layer_once():
    model = randomize(siamese())
    decide(model, in_a=[0], in_b=[0], out_a=[], out_b=[])
    _, report = slice_model(model, return_report=True)
    assert len(set(report.removed)) == len(report.removed)


def test_model_without_masks_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="insert_masks"):
        slice_model(model)


def test_not_a_model_is_refused():
    with pytest.raises(ValueError, match="Keras 3"):
        slice_model("model.keras")


# Layers that hold more than weights.


def test_adapted_normalization_keeps_its_statistics():
    norm = layers.Normalization(name="normalization")
    norm.adapt(5.0 + 3.0 * np.random.default_rng(1).normal(size=(8, 6)))
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a")(norm(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.LeakyReLU()(x)))
    # Not `randomize`: the statistics are what was adapted.
    before = run(model, inputs_for(model))[0]
    assert np.abs(before).max() > 0
    masked = insert_masks(model, seed=0)
    np.testing.assert_allclose(
        run(masked, inputs_for(model))[0], before, 1e-5, 1e-6
    )
    sliced = slice_model(decide(masked, a_mask=[0, 2]))
    assert_same_function(masked, sliced)
    for copy in (masked, sliced):
        found = copy.get_layer("normalization")
        np.testing.assert_array_equal(found.mean, norm.mean)
        np.testing.assert_array_equal(found.variance, norm.variance)
        assert float(np.abs(found.mean).max()) > 1.0


def test_layer_normalization_says_why_it_keeps_all_channels():
    inputs = keras.Input((4,))
    x = layers.LayerNormalization(name="n")(mask("m")(layers.Dense(3)(inputs)))
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    sliced, report = assert_slices(decide(model, m=[0]))
    assert report.barriers == [
        ("n", "its mean and variance are over all channels")
    ]
    assert sliced.layers[1].units == 3


def test_unused_parts_of_a_split_are_counted_where_they_stand():
    inputs = keras.Input((4,))
    x = mask("m")(layers.Dense(6, name="a")(inputs))
    used, _ = ops.split(x, [2], axis=-1)
    model = randomize(keras.Model(inputs, layers.Dense(3)(used)))
    # As it stands, all of `a` is computed; the slicer leaves two channels.
    assert count_cost(model).macs == 4 * 6 + 2 * 3
    sliced, _ = assert_slices(decide(model, m=range(6)))
    assert sliced.get_layer("a").units == 2
    assert count_cost(sliced).macs == 4 * 2 + 2 * 3


# Without keras_nas.

LOAD = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_nas":
            raise ImportError("keras_nas is blocked")

sys.meta_path.insert(0, Blocker())
try:
    import keras_nas
except ImportError:
    pass
else:
    raise SystemExit("keras_nas could be imported")

import keras
import numpy as np

for stem in sys.argv[1:]:
    model = keras.models.load_model(stem + ".keras")
    data = np.load(stem + ".npz")
    inputs = [data[f"in{i}"] for i in range(len(model.inputs))]
    outputs = model(inputs, training=False)
    for i, output in enumerate(keras.tree.flatten(outputs)):
        np.testing.assert_allclose(output, data[f"out{i}"], 1e-5, 1e-5)
"""


def test_sliced_models_load_without_keras_nas(tmp_path):
    inputs = keras.Input((6, 6, 3))
    block = nested_block("functional")
    x = block(layers.Activation("relu6")(block(layers.Conv2D(4, 1)(inputs))))
    x = layers.Activation("sigmoid")(soft("s")(x)) * 2.0 + 1.0
    y = conv_block(x, 4, "dead")
    z = layers.Concatenate()([norm(mask("z")(x)), x, y])
    x = keras.ops.relu6(layers.Add()([x, norm(y)]))
    model = keras.Model(inputs, [head(x, name=None), head(z, name=None)])
    soften(randomize(model))
    decide(model, m=[1, 2], dead_mask=[], z=[])
    models = [model, decide(randomize(siamese()), in_a=[0], out_b=[])]
    stems = []
    for index, masked in enumerate(models):
        result = slice_model(masked)
        assert_plain(result)
        stems.append(str(tmp_path / f"model{index}"))
        result.save(f"{stems[-1]}.keras")
        arrays = keras.tree.flatten(inputs_for(masked))
        data = {f"in{i}": array for i, array in enumerate(arrays)}
        outputs = run(masked, arrays if len(arrays) > 1 else arrays[0])
        data.update({f"out{i}": array for i, array in enumerate(outputs)})
        np.savez(f"{stems[-1]}.npz", **data)
    finished = subprocess.run(
        [sys.executable, "-c", LOAD, *stems], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
