"""What elastic layers do where XLA has to know all shapes."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_nas.compiling import switch
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticResolution
from keras_nas.layers.elastic import small_gradients
from keras_nas.layers.elastic.resizing import resize_bicubic
from tests.elastic import assert_close


def images(*shape, dtype="float32"):
    rng = np.random.default_rng(0)
    return tf.constant(rng.uniform(-1, 1, shape), dtype)


@pytest.mark.parametrize("size", [(5, 7), (9, 12), (16, 13)])
def test_products_resize_as_keras_does(size):
    x = images(2, 9, 13, 3)
    expected = ops.image.resize(x, size, interpolation="bicubic")
    compiled = tf.function(resize_bicubic, jit_compile=True)
    for resize in (resize_bicubic, compiled):
        assert_close(resize(x, size, (1, 2)), expected)
    first = ops.transpose(resize_bicubic(x, size, (1, 2)), (0, 3, 1, 2))
    x = ops.transpose(x, (0, 3, 1, 2))
    assert_close(resize_bicubic(x, size, (2, 3)), first)


def test_products_of_halves_are_precise():
    x = images(1, 8, 8, 3, dtype="float16")
    resized = resize_bicubic(x, (6, 6), (1, 2))
    expected = resize_bicubic(tf.cast(x, "float32"), (6, 6), (1, 2))
    assert resized.dtype == tf.float16
    np.testing.assert_array_equal(resized, tf.cast(expected, "float16"))


def test_a_masked_resolution_compiles():
    size = ElasticChoice([6, 8], name="size")
    network = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(2, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    sliced = ElasticResolution([6, 8], network, size)
    masked = ElasticResolution([6, 8], network, size, execution="masked")
    x = images(2, 10, 10, 3)
    run = tf.function(masked, jit_compile=True)
    for index in (0, 1):
        size.choose(size.options[index])
        assert_close(run(x), sliced(x))
    again = ElasticResolution.from_config(masked.get_config())
    assert again.execution == "masked"


def test_softmax_over_tensors():
    logits = [images(3, 1, 1, 4) * scale for scale in (1.0, -3.0, 90.0)]
    weights = images(3, 3, 1, 4)
    results = []
    for function in (
        small_gradients.softmax_over,
        lambda x: tf.unstack(tf.nn.softmax(tf.stack(x, 1), 1), axis=1),
    ):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            shares = function(logits)
            value = sum(
                tf.reduce_sum(share * weights[:, i : i + 1])
                for i, share in enumerate(shares)
            )
        results.append([*shares, *tape.gradient(value, logits)])
    for actual, expected in zip(*results, strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_switch_computes_one_function(jit_compile):
    functions = [tf.sin, tf.square, tf.exp, tf.negative, tf.cos]

    @tf.function(jit_compile=jit_compile)
    def run(index, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = switch(index, functions, x)
        return y, tape.gradient(y, x)

    x = images(4)
    for index, function in enumerate(functions):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        found = run(tf.constant(index), x)
        assert_close(found[0], y)
        assert_close(found[1], tape.gradient(y, x))


def test_a_switch_is_compiled_without_evaluating_what_is_before():
    """With a `tf.switch_case` it takes minutes."""

    def branch(x):
        return tf.nn.avg_pool2d(x, 3, 1, "SAME") * tf.reduce_mean(x)

    @tf.function(jit_compile=True)
    def run(index, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in range(3):
                y = switch(index, [branch, tf.sin], y)
        return tape.gradient(y, x)

    specs = tf.TensorSpec((), "int32"), tf.TensorSpec((32, 16, 16, 8))
    start = time.process_time()
    run.experimental_get_compiler_ir(*specs)(stage="hlo")
    seconds = time.process_time() - start
    assert seconds < 10.0
