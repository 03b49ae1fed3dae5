"""BigNAS against the sandwich rule, written out with separate children."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_nas
from keras_nas import Architecture
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticDense
from keras_nas.layers import running_child
from keras_nas.training import Checkpoint
from tests.common import assert_plain
from tests.elastic import assert_close
from tests.elastic import built_child
from tests.elastic import by_variable
from tests.elastic import choices_of
from tests.elastic import cut
from tests.elastic import images
from tests.elastic import labels
from tests.elastic import resized
from tests.elastic import supernet_of
from tests.elastic import tiny_space


@pytest.fixture(scope="module")
def space():
    return keras_nas.spaces.smoke_big_nas()


@pytest.fixture(scope="module")
def one_block():
    """A space whose steps are traced quickly."""
    rows = ((1, (4, 6), (1,), 1, (3, 5)),)
    return keras_nas.spaces.BigNASSpace(
        "one_block", rows, (4,), 1, (8, 12), (6, 8)
    )


def search_of(space, supernet=None, optimizer=None, **kwargs):
    """Returns a compiled search of a supernet with random weights."""
    search = keras_nas.search.BigNAS(
        supernet_of(space, **(supernet or {})), **kwargs
    )
    search.compile(
        optimizer or keras.optimizers.SGD(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return search


def architecture_of(space, child):
    """Returns the `Architecture` of a list of `(choice, index)`."""
    return Architecture(
        space.name, {c.name: c.options[int(index)] for c, index in child}
    )


def next_children(search):
    """Returns the random and smallest children of the next step."""
    choices = search._sandwich.choices.values()
    states = [ops.convert_to_numpy(c.seed_generator.state) for c in choices]
    children = search._sandwich.others()
    for choice, state in zip(choices, states, strict=True):
        choice.seed_generator.state.assign(state)
    return children


def step(search, x, y, sample_weight=None):
    """Returns the loss of a training step, and its gradients."""
    with tf.GradientTape() as tape:
        loss = search.compute_loss(
            x, y, search(x, training=True), sample_weight
        )
    variables = search.model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    return loss, by_variable(search.model, gradients)


def written_out(
    search, space, x, y, sample_weight=None, distillation=True, decays=1
):
    """Returns what `step` does, from children built one by one."""
    model = search.model
    others = [architecture_of(space, c) for c in next_children(search)]
    assert others[-1] == space.smallest()
    children = [
        built_child(space, model, a) for a in (search.biggest(), *others)
    ]
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        loss, target = 0.0, None
        for child, _ in children:
            size = child.input_shape[1]
            logits = child(resized(x, size), training=True)
            if target is None or not distillation:
                loss = loss + loss_of(y, logits, sample_weight)
                target = tf.stop_gradient(tf.nn.softmax(logits))
            else:
                cross = tf.nn.softmax_cross_entropy_with_logits(target, logits)
                weights = 1.0 if sample_weight is None else sample_weight
                loss = loss + tf.reduce_mean(cross * weights)
    variables = [v for child, _ in children for v in child.trainable_variables]
    found = tape.gradient(loss, [v.value for v in variables])
    found = {
        id(v): ops.convert_to_numpy(g)
        for v, g in zip(variables, found, strict=True)
    }
    gradients = {}
    for variable in model.trainable_variables:
        value = ops.convert_to_numpy(variable)
        gradients[id(variable)] = np.zeros(variable.shape)
        if variable.name.endswith("kernel"):
            decay = search.weight_decay * decays
            loss = loss + decay * 0.5 * np.sum(value**2)
            gradients[id(variable)] += decay * value
    for _, pairs in children:
        for weight, small in pairs:
            if id(small) in found:
                where = cut(gradients[id(weight)], small.shape)
                gradients[id(weight)][where] += found[id(small)]
    return loss, gradients


def assert_same_step(actual, expected):
    assert_close(actual[0], expected[0])
    assert set(actual[1]) == set(expected[1])
    for key, gradient in actual[1].items():
        assert_close(gradient, expected[1][key], 2e-5)


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_a_step_is_the_sandwich_rule(space, execution):
    search = search_of(space, {"execution": execution}, weight_decay=0.1)
    x, y = images(), labels()
    for _ in range(2):
        expected = written_out(search, space, x, y)
        assert_same_step(step(search, x, y), expected)


def test_blocks_may_be_left_out_and_channels_change_anywhere():
    space = tiny_space()
    search = search_of(space, random_children=3)
    x, y = images(), labels()
    expected = written_out(search, space, x, y)
    assert_same_step(step(search, x, y), expected)


def test_sample_weights(space):
    search = search_of(space, random_children=1)
    x, y, weight = images(), labels(), np.float32([0.0, 1.0, 2.0, 0.5])
    expected = written_out(search, space, x, y, weight)
    assert_same_step(step(search, x, y, weight), expected)


def test_switches(space):
    search = search_of(
        space,
        random_children=0,
        distillation=False,
        regularize="all",
        weight_decay=0.1,
    )
    x, y = images(), labels()
    assert len(next_children(search)) == 1
    expected = written_out(search, space, x, y, None, False, decays=2)
    assert_same_step(step(search, x, y), expected)


@pytest.mark.parametrize("regularize", ["biggest", "all"])
def test_dropout_is_active_in(space, regularize, monkeypatch):
    search = search_of(space, {"dropout": 0.5}, regularize=regularize)
    active = []
    original = keras.layers.Dropout.call

    def call(self, inputs, training=False):
        active.append(bool(training))
        return original(self, inputs, training)

    monkeypatch.setattr(keras.layers.Dropout, "call", call)
    step(search, images(), labels())
    assert active == [True] + [regularize == "all"] * 3


def test_inference_is_the_chosen_child(space):
    search = search_of(space)
    architecture = space.sample(seed=3)
    search.choose(architecture)
    assert search.architecture().decisions == architecture.decisions
    child, _ = built_child(space, search.model, architecture)
    x = resized(images(), architecture.decisions["resolution"])
    for output in (search(images()), search.predict(images(), verbose=0)):
        assert_close(output, child(x))


def test_children_are_functions_of_seed_name_and_step(space):
    def drawn(seed, steps=6):
        search = keras_nas.search.BigNAS(space.supernet(3, seed=seed))
        children = []
        for _ in range(steps):
            others = search._sandwich.others()
            children.append(
                [tuple(int(i) for _, i in child) for child in others]
            )
        return children

    first = drawn(0)
    assert first == drawn(0) != drawn(1)
    assert len({tuple(children) for children in first}) > 3
    assert any(a != b for a, b, _ in first)  # Two random children differ.
    assert {smallest for _, _, smallest in first} == {(0,) * len(first[0][0])}


def test_graph_and_eager_draw_the_same_children(one_block):
    losses = []
    for run_eagerly in (True, False):
        search = search_of(
            one_block, optimizer=keras.optimizers.SGD(0.01), random_children=1
        )
        search.run_eagerly = run_eagerly
        x, y = images(batch=8), labels(batch=8)
        history = search.fit(
            x, y, batch_size=4, epochs=2, shuffle=False, verbose=0
        )
        losses.append(history.history)
    for key, values in losses[0].items():
        np.testing.assert_allclose(values, losses[1][key], rtol=1e-4)


@pytest.fixture(scope="module")
def several_sizes():
    """A space of four resolutions, and a supernet."""
    rows = ((1, (4,), (1,), 1, (3,)),)
    space = keras_nas.spaces.BigNASSpace(
        "sizes", rows, (4,), 1, (4, 6), (6, 8, 10, 12)
    )
    return space, supernet_of(space)


@pytest.mark.parametrize(
    "resolutions, random_children, expected",
    [
        (None, 2, [12, 8, 10, 6]),
        (None, 1, [12, 8, 6]),
        (None, 3, [12, 8, 10, 8, 6]),
        ([8, 12], 2, [12, 8, 12, 8]),
        ([10], 1, [10, 10, 10]),
        ([10, 6], 0, [10, 6]),
    ],
)
def test_resolutions(several_sizes, resolutions, random_children, expected):
    space, model = several_sizes
    search = keras_nas.search.BigNAS(
        model, resolutions=resolutions, random_children=random_children
    )
    children = [search._sandwich.biggest(), *search._sandwich.others()]
    options = [
        architecture_of(space, child).decisions["resolution"]
        for child in children
    ]
    assert options == expected
    # Known when the step is traced.
    assert all(
        type(dict((c.name, i) for c, i in child)["resolution"]) is int
        for child in children
    )


def test_a_model_of_one_resolution():
    space = tiny_space(resolutions=(8,))
    search = search_of(space, random_children=1)
    x, y = images(), labels()
    expected = written_out(search, space, x, y)
    assert_same_step(step(search, x, y), expected)


# Statistics, validation and export.


def batches(number=3, size=8):
    return [images(size, batch=6, seed=seed) for seed in range(number)]


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_statistics_are_those_of_the_child(space, execution):
    search = search_of(space, {"execution": execution}, recalibration_steps=2)
    architecture = space.sample(seed=4)
    child, _ = built_child(space, search.model, architecture)
    size = architecture.decisions["resolution"]
    small = [ops.convert_to_numpy(resized(b, size)) for b in batches()]
    keras_nas.recalibrate_batch_norm(child, small[:2], 2)
    assert search.recalibrate(architecture, batches()) == 12
    x = images(seed=9)
    assert_close(search(x), child(resized(x, size)))
    sliced = search.export_model(architecture)
    assert_plain(sliced)
    assert_close(sliced(resized(x, size)), child(resized(x, size)))
    for a, b in zip(sliced.weights, child.weights, strict=True):
        assert_close(a, b)


def test_evaluation_is_that_of_the_exported_child(space):
    search = search_of(space)
    architecture, x, y = space.sample(seed=1), images(batch=8), labels(batch=8)
    results = search.evaluate_child(architecture, batches(), (x, y))
    child = search.export_model(architecture, batches())
    child.compile(loss=search.loss, metrics=["accuracy"])
    size = architecture.decisions["resolution"]
    expected = child.evaluate(
        ops.convert_to_numpy(resized(x, size)), y, verbose=0, return_dict=True
    )
    assert results == pytest.approx(expected, rel=1e-5)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    again = search.evaluate_child(architecture, batches(), data)
    assert again == pytest.approx(expected, rel=1e-5)


def test_evaluation_with_sample_weights(space, eagerly):
    search = search_of(space)
    x, y = images(batch=8), labels(batch=8)
    weights = np.repeat(np.float32([1, 0]), 4)
    smallest = space.smallest()
    results = search.evaluate_child(smallest, batches(), (x, y, weights))
    kept = search.evaluate_child(smallest, batches(), (x[:4], y[:4]))
    assert results["loss"] == pytest.approx(kept["loss"] / 2, rel=1e-5)


def test_evaluation_has_no_other_children(space, eagerly):
    search = search_of(space)
    results = search.evaluate(images(), labels(), verbose=0, return_dict=True)
    assert set(results) == {"loss", "accuracy"}


def test_validation_takes_as_many_steps_as_it_is_told(one_block, eagerly):
    search = search_of(one_block)
    x, y = images(batch=8), labels(batch=8)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat()
    history = search.fit(
        x,
        y,
        validation_data=data,
        validation_steps=2,
        recalibration_data=batches(),
        verbose=0,
    ).history
    expected = search.evaluate_child(search.biggest(), batches(), (x, y))
    assert history["val_loss"][0] == pytest.approx(expected["loss"], rel=1e-5)


def test_logs(one_block, eagerly):
    search = search_of(one_block, random_children=1)
    x, y = images(batch=8), labels(batch=8)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(set(logs))
    )
    history = search.fit(
        x,
        y,
        batch_size=4,
        epochs=2,
        validation_data=(x, y),
        validation_freq=2,
        recalibration_data=batches(),
        callbacks=[watch],
        verbose=0,
    ).history
    assert len(history["loss"]) == len(history["children_loss"]) == 2
    validated = {
        f"val_{name}{key}"
        for name in ("", "smallest_")
        for key in ("loss", "accuracy")
    }
    assert validated == {key for key in history if key.startswith("val_")}
    assert all(len(history[key]) == 1 for key in validated)
    assert not seen[0] & validated and seen[1] >= validated
    assert search.architecture() == one_block.biggest()
    for name, child in (
        ("", search.biggest()),
        ("smallest_", search.smallest()),
    ):
        results = search.evaluate_child(child, batches(), (x, y))
        for key, value in results.items():
            assert history[f"val_{name}{key}"][-1] == pytest.approx(value)


def test_logged_loss_is_that_of_the_biggest_and_mean_of_the_others(one_block):
    search = search_of(
        one_block, optimizer=keras.optimizers.SGD(0.0), random_children=0
    )
    x, y = images(batch=6), labels(batch=6)
    expected = []
    for part in (slice(0, 4), slice(4, 6)):
        expected.append(written_out(search, one_block, x[part], y[part])[0])
    history = search.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
    both = history["loss"][0], history["children_loss"][0]
    biggest = loss_of_child(search, one_block, one_block.biggest(), x, y)
    total = (4 * float(expected[0]) + 2 * float(expected[1])) / 6
    assert both[0] == pytest.approx(total, rel=1e-5)
    # Batches of different sizes count as in the loss.
    assert both[1] == pytest.approx(total - biggest, rel=1e-4)


def loss_of_child(search, space, architecture, x, y):
    """Returns the mean loss of a child in batches of 4."""
    child, _ = built_child(space, search.model, architecture)
    total = 0.0
    for part in (slice(0, 4), slice(4, 6)):
        size = architecture.decisions["resolution"]
        logits = child(resized(x[part], size), training=True)
        total += len(x[part]) * float(search.loss(y[part], logits))
    return total / len(x)


def test_training_does_not_touch_statistics_or_choices(one_block, eagerly):
    search = search_of(one_block, random_children=1)
    search.choose(one_block.smallest())
    fixed = [
        w
        for w in search.model.weights
        if w.name in ("moving_mean", "moving_variance", "choice")
    ]
    before = [ops.convert_to_numpy(w) for w in fixed]
    search.fit(images(batch=8), labels(batch=8), batch_size=4, verbose=0)
    for weight, old in zip(fixed, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), old)


# Resuming.


class _Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def trained(space, *callbacks):
    keras.utils.set_random_seed(0)
    search = search_of(
        space,
        {"dropout": 0.3},
        keras.optimizers.RMSprop(0.01, momentum=0.9),
        weight_decay=1e-4,
        random_children=1,
    )
    x, y = images(batch=8), labels(batch=8)
    search.fit(
        x,
        y,
        batch_size=4,
        epochs=4,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return [
        ops.convert_to_numpy(v)
        for v in (*search.variables, *search.optimizer.variables)
    ]


def test_a_resumed_training_ends_as_an_unbroken_one(one_block, tmp_path):
    unbroken = trained(one_block)
    with pytest.raises(KeyboardInterrupt):
        trained(one_block, Checkpoint(tmp_path), _Stop())
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.epoch == 2
    resumed = trained(one_block, checkpoint)
    for a, b in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision(one_block, dtype):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        search = search_of(one_block, random_children=1)
        history = search.fit(
            images(batch=8), labels(batch=8), batch_size=4, verbose=0
        )
    finally:
        keras.config.set_dtype_policy(policy)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(history.history["children_loss"]).all()
    trained = search.model.trainable_variables
    assert {v.dtype for v in trained} == {"float32"}


# Errors.


@pytest.fixture(scope="module")
def supernet(space):
    """One that no test changes."""
    return supernet_of(space)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"random_children": -1}, "`random_children`.*-1"),
        ({"random_children": 1.5}, "`random_children`.*1.5"),
        ({"random_children": True}, "`random_children`.*True"),
        ({"regularize": "none"}, "`regularize`.*'none'"),
        ({"weight_decay": -0.1}, "`weight_decay`.*-0.1"),
        ({"weight_decay": "1"}, "`weight_decay`.*'1'"),
        ({"weight_decay": float("nan")}, "`weight_decay`.*nan"),
        ({"resolutions": [7]}, "`resolutions`.*7"),
        ({"resolutions": []}, "`resolutions`"),
        ({"resolutions": 8}, "`resolutions`.*8"),
        ({"recalibration_steps": 0}, "`recalibration_steps`.*0"),
    ],
)
def test_arguments_out_of_range_are_refused(supernet, arguments, match):
    with pytest.raises(ValueError, match=match):
        keras_nas.search.BigNAS(supernet, **arguments)


def test_other_masks_are_refused():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(8),
            keras_nas.FiGSMask(name="mask"),
            keras.layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match="ElasticChoice.*'mask'"):
        keras_nas.search.BigNAS(model)


def own_model(*top, filters=(2, 4), **kwargs):
    """Returns a block with some layers behind it."""
    block = keras_nas.ElasticMBConv(filters, name="block", **kwargs)
    return keras.Sequential([keras.Input((4, 4, 3)), block, *top])


@pytest.mark.parametrize("execution", ["sliced", "masked"])
@pytest.mark.parametrize("case", ["flatten", "concatenate", "activation"])
def test_models_whose_slices_are_not_the_first_channels(case, execution):
    keras.utils.clear_session()
    pool, dense = keras.layers.GlobalAveragePooling2D(), ElasticDense(2)
    if case == "flatten":
        model = own_model(keras.layers.Flatten(), dense, execution=execution)
    elif case == "concatenate":
        inputs = keras.Input((4, 4, 3))
        blocks = [
            keras_nas.ElasticMBConv(filters, execution=execution)(inputs)
            for filters in ([2, 4], 4)
        ]
        outputs = dense(pool(keras.layers.Concatenate()(blocks)))
        model = keras.Model(inputs, outputs)
    else:
        model = own_model(
            pool,
            dense,
            expand_ratio=[2, 3],
            activation="sigmoid",
            execution=execution,
        )
    if execution == "masked":
        keras_nas.search.BigNAS(model)
        return
    name = "block_depthwise" if case == "activation" else dense.name
    with pytest.raises(ValueError, match=f"'{name}'.*execution='masked'"):
        keras_nas.search.BigNAS(model)


def test_choices_of_one_name_are_refused():
    filters = [ElasticChoice([2, 4], name="width") for _ in range(2)]
    model = own_model(
        keras_nas.ElasticMBConv(filters[1], filters_in=filters[0]),
        keras.layers.GlobalAveragePooling2D(),
        ElasticDense(2),
        filters=filters[0],
    )
    with pytest.raises(ValueError, match="names of their own.*'width'"):
        keras_nas.search.BigNAS(model)


def test_distillation_needs_logits(space):
    pool = keras.layers.GlobalAveragePooling2D
    model = own_model(pool(), ElasticDense(1))
    with pytest.raises(ValueError, match="`model`.*distillation=False"):
        keras_nas.search.BigNAS(model)
    keras_nas.search.BigNAS(model, distillation=False).compile(
        "sgd", "binary_crossentropy"
    )
    search = keras_nas.search.BigNAS(own_model(pool(), ElasticDense(2)))
    for loss in (
        "sparse_categorical_crossentropy",
        keras.losses.CategoricalCrossentropy(),
    ):
        with pytest.raises(ValueError, match="`loss`.*from_logits=True"):
            search.compile("sgd", loss)


def test_an_export_has_statistics_of_its_own(one_block, eagerly):
    search = search_of(one_block)
    smallest, biggest = one_block.smallest(), one_block.biggest()
    with pytest.raises(ValueError, match="`batches`.*`recalibrate`"):
        search.export_model()
    search.recalibrate(smallest, batches())
    search.export_model()
    with pytest.raises(ValueError, match="`batches`"):
        search.export_model(biggest)
    data = {
        "validation_data": (images(), labels()),
        "recalibration_data": batches(),
        "verbose": 0,
    }
    search.fit(images(), labels(), **data)
    assert search.export_model().input_shape == (None, 8, 8, 3)
    search.fit(images(), labels(), epochs=3, validation_freq=2, **data)
    with pytest.raises(ValueError, match="`batches`"):
        search.export_model(biggest)


def test_recalibration_needs_batches(space):
    search = search_of(space)
    before = search.model.get_weights()
    with pytest.raises(ValueError, match="`batches`.*`\\[x\\]`"):
        search.export_model(space.biggest(), images())
    with pytest.raises(ValueError, match="no batches"):
        search.export_model(space.biggest(), iter([]))
    for old, new in zip(before, search.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"validation_freq": [1]}, "`validation_freq`"),
        ({"validation_data": iter([])}, "`validation_data`"),
    ],
)
def test_validation_that_is_refused(one_block, arguments, match):
    x, y = images(), labels()
    arguments = {"validation_data": (x, y), **arguments}
    with pytest.raises(ValueError, match=match):
        search_of(one_block).fit(x, y, recalibration_data=[x], **arguments)


def test_models_without_choices_are_refused():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    with pytest.raises(ValueError):
        keras_nas.search.BigNAS(model)


def test_architectures_that_do_not_fit_are_refused(space):
    search = search_of(space)
    before = search.architecture()
    good = space.smallest().decisions
    for decisions in (
        {**good, "more": 1},
        {"resolution": 6},
        {**good, "head_channels": 7},
    ):
        with pytest.raises(ValueError):
            search.choose(Architecture(space.name, decisions))
    with pytest.raises(ValueError, match="Architecture"):
        search.choose(good)
    assert search.architecture() == before


@pytest.mark.parametrize("data", ["array", "generator"])
def test_data_must_be_readable_again(one_block, data):
    search = search_of(one_block)
    x, y = images(), labels()
    source = {"array": x, "generator": iter([x])}[data]
    with pytest.raises(ValueError, match="recalibration_data"):
        search.fit(
            x, y, validation_data=(x, y), recalibration_data=source, verbose=0
        )


def test_a_split_of_the_data_is_not_validated_on(one_block):
    search = search_of(one_block)
    with pytest.raises(ValueError, match="validation_split"):
        search.fit(images(), labels(), validation_split=0.5, verbose=0)


def test_a_search_is_not_saved_as_a_whole(space, tmp_path):
    with pytest.raises(NotImplementedError, match="export_model"):
        search_of(space).save(tmp_path / "search.keras")


def test_children_of_threads_do_not_mix(space):
    choice = choices_of(supernet_of(space))["head_channels"]
    with running_child([(choice, 0)]):
        with running_child([(choice, 1)]):
            assert choice.index(training=True) == 1
        assert choice.index() == 0
    assert choice.index() == 1
