"""A shortcut that is there where it fits, against networks built directly."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas.layers import ElasticBatchNormalization
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticMatch
from keras_nas.layers import ElasticResidual
from tests.elastic import assert_close
from tests.elastic import assert_is_cut_out
from tests.elastic import choose
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import randomized
from tests.layers.layer_checks import check_serialization


def network(before, after, execution, data_format="channels_last"):
    """A convolution, and another one with a shortcut around it."""
    axis = 1 if data_format == "channels_first" else -1
    common = {"data_format": data_format}
    decided_by, masks = [], []
    for name, widths in (("before", before), ("after", after)):
        choice, mask = widths[0], None
        if len(widths) > 1:
            choice = ElasticChoice(widths, seed=0, name=name)
            mask = ElasticChannels(
                widths, choice, execution=execution, **common
            )
        decided_by.append(choice)
        masks.append(mask)
    shape = (3, 8, 8) if axis == 1 else (8, 8, 3)
    x = inputs = keras.Input(shape)
    outputs = []
    for number, (widths, mask) in enumerate(
        zip((before, after), masks, strict=True)
    ):
        x = ElasticConv2D(
            widths[-1],
            3,
            padding="same",
            use_bias=False,
            width=mask,
            name=f"conv{number}",
            **common,
        )(x)
        x = ElasticBatchNormalization(axis, name=f"norm{number}")(x)
        x = x if mask is None else mask(x)
        outputs.append(x)
    x = ElasticResidual(decided_by, data_format, execution)(outputs)
    x = layers.GlobalAveragePooling2D(data_format)(layers.ReLU()(x))
    model = keras.Model(inputs, ElasticDense(3, name="logits")(x))
    return randomized(model)


def plain_network(before, after):
    x = inputs = keras.Input((8, 8, 3))
    outputs = []
    for width in (before, after):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        outputs.append(x)
    x = layers.Add()(outputs) if before == after else x
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize("execution", ["sliced", "masked"])
@pytest.mark.parametrize(
    "before, after",
    [
        ([4, 6], [4, 6]),
        ([4, 6], [2, 6, 8]),
        ([2, 6, 8], [4, 6]),
        ([4, 6], [6]),
    ],
)
def test_every_child(before, after, execution):
    model, x = network(before, after, execution), images()
    step = tf.function(lambda indices: gradient_step(model, x, True, indices))
    for widths in itertools.product(before, after):
        options = zip(("before", "after"), (before, after), strict=True)
        decisions = {
            name: width
            for (name, several), width in zip(options, widths, strict=True)
            if len(several) > 1
        }
        architecture = keras_nas.Architecture("", decisions)
        child = plain_network(*widths)
        sliced = assert_is_cut_out(model, step, x, architecture, child)
        assert [type(layer).__name__ for layer in sliced.layers] == [
            type(layer).__name__ for layer in child.layers
        ]


def test_channels_first():
    models = [
        network([4, 6], [2, 6, 8], "masked", form)
        for form in ("channels_last", "channels_first")
    ]
    sliced = [
        keras_nas.slice_model(
            model, keras_nas.Architecture("", {"before": b, "after": a})
        )
        for model in models
        for b, a in ((6, 6), (4, 8))
    ]
    costs = [keras_nas.count_cost(one).macs for one in sliced]
    assert costs[:2] == costs[2:]


def test_one_choice_for_both_always_adds():
    width = ElasticChoice([2, 4], name="width")
    x, y = images()[..., :2], images(seed=3)[..., :2]
    residual = ElasticResidual([width, width])
    residual.build([(None, 8, 8, 4)] * 2)
    assert_close(residual([x, y]), x + y)
    again = ElasticResidual.from_config(residual.get_config())
    assert again.decided_by[0] is again.decided_by[1]
    assert_close(ElasticResidual([2, 2])([x, y]), x + y)
    assert_close(ElasticResidual([1, 2])([x[..., :1], y]), y)


def test_a_file(tmp_path):
    model = network([4, 6], [2, 6, 8], "sliced")
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    for decisions in ({"before": 6, "after": 6}, {"before": 4, "after": 8}):
        for one in (model, loaded):
            choose(one, keras_nas.Architecture("", decisions))
        assert_close(model(images()), loaded(images()))
    check_serialization(ElasticMatch([[2, 4], [4]], ElasticChoice([2, 4])))


@pytest.mark.parametrize("decided_by", [3, [3], ["3", 4], [0, 3], [3, 4, 5]])
def test_residuals_that_are_refused(decided_by):
    with pytest.raises(ValueError, match="`decided_by`|positive integers"):
        ElasticResidual(decided_by)


def test_inputs_that_are_refused():
    width = ElasticChoice([2, 4], name="width")
    residual = ElasticResidual([width, 8])
    with pytest.raises(ValueError, match=r"\[4, 8\].*\[4, 4\]"):
        residual([np.ones((1, 2, 2, 4), "float32")] * 2)
