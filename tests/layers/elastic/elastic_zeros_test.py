"""Zeros of other widths, as a branch of a switch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_nas
from keras_nas import count_cost
from keras_nas import slice_model
from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDense
from keras_nas.layers import ElasticDepthwiseConv2D
from keras_nas.layers import ElasticResidual
from keras_nas.layers import ElasticSwitch
from keras_nas.layers import ElasticZeros
from keras_nas.layers import running_child
from tests.elastic import assert_close
from tests.elastic import choices_of
from tests.elastic import randomized
from tests.layers.layer_checks import check_serialization


def test_widths():
    width = ElasticChoice([4, 6], name="width")
    x = np.ones((2, 5, 3, 8), "float32")
    for execution, expected in (("sliced", [4, 6]), ("masked", [6, 6])):
        mask = ElasticChannels([4, 6], width, execution=execution)
        zeros = ElasticZeros(6, mask)
        for option, channels in zip((4, 6), expected, strict=True):
            width.choose(option)
            y = zeros(x)
            assert y.shape == (2, 5, 3, channels) and not ops.any(y)
        assert zeros(keras.Input((5, 3, 8))).shape == (None, 5, 3, 6)
    assert ElasticZeros(7)(x).shape == (2, 5, 3, 7)
    check_serialization(ElasticZeros(7, name="zeros"))


def block(execution):
    """Returns a model of a block that is a convolution or nothing."""
    before = ElasticChoice([4, 6], name="before")
    after = ElasticChoice([4, 6, 8], name="after")
    kind = ElasticChoice(["none", "conv"], name="kind")

    def mask(name, choice):
        return ElasticChannels(
            choice.options, choice, execution=execution, name=name
        )

    inputs = x = keras.Input((5, 5, 3))
    first, last = mask("first", before), mask("last", after)
    x = first(ElasticConv2D(6, 1, width=first, name="stem")(x))
    conv = keras.Sequential(
        [ElasticConv2D(8, 3, padding="same", width=last, name="conv"), last],
        name="branch",
    )
    zeros = ElasticZeros(8, mask("zeros_mask", after), name="zeros")
    widths = [[0, 1, 1], [1, 0, 1]]
    table = [widths, np.ones_like(widths).tolist()]
    switch = ElasticSwitch([zeros, conv], [kind, before, after], table)
    y = switch(x)
    x = ElasticResidual([before, after], execution=execution)([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return randomized(keras.Model(inputs, ElasticDense(2, name="head")(x)))


@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_a_block_that_may_be_left_out(execution):
    model = block(execution)
    images = np.random.default_rng(0).normal(size=(2, 5, 5, 3))
    stem, conv, head = (
        [ops.convert_to_numpy(w) for w in find(model, name).weights[:2]]
        for name in ("stem", "conv", "head")
    )
    choices = choices_of(model)
    for before in (4, 6):
        for after in (4, 6, 8):
            x = images @ stem[0][0, 0, :, :before] + stem[1][:before]
            for kind in ("none", "conv"):
                chosen = {"before": before, "after": after, "kind": kind}
                is_left_out = kind == "none" and before == after
                y = 0.0
                if not is_left_out:
                    kernel = conv[0][:, :, :before, :after]
                    y = ops.conv(x.astype("float32"), kernel, padding="same")
                    y = ops.convert_to_numpy(y) + conv[1][:after]
                y = y + x if before == after else y
                expected = y.mean((1, 2)) @ head[0][:after] + head[1]
                child = [
                    (choice, choice.options.index(chosen[name]))
                    for name, choice in choices.items()
                ]
                with running_child(child):
                    assert_close(model(images), expected.astype("float32"))
                sliced = slice_model(model, keras_nas.Architecture("", chosen))
                assert_close(sliced(images), expected.astype("float32"))
                macs = 25 * 3 * before + 2 * after
                macs += 0 if is_left_out else 25 * 9 * before * after
                assert count_cost(sliced).macs == macs


def find(model, name):
    return next(x for x in model._flatten_layers() if x.name == name)


def test_a_kernel_of_0_is_never_run():
    kernel = ElasticChoice([0, 3, 5], name="kernel")
    conv = ElasticDepthwiseConv2D(kernel, padding="same", use_bias=False)
    assert conv.kernel_sizes == [3, 3, 5] and conv.kernel_size == (5, 5)
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 2)).astype("float32")
    conv.build(x.shape)
    for option in (3, 5):
        kernel.choose(option)
        border = (5 - option) // 2
        inside = slice(border, 5 - border)
        weights = conv.kernel.numpy()[inside, inside]
        expected = ops.depthwise_conv(x, weights, padding="same")
        assert_close(conv(x), expected)
    for options in ([0], [0, 3, 4]):
        with pytest.raises(ValueError, match="`(options|kernel_size)`"):
            ElasticDepthwiseConv2D(ElasticChoice(options), padding="same")


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_of_switches_inside_of_switches(recompute):
    """Of activations that TensorFlow gives gradients of their own."""
    act = ElasticChoice(["relu", "silu"], name="act")
    kind = ElasticChoice(["one", "two"], name="kind")
    branches = [
        keras.Sequential(
            [
                keras.layers.Dense(3, use_bias=False, name=f"dense{i}"),
                ElasticSwitch(
                    [keras.layers.Activation(a) for a in act.options], act
                ),
            ]
        )
        for i in range(2)
    ]
    switch = ElasticSwitch(branches, kind, recompute=recompute)
    x = tf.constant([[1.0, -2.0]])
    switch.build(x.shape)

    @tf.function
    def gradient(one, two):
        with (
            tf.GradientTape() as tape,
            running_child([(kind, one), (act, two)]),
        ):
            loss = tf.reduce_sum(switch(x))
        return tape.gradient(loss, switch.trainable_variables)

    for one, two in ((0, 0), (0, 1), (1, 1)):
        received = gradient(tf.constant(one), tf.constant(two))
        kernel = switch.trainable_variables[one].numpy().astype("float64")
        z = (x.numpy() @ kernel)[0]
        sigmoid = 1.0 / (1.0 + np.exp(-z))
        slope = sigmoid * (1 + z * (1 - sigmoid)) if two else z > 0
        expected = np.outer(x.numpy()[0], slope).astype("float32")
        assert_close(received[one], expected)
        assert not np.any(received[1 - one])
