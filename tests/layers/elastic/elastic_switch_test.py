"""A switch against networks that are built without one."""

import itertools
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticBranch
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticDepthwiseConv2D
from keras_nas.layers import ElasticMBConv
from keras_nas.layers import ElasticSqueezeExcite
from keras_nas.layers import ElasticSwitch
from keras_nas.layers import running_child
from tests.elastic import assert_close
from tests.elastic import assert_is_cut_out
from tests.elastic import choices_of
from tests.elastic import choose
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import randomized
from tests.layers.layer_checks import check_serialization

KINDS = ("none", "depthwise", "squeeze")
DECISIONS = [
    dict(zip(("width", "kind", "kernel", "act"), options, strict=True))
    for options in (
        (4, "none", 3, "silu"),
        (6, "none", 1, "relu"),
        (4, "depthwise", 1, "relu"),
        (6, "depthwise", 3, "silu"),
        (4, "squeeze", 3, "silu"),
        (6, "squeeze", 3, "relu"),
    )
]


def network(execution="sliced", recompute=False):
    """A residual block of three kinds, then one of two activations."""
    width = ElasticChoice([4, 6], seed=0, name="width")
    kind = ElasticChoice(list(KINDS), seed=0, name="kind")
    kernel = ElasticChoice([1, 3], seed=0, name="kernel")
    act = ElasticChoice(["relu", "silu"], seed=0, name="act")
    mask = ElasticChannels([4, 6], width, execution=execution, name="mask")
    kinds = [
        None,
        ElasticDepthwiseConv2D(
            kernel, padding="same", execution=execution, name="depthwise"
        ),
        ElasticSqueezeExcite(2, None, mask, name="se"),
    ]
    acts = [layers.Activation(name, name=name) for name in act.options]
    inputs = keras.Input((8, 8, 3))
    x = ElasticConv2D(6, 3, use_bias=False, width=mask, name="stem")(inputs)
    x = shortcut = mask(ElasticBatchNormalization(name="norm")(x))
    x = ElasticSwitch(kinds, kind, recompute=recompute, name="kinds")(x)
    x = mask(layers.Add()([shortcut, x]))
    x = ElasticSwitch(acts, act, recompute=recompute, name="acts")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, ElasticDense(3, name="logits")(x))
    return randomized(model)


def plain_network(decisions):
    """Returns the same child of stock layers."""
    width, kind = decisions["width"], decisions["kind"]
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(width, 3, use_bias=False)(inputs)
    x = shortcut = layers.BatchNormalization()(x)
    if kind == "depthwise":
        x = layers.DepthwiseConv2D(decisions["kernel"], padding="same")(x)
    if kind == "squeeze":
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(2, 1, activation="silu")(gate)
        gate = layers.Conv2D(width, 1, activation="sigmoid")(gate)
        x = layers.Multiply()([x, gate])
    if kind != "none":
        x = layers.Add()([shortcut, x])
    x = layers.Activation(decisions["act"])(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize(
    "execution, recompute",
    [("sliced", False), ("sliced", True), ("masked", False)],
)
def test_every_child(execution, recompute):
    model, x = network(execution, recompute), images()
    step = tf.function(lambda indices: gradient_step(model, x, True, indices))
    for decisions in DECISIONS:
        architecture = keras_nas.Architecture("", decisions)
        child = plain_network(architecture.decisions)
        assert_is_cut_out(model, step, x, architecture, child)


class Counting(layers.Layer):
    """Counts how often it is traced, and how often it is run."""

    def build(self, input_shape):
        self.traces = 0
        self.count = self.add_weight(initializer="zeros", trainable=False)

    def call(self, inputs):
        self.traces += 1
        self.count.assign(self.count + 1.0)
        return inputs * 1.0

    def compute_output_shape(self, input_shape):
        return input_shape


def test_only_the_branch_that_holds_is_run():
    choice = ElasticChoice([0, 1, 2])
    branches = [Counting() for _ in choice.options]
    switch = ElasticSwitch(branches, choice)
    switch.build((None, 2))

    def run(index):
        with running_child([(choice, index)]):
            return switch(np.ones((1, 2), "float32"), training=True)

    run(1)
    assert [branch.traces for branch in branches] == [0, 1, 0]
    traced = tf.function(run)
    for index in (2, 2, 0):
        traced(tf.constant(index))
    assert [float(branch.count) for branch in branches] == [1.0, 1.0, 2.0]


def test_statistics_of_the_branch_that_holds_move():
    choice = ElasticChoice([0, 1])
    norms = [layers.BatchNormalization() for _ in choice.options]
    switch = ElasticSwitch(norms, choice)
    x = images()
    switch.build(x.shape)
    plain = layers.BatchNormalization()
    plain(x, training=True)

    @tf.function
    def run(index):
        with running_child([(choice, index)]):
            return switch(x, training=True)

    run(tf.constant(1))
    assert_close(norms[1].moving_variance, plain.moving_variance)
    assert (norms[0].moving_variance.numpy() == 1.0).all()


def block_of_blocks(synchronized=False, recompute=False):
    """Choices inside of branches, one of them in both."""
    width = ElasticChoice([2, 4], seed=0, name="width")
    kind = ElasticChoice([0, 1], seed=0, name="kind")
    other = ElasticChoice([1, 2], seed=0, name="other")
    common = {"filters_in": width, "zero_gamma": False, "seed": 0}
    common |= {"synchronized": synchronized, "se_ratio": 0.0}
    branches = [
        ElasticMBConv(width, 3, [1, 2], name="one", **common),
        ElasticMBConv(width, [3, 5], 2, name="two", **common),
        None,
    ]
    mask = ElasticChannels([2, 4], width, name="mask")
    inputs = keras.Input((8, 8, 3))
    x = mask(ElasticConv2D(4, 1, width=mask, name="stem")(inputs))
    y = ElasticSwitch(
        branches, [kind, other], [[0, 1], [1, 2]], recompute, name="blocks"
    )(x)
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, y]))
    return randomized(keras.Model(inputs, ElasticDense(3, name="logits")(x)))


