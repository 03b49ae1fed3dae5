"""Subclassed models and layers made of layers: masks in, and cut."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import slice_model
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import decide
from tests.common import decide_at_random
from tests.common import mask
from tests.common import masks_of
from tests.common import params_of
from tests.common import randomize
from tests.common import run


@keras.saving.register_keras_serializable(package="tests.traced")
class Unit(layers.Layer):
    """Convolution, norm, ReLU."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, 3, padding="same", use_bias=False)
        self.norm = layers.BatchNormalization()

    def call(self, inputs, training=None):
        return ops.relu(self.norm(self.conv(inputs), training=training))


class Stages(layers.Layer):
    """Units in nested lists, around each stage a shortcut."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.stages = [[Unit(6), Unit(filters)], [Unit(5), Unit(filters)]]

    def call(self, inputs, training=None):
        x = inputs
        for stage in self.stages:
            y = x
            for unit in stage:
                y = unit(y, training=training)
            x = x + y
        return x


class Network(keras.Model):
    """A subclassed model; `get_config` is Keras's own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = Unit(4)
        self.stages = Stages(4)
        self.pool = layers.GlobalAveragePooling2D()
        self.classifier = layers.Dense(3)

    def call(self, inputs, training=None):
        x = self.stem(inputs, training=training)
        x = self.stages(x, training=training)
        return self.classifier(self.pool(x))


def built(model, *shape):
    model(np.zeros((1, *shape), "float32"))
    return randomize(model)


def batch(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, *shape)).astype("float32")


def widths(model):
    return [v.filters for v in model.layers if hasattr(v, "filters")]


def inbound(model):
    return [len(v._inbound_nodes) for v in model._flatten_layers()]


def test_subclassed_model_is_masked_and_cut():
    model = built(Network(), 6, 6, 3)
    nodes = inbound(model)
    images = batch(6, 6, 3)
    before = run(model, images)[0]
    masked = insert_masks(model, seed=0)
    np.testing.assert_allclose(run(masked, images)[0], before, 0, 1e-5)
    assert len(masks_of(masked)) == 5
    for seed in range(3):
        assert_slices(decide_at_random(masked, seed, keep=(0.4, 0.7)))
    # The user's layers are as they were, but for the call above.
    assert inbound(model) == nodes
    np.testing.assert_array_equal(run(model, images)[0], before)


def test_decisions_reach_the_layers_inside():
    masked = insert_masks(built(Network(), 6, 6, 3), seed=0)
    kept = {m.name: range(m.logits.shape[0]) for m in masks_of(masked)}
    inner = [m.name for m in masks_of(masked) if m.logits.shape[0] > 4]
    assert len(inner) == 2  # In the middle of each stage.
    kept.update({inner[0]: [0, 5], inner[1]: [1, 2, 3]})
    sliced, report = assert_slices(decide(masked, **kept))
    assert widths(sliced) == [4, 2, 4, 3, 4]
    assert not report.barriers


def test_masks_within_a_layer_are_cut():
    class Masked(layers.Layer):
        def __init__(self):
            super().__init__()
            self.steps = [layers.Dense(5), mask("inside"), layers.Dense(3)]

        def call(self, inputs):
            for step in self.steps:
                inputs = step(inputs)
            return inputs

    inputs = keras.Input((4,))
    model = randomize(keras.Model(inputs, Masked()(inputs)))
    sliced, _ = assert_slices(decide(model, inside=[0, 3]))
    assert [v.units for v in sliced.layers[1:]] == [2, 3]


def test_shared_sublayer_is_cut_once():
    class Twice(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4, name="shared")

        def call(self, inputs):
            return self.dense(ops.tanh(self.dense(inputs)))

    inputs = keras.Input((3,))
    x = layers.Dense(4, name="first")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(Twice()(x)))
    masked = insert_masks(randomize(model), seed=0)
    assert [m.name for m in masks_of(masked)] == ["first_mask", "shared_mask"]
    masked = decide(masked, first_mask=[0, 1], shared_mask=[0, 1])
    sliced, _ = assert_slices(masked)
    shared = sliced.get_layer("shared")
    assert len(shared._inbound_nodes) == 2
    assert shared.kernel.shape == (2, 2)


