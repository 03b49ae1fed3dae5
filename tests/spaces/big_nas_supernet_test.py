"""BigNAS' supernet against its children, each built directly."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_nas
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from tests.common import COST_PARTS
from tests.common import assert_plain
from tests.common import macs_of
from tests.common import params_of
from tests.elastic import as_child
from tests.elastic import assert_close
from tests.elastic import assert_is_child
from tests.elastic import built_child
from tests.elastic import choices_of
from tests.elastic import choose
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import indices_of
from tests.elastic import resized
from tests.elastic import supernet_of
from tests.elastic import tiny_space

# Relative to the largest gradient: batch statistics lose a digit.
_TOLERANCE = {False: 1e-5, True: 2e-5}


@pytest.fixture(scope="module")
def space():
    return tiny_space()


@pytest.fixture(scope="module")
def supernets(space):
    """The same network, executed in both ways."""
    models = {e: supernet_of(space, execution=e) for e in ("sliced", "masked")}
    models["masked"].set_weights(models["sliced"].get_weights())
    return models


@pytest.fixture(scope="module")
def children(space, supernets):
    """Some architectures, each with its child built directly."""
    chosen = [space.smallest(), space.biggest()]
    chosen += [space.sample(seed=0)]
    # One that leaves out a block of one stage only.
    decisions = {**chosen[1].decisions, "stage1_depth": 1, "resolution": 6}
    chosen.append(keras_nas.Architecture(space.name, decisions))
    return [(a, *built_child(space, supernets["sliced"], a)) for a in chosen]


def of_child(architecture, child, training):
    x = resized(images(), architecture.decisions["resolution"])
    before = child.get_weights()
    results = gradient_step(child, x, training)
    child.set_weights(before)  # Its BatchNormalization accumulates.
    return results


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_static_indices(supernets, children, execution, training):
    model = supernets[execution]
    for architecture, child, pairs in children:
        pairs = of_model(model, supernets["sliced"], pairs)
        indices = indices_of(model, architecture)
        assert_is_child(
            gradient_step(model, images(), training, indices),
            model,
            child,
            of_child(architecture, child, training),
            pairs,
            _TOLERANCE[training],
        )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_dynamic_indices(supernets, children, execution, training):
    """Traced in training; `predict`, below, is traced at inference."""
    model = supernets[execution]

    def step(indices):
        return gradient_step(model, tf.constant(images()), training, indices)

    if training:
        step = tf.function(step)

    for architecture, child, pairs in children:
        pairs = of_model(model, supernets["sliced"], pairs)
        indices = indices_of(model, architecture)
        indices = {n: tf.constant(i) for n, i in indices.items()}
        assert_is_child(
            step(indices),
            model,
            child,
            of_child(architecture, child, training),
            pairs,
            _TOLERANCE[training],
        )
    if training:
        assert step.experimental_get_tracing_count() == 1


def of_model(model, other, pairs):
    """Returns pairs whose first weights are those of another model."""
    twins = {
        id(v): w for v, w in zip(other.weights, model.weights, strict=True)
    }
    return [(twins[id(weight)], small) for weight, small in pairs]


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_chosen_child_is_what_is_cut_out(space, supernets, children, execution):
    model = supernets[execution]
    for architecture, child, _ in children:
        choose(model, architecture)
        sliced = slice_model(model)
        assert_plain(sliced)
        x = resized(images(), architecture.decisions["resolution"])
        for output in (model(images()), model.predict(images(), verbose=0)):
            assert_close(output, child(x))
        assert_close(sliced(x), child(x))
        again = slice_model(model, architecture)
        assert again.input_shape == sliced.input_shape
        assert_close(again(x), child(x))
        counted, told = count_cost(sliced), space.cost(architecture, 3)
        assert (counted.macs, counted.params) == (told.macs, told.params)
        assert counted.macs == macs_of(sliced)
        assert counted.params == params_of(sliced)
        decided = decided_cost(model)
        for part in COST_PARTS:
            assert getattr(decided, part) == getattr(counted, part)


def test_masked_execution_has_static_shapes(supernets):
    model = supernets["masked"]
    names = choices_of(model)
    shapes = []

    @tf.function
    def run(indices):
        with as_child(model, {**indices, "resolution": 0}):
            return model(tf.constant(images()), training=True)

    concrete = run.get_concrete_function(
        {n: tf.TensorSpec((), "int32") for n in names}
    )
    for operation in concrete.graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            shapes += [operation.outputs[0].shape]
    assert shapes and all(shape.is_fully_defined() for shape in shapes)
    assert shapes[0] == (4, 6, 6, 6)


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_a_file_has_it_all(tmp_path, space, execution):
    model = supernet_of(space, seed=3, execution=execution)
    model.save(tmp_path / "supernet.keras")
    loaded = keras.models.load_model(tmp_path / "supernet.keras")
    copy = type(model).from_config(model.get_config())
    clone = keras.models.clone_model(model)
    for other in (copy, clone):
        other.set_weights(model.get_weights())
    assert len(choices_of(model)) == 9
    architecture = space.sample(seed=5)
    choose(model, architecture)
    expected = model(images())
    sliced = slice_model(model)
    for other in (loaded, copy, clone):
        assert set(choices_of(other)) == set(choices_of(model))
        choose(other, architecture)
        assert_close(other(images()), expected)
        again = slice_model(other)
        assert count_cost(again) == count_cost(sliced)
        x = resized(images(), architecture.decisions["resolution"])
        assert_close(again(x), expected)
    assert [w.name for w in loaded.weights] == [w.name for w in model.weights]
    assert not set(map(id, clone.weights)) & set(map(id, copy.weights))


def test_choice_that_holds_is_saved(tmp_path, space):
    model = supernet_of(space)
    choose(model, space.smallest())
    model.save(tmp_path / "supernet.keras")
    loaded = keras.models.load_model(tmp_path / "supernet.keras")
    for name, choice in choices_of(loaded).items():
        assert choice.decision() == space.smallest().decisions[name]


def test_a_child_needs_keras_only(tmp_path, space):
    model = supernet_of(space)
    child = slice_model(model, space.sample(seed=1))
    child.save(tmp_path / "child.keras")
    np.save(tmp_path / "x.npy", images(child.input_shape[1]))
    code = (
        "import sys, keras, numpy as np\n"
        "folder = sys.argv[1]\n"
        "model = keras.models.load_model(folder + '/child.keras')\n"
        "x = np.load(folder + '/x.npy')\n"
        "np.save(folder + '/y.npy', keras.ops.convert_to_numpy(model(x)))\n"
        "assert 'keras_nas' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    expected = child(images(child.input_shape[1]))
    assert_close(np.load(tmp_path / "y.npy"), expected)


def test_summary(supernets):
    lines = []
    for model in supernets.values():
        model.summary(print_fn=lambda line, **_: lines.append(line))
    assert "resized" in "\n".join(lines)


def test_one_resolution():
    space = tiny_space(resolutions=(8,))
    model = supernet_of(space)
    assert "resolution" not in choices_of(model)
    for architecture in (space.smallest(), space.sample(seed=2)):
        child, _ = built_child(space, model, architecture)
        choose(model, architecture)
        assert_close(model(images()), child(images()))


def test_patches_larger_than_all_resolutions(space):
    model = supernet_of(space, input_size=10)
    assert model.input_shape == (None, 10, 10, 3)
    child, _ = built_child(space, model, space.biggest())
    x = ops.image.resize(images(10), (8, 8), interpolation="bicubic")
    assert_close(model(images(10)), child(x))


def test_options_are_passed_on(space):
    model = space.supernet(
        4, dropout=0.5, zero_gamma=True, momentum=0.9, epsilon=1e-2
    )
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.9, 1e-2)}
    zero = {n.name for n in norms if not ops.any(n.gamma)}
    blocks = {n.name for n in norms if n.name.endswith("project_bn")}
    assert zero == blocks and len(zero) == 4
    x, biggest = images(), space.biggest()
    sliced = slice_model(model, biggest)
    dropout = [
        layer
        for layer in sliced.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert [layer.rate for layer in dropout] == [0.5]
    assert ops.any(sliced(x, training=True) != sliced(x))


def test_blocks_begin_as_shortcuts(space):
    model = space.supernet(4, zero_gamma=True)
    choose(model, space.biggest())
    with_block = model(images())
    for name in ("stage1_depth", "stage2_depth"):
        choices_of(model)[name].choose(1)
    assert_close(model(images()), with_block)


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_stock_fit_trains_random_children(execution):
    space = keras_nas.spaces.smoke_big_nas()
    model = supernet_of(space, execution=execution)
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.optimizer.build(model.trainable_variables)  # Else traced twice.
    history = model.fit(
        images(batch=8), np.zeros(8), batch_size=4, epochs=2, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
    for choice in choices_of(model).values():
        # Once for each step, wherever in the network it is asked.
        assert int(choice.seed_generator.state.numpy()[1]) == 4


def test_classes_are_checked(space):
    with pytest.raises(ValueError, match="`classes`.*0"):
        space.supernet(0)
    with pytest.raises(ValueError, match="`execution`.*'both'"):
        space.supernet(2, execution="both")
