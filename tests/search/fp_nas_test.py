"""FP-NAS against enumeration, and against steps written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_nas
from keras_nas.layers import running_child
from keras_nas.search import ArchitectureDistribution
from keras_nas.training import Checkpoint
from tests.common import assert_plain
from tests.fp_nas import ALL
from tests.fp_nas import EXTRA
from tests.fp_nas import FULL
from tests.fp_nas import GROUPS
from tests.fp_nas import WORTH
from tests.fp_nas import by_name
from tests.fp_nas import decided
from tests.fp_nas import elastic_data
from tests.fp_nas import elastic_model
from tests.fp_nas import elastic_search
from tests.fp_nas import in_order
from tests.fp_nas import macs
from tests.fp_nas import table_data
from tests.fp_nas import table_model
from tests.fp_nas import table_search

WORTHS = np.array([WORTH[a, b] + EXTRA[c] for a, b, c in ALL])
COSTS = np.array([macs(row) for row in ALL])


def numpy(values):
    return [ops.convert_to_numpy(v).copy() for v in values]


# What it finds.


@pytest.mark.parametrize(
    "distribution, target",
    [("joint", FULL), ("factorized", FULL), ("mixed", FULL), ("mixed", 24)],
)
def test_the_best_architecture_is_found(distribution, target):
    search = table_search(
        regularizer=keras_nas.ExpectedFLOPs(target=target),
        distribution=distribution,
        joint_epoch=3,
        samples_per_nat=4.0,
        logits_optimizer=keras.optimizers.Adam(0.03),
    )
    x, y = table_data(240)
    history = search.fit(x, y, batch_size=8, epochs=7, verbose=0).history
    within = COSTS <= target
    best = ALL[within][np.argmax(WORTHS[within])]
    assert decided(search) == best.tolist()
    assert search.distribution.is_joint == (distribution != "factorized")
    entropy, samples = history["entropy"], history["samples"]
    assert entropy[-1] < 0.5 * entropy[0]
    assert samples[0] > samples[-1]
    assert search.decided_cost() == pytest.approx(macs(best) / FULL)
    # Of each image, the logarithm of the mean of likelihoods.
    loss = history["architecture_loss"][-1]
    assert -max(WORTHS) - 1e-4 < loss < -0.9 * max(WORTHS)


def test_the_decision_is_within_the_target_whatever_was_learned():
    search = table_search(regularizer=keras_nas.ExpectedFLOPs(target=13))
    expensive = in_order(search, [2, 2, 1])
    for logits, index in zip(
        search.distribution.factorized, expensive, strict=True
    ):
        logits.assign(8.0 * np.eye(logits.shape[0])[index])
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(decided(search))
    )
    search.fit(*table_data(4), batch_size=4, verbose=0, callbacks=[watch])
    assert seen == [[2, 2, 1]]  # The most probable one, until `fit` ends.
    scores = ops.convert_to_numpy(
        search.distribution.log_probability(in_order(search, ALL))
    )
    within = COSTS <= 13
    expected = ALL[within][np.argmax(scores[within])].tolist()
    assert decided(search) == expected


# One step.


def exact_gradients(search, images, target, beta):
    """Returns the gradients of Eq. 6 by enumeration, by variable."""
    rows = in_order(search, ALL)
    logits = search.distribution.logits
    hinges = np.maximum(COSTS / target - 1.0, 0.0)
    likelihoods = np.float32(np.exp(images * WORTHS))
    with tf.GradientTape() as tape:
        p = tf.exp(search.distribution.log_probability(rows))
        loss = -tf.math.log(tf.reduce_sum(p * likelihoods))
        loss += beta * tf.math.log(tf.reduce_sum(p * np.float32(hinges)))
    return tape.gradient(loss, [v.value for v in logits])


@pytest.mark.parametrize("representation", ["factorized", "joint"])
def test_the_mean_of_the_estimator_is_the_exact_gradient(representation):
    samples, beta, target, images = 4000, 1.0, 15, 4
    search = table_search(
        regularizer=keras_nas.ExpectedFLOPs(target=target),
        distribution=representation,
        samples=samples,
        cost_weight=beta,
        logits_optimizer=keras.optimizers.SGD(1.0),
    )
    rng = np.random.default_rng(3)
    for logits in search.distribution.logits:
        logits.assign(rng.normal(0.0, 0.7, logits.shape))
    expected = exact_gradients(search, images, target, beta)
    before = numpy(search.distribution.logits)
    x, y = table_data(images)
    search.fit(x, y, batch_size=images, verbose=0)
    steps = [
        old - new.numpy()
        for old, new in zip(before, search.distribution.logits, strict=True)
    ]
    steps, expected = (
        np.concatenate([np.ravel(v) for v in values])
        for values in (steps, expected)
    )
    # Standard errors are of the order of 1 / sqrt(4000) = 0.016.
    assert np.abs(expected).max() > 0.2
    np.testing.assert_allclose(steps, expected, rtol=0, atol=0.04)


def drawn(search, number):
    """Returns the architectures of the next step, one row each."""
    state = search.distribution.seed_generator.state
    before = state.numpy()
    search.distribution.begin_step()
    indices = ops.convert_to_numpy(search.distribution.sample(number))
    state.assign(before)
    return indices


@pytest.mark.parametrize("execution", ["masked", "sliced"])
def test_weights_get_the_mean_of_the_gradients(execution):
    model = elastic_model(execution, regularizer="l2")
    search = elastic_search(model, keras.optimizers.SGD(1.0), samples=3)
    x, y = elastic_data(16)
    children = drawn(search, 3)
    assert len(np.unique(children, axis=0)) > 1
    losses, gradients = [], []
    variables = model.trainable_variables
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for child in children.tolist():
        pairs = list(zip(search.choices, child, strict=True))
        with tf.GradientTape() as tape, running_child(pairs):
            loss = loss_of(y[:8], model(x[:8], training=True))
            loss = loss + sum(model.losses)
        losses.append(float(loss))
        gradients.append(
            tape.gradient(
                loss,
                [v.value for v in variables],
                unconnected_gradients="zero",
            )
        )
    before = numpy(variables)
    history = search.fit(x, y, batch_size=8, shuffle=False, verbose=0).history
    for index, (old, new) in enumerate(zip(before, variables, strict=True)):
        mean = np.mean([g[index].numpy() for g in gradients], axis=0)
        np.testing.assert_allclose(old - new.numpy(), mean, atol=2e-6)
    assert history["loss"] == pytest.approx([np.mean(losses)], rel=1e-5)
    costs = [
        search.regularizer.decided(model)
        for child in children
        if search.choose_indices(child) is None
    ]
    share = np.mean(costs) / search.full_cost
    assert history["sampled_cost"] == pytest.approx([share], rel=1e-5)


def test_likelihoods_are_of_the_other_half_with_the_old_weights():
    search = elastic_search(samples=1)
    x, y = elastic_data(16)
    (child,) = drawn(search, 1).tolist()
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with running_child(list(zip(search.choices, child, strict=True))):
        expected = loss_of(y[8:], search.model(x[8:], training=True))
    history = search.fit(x, y, batch_size=8, shuffle=False, verbose=0).history
    assert history["architecture_loss"] == pytest.approx([float(expected)])


def test_sample_weights_count():
    search = table_search(samples=1)
    weights = np.array([1.0, 0.0, 2.0, 2.0])
    (child,) = by_name(search, drawn(search, 1)).tolist()
    x, y = table_data(2)
    history = search.fit(
        x, y, batch_size=2, sample_weight=weights, shuffle=False, verbose=0
    ).history
    worth = WORTH[child[0], child[1]] + EXTRA[child[2]]
    assert history["loss"] == pytest.approx([-worth / 2], abs=1e-6)
    expected = pytest.approx([-worth * 2], abs=1e-6)
    assert history["architecture_loss"] == expected


# Phases.


def traces_of(search, monkeypatch):
    """Returns a list that gets longer with each trace of the step."""
    traces, train = [], search._train_on

    def counted(data):
        traces.append(None)
        return train(data)

    monkeypatch.setattr(search, "_train_on", counted)
    return traces


@pytest.mark.parametrize("warmup_epochs, expected", [(0, 1), (1, 2)])
def test_samples_follow_the_entropy_without_a_retrace(
    warmup_epochs, expected, monkeypatch
):
    search = table_search(
        samples_per_nat=2.0,
        warmup_epochs=warmup_epochs,
        joint_epoch=2,
        logits_optimizer=keras.optimizers.SGD(0.0),
    )
    traces, distribution = traces_of(search, monkeypatch), search.distribution

    def sharpen(epoch):
        for logits in distribution.logits:
            top = np.eye(logits.shape[0])[0]
            logits.assign(top * {1: 2.0, 3: 2.0, 4: 20.0}.get(epoch, 0.0))

    history = search.fit(
        *table_data(8),
        batch_size=4,
        epochs=5,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: sharpen(epoch)
            )
        ],
    ).history
    per_step = [2 * max(1, int(2.0 * h + 1e-4)) for h in history["entropy"]]
    assert history["samples"] == per_step
    assert per_step[0] == 2 * 5 and per_step[-1] == 2 * 1
    assert len(set(per_step)) > 2
    assert len(traces) == expected


def test_a_fixed_number_of_samples():
    search = table_search(samples=3)
    search.fit(*table_data(8), batch_size=4, epochs=2, verbose=0)
    assert search.history.history["samples"] == [6.0, 6.0]


def test_logits_wait_for_the_warm_up():
    search = elastic_search(warmup_epochs=1)
    x, y = elastic_data()
    before = numpy(search.model.trainable_variables)
    history = search.fit(x, y, batch_size=8, verbose=0).history
    assert not any(v.numpy().any() for v in search.distribution.factorized)
    assert int(search.logits_optimizer.iterations) == 0
    assert "architecture_loss" not in history
    after = numpy(search.model.trainable_variables)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    search.fit(x, y, batch_size=8, initial_epoch=1, epochs=2, verbose=0)
    assert all(v.numpy().any() for v in search.distribution.factorized)


def test_the_optimizer_of_the_logits_begins_anew_with_the_joint_ones():
    search = table_search(
        joint_epoch=1, logits_optimizer=keras.optimizers.Adam(0.125)
    )
    data = table_data(4)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(
            (
                int(search.logits_optimizer.iterations),
                numpy(search.distribution.joint),
                search.distribution.is_joint,
            )
        )
    )
    search.fit(*data, batch_size=4, epochs=1, verbose=0, callbacks=[watch])
    converted = ArchitectureDistribution.from_config(
        search.distribution.get_config()
    )
    for new, old in zip(
        converted.variables, search.distribution.variables, strict=True
    ):
        new.assign(old)
    converted.convert()
    search.fit(
        *data,
        batch_size=4,
        initial_epoch=1,
        epochs=2,
        verbose=0,
        callbacks=[watch],
    )
    assert [s[0] for s in seen] == [1, 1]
    assert [s[2] for s in seen] == [False, True]
    # The first step of Adam is of the size of its learning rate.
    for old, new in zip(numpy(converted.joint), seen[1][1], strict=True):
        moved = np.abs(new - old)
        assert moved.max() == pytest.approx(0.125, rel=1e-3)


class _Stop(keras.callbacks.Callback):
    def __init__(self, last):
        super().__init__()
        self.last = last

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.last:
            raise KeyboardInterrupt


def trained(*callbacks):
    search = elastic_search(
        elastic_model(dropout=0.3), warmup_epochs=1, joint_epoch=2
    )
    x, y = elastic_data()
    search.fit(
        x,
        y,
        batch_size=8,
        epochs=4,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    variables = [*search.variables, *search.optimizer.variables]
    return [*numpy(variables), np.array(decided(search))]


def test_a_resumed_search_ends_as_an_unbroken_one(tmp_path):
    unbroken = trained()
    for last in (1, 2):  # After the warm-up, and before the conversion.
        with pytest.raises(KeyboardInterrupt):
            trained(Checkpoint(tmp_path), _Stop(last))
        assert Checkpoint(tmp_path).epoch == last
    resumed = trained(Checkpoint(tmp_path))
    for a, b in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


# Data, validation and export.


def test_kinds_of_data_are_the_same():
    def history_of(x, y=None, **kwargs):
        search = elastic_search(samples=2)
        return search.fit(
            x, y, epochs=2, shuffle=False, verbose=0, **kwargs
        ).history

    x, y = elastic_data(24)
    first, second = (x[:16], y[:16]), (x[16:], y[16:])

    def dataset(arrays):
        return tf.data.Dataset.from_tensor_slices(arrays).batch(8)

    class Batches(keras.utils.PyDataset):
        def __init__(self, arrays):
            super().__init__()
            self.arrays = arrays
            self.told = []

        @property
        def num_batches(self):
            return len(self.arrays[0]) // 8

        def on_epoch_begin(self):
            self.told.append("begin")

        def on_epoch_end(self):
            self.told.append("end")

        def __getitem__(self, index):
            part = slice(8 * index, 8 * index + 8)
            return tuple(a[part] for a in self.arrays)

    expected = history_of(*first, batch_size=8, architecture_data=second)
    assert len(expected["loss"]) == 2
    for kind in (dataset, Batches):
        weights, architecture = kind(first), kind(second)
        actual = history_of(weights, architecture_data=architecture)
        for key, values in expected.items():
            assert actual[key] == pytest.approx(values, rel=1e-5), key
    for batches in (weights, architecture):
        assert batches.told[-4:] == ["begin", "end"] * 2


def test_validation_is_of_the_most_probable_architecture():
    search = elastic_search(regularizer=keras_nas.ExpectedFLOPs(target=1.0))
    x, y = elastic_data()
    history = search.fit(
        x, y, batch_size=8, epochs=2, verbose=0, validation_data=(x, y)
    ).history
    best = search.distribution.most_probable()
    assert decided(search) == by_name(search, best).tolist()
    batches = [x[:8], x[8:16]]  # Of the training data, the first half.
    results = search.evaluate_child(search.architecture(), batches, (x, y))
    for key, value in results.items():
        assert history[f"val_{key}"][-1] == pytest.approx(value, rel=1e-5)
    assert set(history) == {
        *("loss", "accuracy", "architecture_loss", "samples", "entropy"),
        *("sampled_cost", "decided_cost", "val_loss", "val_accuracy"),
    }
    model = search.export_model(batches=batches)
    assert_plain(model)
    outputs = model.predict(x, verbose=0)
    np.testing.assert_allclose(outputs, search.predict(x, verbose=0), atol=1e-5)
    cost = keras_nas.count_cost(model).macs
    share = cost / search.full_cost
    assert history["decided_cost"][-1] == pytest.approx(share)


def test_synchronized_statistics_without_a_strategy():
    search = elastic_search(elastic_model(synchronized=True), samples=1)
    x, y = elastic_data()
    history = search.fit(x, y, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision(dtype):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        search = elastic_search()
        x, y = elastic_data()
        history = search.fit(x, y, batch_size=8, verbose=0).history
    finally:
        keras.config.set_dtype_policy(policy)
    assert np.isfinite(np.concatenate(list(history.values()))).all()
    assert {v.dtype for v in search.trainable_variables} == {"float32"}
    assert all(v.numpy().any() for v in search.distribution.factorized)


# Errors.


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"cost_weight": -0.1}, "`cost_weight`.*-0.1"),
        ({"samples_per_nat": 0.0}, "`samples_per_nat`.*0.0"),
        ({"samples": 0}, "`samples`.*0"),
        ({"samples": 2.0}, "`samples`.*2.0"),
        ({"distribution": "both"}, "`distribution`.*'both'"),
        ({"joint_epoch": -1}, "`joint_epoch`.*-1"),
        ({"warmup_epochs": 0.5}, "`warmup_epochs`.*0.5"),
        ({"likelihood_temperature": 0}, "`likelihood_temperature`.*0"),
        ({"likelihood_temperature": "mean"}, "`likelihood_temperature`"),
        ({"groups": {"row": ("a", "z")}}, "`groups`.*'z'"),
        ({"recalibration_steps": 0}, "`recalibration_steps`.*0"),
        (
            {"regularizer": keras_nas.ExpectedFLOPs(1e-3)},
            r"`regularizer`.*ExpectedFLOPs\(target=0.5\).*0.001",
        ),
        ({"regularizer": keras_nas.ExpectedFLOPs(target=5)}, "`target`.*5"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        table_search(**arguments)


def test_other_masks_are_refused():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(8),
            keras_nas.FiGSMask(name="mask"),
            keras.layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match="FPNAS.*ElasticChoice.*'mask'"):
        keras_nas.search.FPNAS(model)


def test_a_loss_is_needed():
    search = keras_nas.search.FPNAS(table_model(), groups=GROUPS)
    with pytest.raises(ValueError, match="`loss`"):
        search.compile("sgd")


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"y": None}, "`architecture_data`"),
        ({"architecture_data": np.ones((4, 2))}, "`architecture_data`"),
        ({"architecture_data": (np.ones((0, 2)), np.ones(0))}, "`archi"),
        ({"class_weight": {0: 1.0}}, "`class_weight`.*`sample_weight`"),
        ({"validation_split": 0.5}, "`validation_split`"),
    ],
)
def test_data_that_is_refused(arguments, match):
    x, y = table_data(4)
    with pytest.raises(ValueError, match=match):
        table_search().fit(**{"x": x, "y": y, "verbose": 0, **arguments})
