"""Blocks with a table of channels inside, against networks built directly."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticBottleneck
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticDepthwiseConv2D
from keras_nas.layers import ElasticResidual
from keras_nas.layers import ElasticSwitch
from tests.elastic import assert_close
from tests.elastic import assert_is_cut_out
from tests.elastic import choices_of
from tests.elastic import choose
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import randomized

INSIDE = [[3, 8], [5, 12]]
NAMES = "before", "ratio", "kind", "kernel", "act", "after"
DECISIONS = [
    dict(zip(NAMES, options, strict=True))
    for options in (
        (4, "0.75", "own", 3, "relu", 4),
        (4, "2", "own", 5, "silu", 6),
        (6, "0.75", "own", 5, "silu", 6),
        (6, "2", "three", 5, "relu", 4),
    )
]


def network(execution, recompute=False):
    """A convolution, a block, and a shortcut where there may be one."""
    choices = {
        name: ElasticChoice(options, seed=0, name=name)
        for name, options in (
            ("before", [4, 6]),
            ("ratio", ["0.75", "2"]),
            ("kind", ["own", "three"]),
            ("kernel", [3, 5]),
            ("act", ["relu", "silu"]),
            ("after", [4, 6]),
        )
    }

    def mask(widths, *names):
        decided_by = [choices[name] for name in names]
        return ElasticChannels(widths, decided_by, execution=execution)

    middle = [
        ElasticDepthwiseConv2D(
            kernel,
            padding="same",
            use_bias=False,
            execution=execution,
            name=name,
        )
        for name, kernel in (("own", choices["kernel"]), ("three", 3))
    ]
    block = ElasticBottleneck(
        filters=mask([4, 6], "after"),
        inside=mask(INSIDE, "before", "ratio"),
        middle=ElasticSwitch(
            middle, choices["kind"], recompute=recompute, name="middle"
        ),
        activation=ElasticSwitch(
            [layers.Activation(name) for name in choices["act"].options],
            choices["act"],
            name="act",
        ),
        name="block",
    )
    stem = mask([4, 6], "before")
    inputs = keras.Input((8, 8, 3))
    x = ElasticConv2D(6, 3, use_bias=False, width=stem, name="stem")(inputs)
    x = stem(ElasticBatchNormalization(name="stem_bn")(x))
    decided_by = [choices["before"], choices["after"]]
    residual = ElasticResidual(decided_by, execution=execution)
    x = residual([x, block(x)])
    x = layers.GlobalAveragePooling2D()(x)
    return randomized(keras.Model(inputs, ElasticDense(3, name="logits")(x)))


def plain_network(before, ratio, kind, kernel, act, after):
    inside = INSIDE[[4, 6].index(before)][["0.75", "2"].index(ratio)]
    kernel = kernel if kind == "own" else 3
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(before, 3, use_bias=False)(inputs)
    x = shortcut = layers.BatchNormalization()(x)
    x = layers.Conv2D(inside, 1, use_bias=False)(x)
    x = layers.Activation(act)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(kernel, padding="same", use_bias=False)(x)
    x = layers.Conv2D(after, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([shortcut, x]) if before == after else x
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize(
    "execution, recompute",
    [("sliced", False), ("masked", False), ("masked", True)],
)
def test_every_child(execution, recompute):
    model, x = network(execution, recompute), images()
    step = tf.function(lambda indices: gradient_step(model, x, True, indices))
    for decisions in DECISIONS:
        architecture = keras_nas.Architecture("", decisions)
        child = plain_network(**decisions)
        assert_is_cut_out(model, step, x, architecture, child)


def test_a_file(tmp_path):
    model = network("sliced")
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert set(choices_of(loaded)) == set(NAMES)
    for decisions in DECISIONS[:2]:
        for one in (model, loaded):
            choose(one, keras_nas.Architecture("", decisions))
        assert_close(model(images()), loaded(images()))


def test_numbers_that_are_not_chosen():
    middle = layers.DepthwiseConv2D(3, padding="same", name="middle")
    block = ElasticBottleneck(4, 3, middle, expands=False, name="block")
    again = ElasticBottleneck.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    x = np.ones((1, 4, 4, 3), "float32")
    assert block(x).shape == (1, 4, 4, 4)
    assert [w.path for w in block.weights[:3]] == [
        "block/middle/kernel",
        "block/middle/bias",
        "block/block_project/kernel",
    ]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"filters": 0}, "`filters`.*0"),
        ({"inside": None}, "`inside`.*None"),
        ({"middle": "relu"}, "`middle`.*relu"),
    ],
)
def test_parts_that_are_refused(arguments, match):
    parts = {"filters": 4, "inside": 8, "middle": layers.ReLU(), **arguments}
    with pytest.raises(ValueError, match=match):
        ElasticBottleneck(**parts)