@pytest.mark.parametrize("recompute", [False, True])
def test_choices_inside_are_drawn_in_every_step(recompute):
    models = [block_of_blocks(recompute=r) for r in (False, recompute)]
    x, seen = images(), set()
    step = tf.function(lambda: gradient_step(models[1], x, True))
    for number in range(7):
        results, others = gradient_step(models[0], x, True), step()
        assert_close(others[0], results[0])
        for a, b in zip(others[1], results[1], strict=True):
            b = np.zeros(a.shape) if b is None else b
            assert_close(a, b)
        choices = choices_of(models[1])
        seen.add(sum(int(choices[n].draw()[0]) for n in ("kind", "other")))
        states = [c.seed_generator.state[1] for c in choices.values()]
        assert [int(state) for state in states] == [number + 1] * len(states)
    assert seen == {0, 1, 2}


def test_branches_that_meet_are_all_computed():
    models = [block_of_blocks(s) for s in (True, False)]
    x = images()
    steps = [
        tf.function(lambda m=model: gradient_step(m, x, True))
        for model in models
    ]
    for _ in range(2):
        (logits, gradients), (expected, others) = (step() for step in steps)
        assert_close(logits, expected)
        for a, b in zip(gradients, others, strict=True):
            assert_close(a, b)


def test_a_table_of_several_choices(tmp_path):
    model = block_of_blocks()
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert set(choices_of(loaded)) == set(choices_of(model))
    x = images()
    for kind, other in itertools.product((0, 1), (1, 2)):
        decisions = dict(kind=kind, other=other, width=2)
        decisions |= dict(one_expand_ratio=1, two_kernel_size=3)
        architecture = keras_nas.Architecture("", decisions)
        outputs = []
        for one in (model, loaded):
            choose(one, architecture)
            sliced = keras_nas.slice_model(one, architecture)
            outputs += [one(x), sliced(x)]
        for output in outputs[1:]:
            assert_close(output, outputs[0])
        names = {layer.name.split("_")[0] for layer in sliced.layers}
        gone = {"one", "two"} - names
        assert gone == ({"one", "two"} - {["one", "two", ""][kind + other - 1]})
    assert keras_nas.ExpectedFLOPs(1.0).smallest(model) == 8 * 8 * 3 * 2 + 2 * 3


def _copy(layer):
    return type(layer).from_config(layer.get_config())


def test_a_switch_comes_back_from_its_config():
    width = ElasticChoice([2, 4], name="width")
    act = ElasticChoice(["relu", "silu"], name="act")
    branches = [layers.Activation(name) for name in act.options]
    switch = ElasticSwitch(branches, act, recompute=True)
    configs = [switch.get_config(), _copy(switch).get_config()]
    # Objects have other numbers than their copies.
    number = re.compile(r',? ?"shared_(object_)?id": \d+')
    texts = [number.sub("", json.dumps(config)) for config in configs]
    assert texts[0] == texts[1]
    mask = ElasticChannels([2, 4], width)
    branches = [ElasticConv2D(4, 3, width=mask), ElasticConv2D(4, 3)]
    again = _copy(ElasticSwitch(branches, width, [1, 0]))
    (choice,) = again.branches[0].width.decided_by
    assert again.decided_by[0] is choice is again.join.decided_by[0]
    check_serialization(ElasticBranch([0, 1], width, zero=0))


def test_an_activation_that_makes_something_of_zero_is_not_cut():
    width = ElasticChoice([4, 8], name="width")
    act = ElasticChoice(["relu", "sigmoid"], name="act")
    mask = ElasticChannels([4, 8], width)
    model = keras.Sequential([keras.Input((6, 6, 3))])
    for layer in (
        ElasticConv2D(8, 3, width=mask),
        mask,
        ElasticSwitch([layers.Activation(a) for a in act.options], act),
        ElasticConv2D(8, 3),
    ):
        model.add(layer)
    smallest = keras_nas.Architecture("", {"width": 4, "act": "relu"})
    with pytest.raises(ValueError, match="execution='masked'"):
        keras_nas.slice_model(model, smallest)


@pytest.mark.parametrize(
    "branches, table, match",
    [
        ([], None, "`branches`"),
        ([None, None], None, "`branches`"),
        ([layers.ReLU(), "relu"], None, "`branches`"),
        ([layers.ReLU()], None, "`table`"),
        ([layers.ReLU(), None], [0, 0], "`table`"),
        ([layers.ReLU(), None], [1, 2], "`table`"),
        ([layers.ReLU(), None], [[0], [1]], "`table`"),
        ([layers.ReLU(), None], [0, 1, 0], "`table`"),
    ],
)
def test_switches_that_are_refused(branches, table, match):
    with pytest.raises(ValueError, match=match):
        ElasticSwitch(branches, ElasticChoice([0, 1]), table)


def test_branches_that_are_refused():
    choice = ElasticChoice([0, 1])
    for other in (None, layers.Conv2D(4, 1)):
        switch = ElasticSwitch([layers.Conv2D(8, 1), other], choice)
        with pytest.raises(ValueError, match="must give the same shape"):
            switch.build((None, 4, 4, 3))
    for zero in (2, -1):
        with pytest.raises(ValueError, match="`zero`"):
            ElasticBranch([0, 1], choice, zero=zero)
    with pytest.raises(ValueError, match="list of 1 tensors"):
        ElasticBranch([0, 1], choice, zero=1)([np.ones(2), np.ones(2)])