def test_two_inputs_one_of_them_a_keyword():
    class Gate(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(6, name="dense")
            self.gate = layers.Dense(6, activation="sigmoid", name="gate")

        def call(self, inputs, by=None):
            return self.dense(inputs) * self.gate(by)

    a, b = keras.Input((4,)), keras.Input((3,))
    model = keras.Model([a, b], layers.Dense(2)(Gate()(a, by=b)))
    masked = insert_masks(randomize(model), seed=0)
    assert_same_function(model, masked)
    for seed in range(3):
        assert_slices(decide_at_random(masked, seed))


class WithDense(layers.Layer):
    """Base class: a layer that has a layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4)

    def build(self, input_shape):
        self.dense.build(input_shape)


class UsesTensorFlow(WithDense):
    def call(self, inputs):
        import tensorflow as tf

        return tf.nn.relu(self.dense(inputs))


class Branching(WithDense):
    def call(self, inputs, training=None):
        x = self.dense(inputs)
        return 2.0 * x if training else x


class WithFactor(WithDense):
    def build(self, input_shape):
        super().build(input_shape)
        self.factor = self.add_weight(shape=(4,), name="factor")

    def call(self, inputs):
        return self.dense(inputs) * self.factor


OPAQUE = {
    UsesTensorFlow: "its call cannot be traced: ",
    Branching: "its call depends on the argument `training`",
    WithFactor: "it has weights of its own, such as 'factor'",
}


@pytest.mark.parametrize("cls, reason", OPAQUE.items())
def test_the_rest_of_a_model_around_an_unknown_layer_is_cut(cls, reason):
    inputs = keras.Input((4,))
    x = layers.Dense(6, name="a")(inputs)
    x = layers.Dense(5, name="b")(layers.ReLU()(x))
    x = cls(name="unknown")(x)
    x = layers.ReLU()(layers.Dense(7, name="c")(x))
    model = randomize(keras.Model(inputs, layers.Dense(2, name="d")(x)))
    masked = insert_masks(model, seed=0)
    assert_same_function(model, masked)
    assert [m.name for m in masks_of(masked)] == ["a_mask", "c_mask"]
    decide(masked, a_mask=[1], c_mask=[0, 1])
    sliced, report = slice_model(masked, return_report=True)
    assert_same_function(masked, sliced)
    units = {n: sliced.get_layer(n).units for n in "abcd"}
    assert units == {"a": 1, "b": 5, "c": 2, "d": 2}
    assert type(sliced.get_layer("unknown")) is cls
    ((name, found),) = report.barriers
    assert name == "unknown" and found.startswith(reason)
    assert f"kept whole: unknown: {reason}" in str(report)
    assert count_cost(sliced).uncounted == ("unknown",)
    assert count_cost(sliced).params == params_of(sliced)


class Unknown(keras.Model):
    """A model of which nothing can be read."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = layers.Dense(5), layers.Dense(2)

    def call(self, inputs):
        import tensorflow as tf

        return self.last(tf.nn.relu(self.hidden(inputs)))


def test_a_model_that_cannot_be_read_is_refused_with_the_reason():
    model = built(Unknown(), 4)
    cost = count_cost(model)
    assert (cost.macs, cost.params) == (0, 25 + 12)
    assert cost.uncounted == (model.name,)
    with pytest.raises(ValueError) as error:
        insert_masks(model)
    assert "no place for a mask" in str(error.value)
    assert f"{model.name}: its call cannot be traced: " in str(error.value)


def test_a_model_that_was_not_called_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="Call it on a batch of data"):
        insert_masks(Network())


def test_a_model_of_several_call_arguments_is_refused_with_the_way_out():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, a, b):
            return self.dense(a) + b

    model = Two()
    model(np.zeros((1, 4)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="several call arguments"):
        insert_masks(model)


class NoConfig(layers.Layer):
    """Its argument is not in the config that Keras makes."""

    def __init__(self, table):
        super().__init__(name="mine")
        self.table = table
        self.factor = self.add_weight(shape=(4,), name="factor")

    def call(self, inputs):
        return inputs * self.factor


class ForgetsArgument(NoConfig):
    def get_config(self):
        return {"name": self.name}


@pytest.mark.parametrize("cls", [NoConfig, ForgetsArgument])
def test_a_layer_that_cannot_be_copied_is_named_with_the_way_out(cls):
    inputs = keras.Input((4,))
    x = layers.Dense(4)(layers.ReLU()(layers.Dense(3)(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(cls(object())(x)))
    with pytest.raises(ValueError) as error:
        insert_masks(model)
    message = str(error.value)
    assert f"Layer 'mine' of type {cls.__name__} cannot be copied" in message
    assert "get_config" in message
