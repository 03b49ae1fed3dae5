"""Functions with gradients of their own, against TensorFlow's gradients."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_nas.layers.elastic import small_gradients
from tests.elastic import assert_close

BATCH = 8
LAST, FIRST = ((4, 3, 2, 5), [0, 1, 2]), ((4, 5, 3, 2), [0, 2, 3])


def tensors(*shapes):
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(size=s), "float32") for s in shapes]


def assert_equal(function, expected, inputs):
    """Compares outputs, and gradients of an output that weighs them."""
    found = []
    for run in (function, expected):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = run(*inputs)
            weights = tensors(*(output.shape for output in outputs))
            total = sum(
                tf.reduce_sum(weight * output)
                for weight, output in zip(weights, outputs, strict=True)
            )
        found.append([*outputs, *tape.gradient(total, inputs)])
    for actual, desired in zip(*found, strict=True):
        assert_close(actual, desired)


@pytest.mark.parametrize("shape, axes", [LAST, FIRST])
def test_moments(shape, axes):
    assert_equal(
        lambda x: small_gradients.moments(x, axes),
        lambda x: ops.moments(x, axes),
        tensors(shape),
    )


@pytest.mark.parametrize("shape, axes", [LAST, FIRST])
def test_affine(shape, axes):
    along = [1 if axis in axes else -1 for axis in range(4)]

    def expected(x, scale, offset):
        return [x * ops.reshape(scale, along) + ops.reshape(offset, along)]

    assert_equal(
        lambda *inputs: [small_gradients.affine(*inputs, axes)],
        expected,
        tensors(shape, (5,), (5,)),
    )


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("shape, axes", [LAST, FIRST])
def test_weighted_sum(shape, axes, number):
    small = [1 if axis in axes[1:] else n for axis, n in enumerate(shape)]
    inputs = tensors(*[shape] * number, *[small] * number)

    def expected(*inputs):
        return [tf.add_n([x * y for x, y in pairs(inputs)])]

    def pairs(inputs):
        return zip(inputs[:number], inputs[number:], strict=True)

    def function(*inputs):
        arguments = inputs[:number], inputs[number:]
        return [small_gradients.weighted_sum(*arguments, axes[1:])]

    assert_equal(function, expected, inputs)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("shape, axes", [LAST, FIRST])
def test_mean_of_sum(shape, axes, number):
    assert_equal(
        lambda *inputs: [small_gradients.mean_of_sum(inputs, axes)],
        lambda *inputs: [tf.reduce_mean(tf.add_n(inputs), axes, keepdims=True)],
        tensors(*[shape] * number),
    )


def test_more_positions_than_float16_counts():
    x = tf.zeros((1, 256, 256, 1), "float16")
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = small_gradients.mean_of_sum([x], [1, 2])
    np.testing.assert_array_equal(tape.gradient(y, x), 2.0**-16)


def test_what_a_branch_hands_over():
    """Inputs of functions only: no squares, products, or summands."""

    def branch(x, scale, offset):
        mean, variance = small_gradients.moments(x, [0])
        y = small_gradients.affine(x, scale * variance, offset - mean, [0])
        weights = [scale[None], offset[None]]
        return small_gradients.weighted_sum([y, x], weights, [0])

    @tf.function(
        input_signature=[
            tf.TensorSpec([BATCH, None]),
            tf.TensorSpec([None]),
            tf.TensorSpec([None]),
            tf.TensorSpec([], "int32"),
        ]
    )
    def step(x, scale, offset, index):
        with tf.GradientTape() as tape:
            tape.watch([x, scale, offset])
            y = ops.switch(index, [branch, branch], x, scale, offset)
        return tape.gradient(y, [x, scale, offset])

    graph = step.get_concrete_function().graph
    branches = {
        graph._get_function(branch.name).graph
        for operation in graph.get_operations()
        if operation.type.endswith("Case")
        for branch in operation.get_attr("branches")
    }
    kept = {
        made_by(operation.inputs[0])
        for branch in branches
        for operation in branch.get_operations()
        if operation.type == "OptionalFromValue"
        and operation.inputs[0].shape[:1] == [BATCH]
    }
    # The input and what the affine function has made, in either branch.
    types = sorted(operation.type for operation in kept)
    assert types == ["AddV2", "AddV2", "Placeholder", "Placeholder"]


def made_by(tensor):
    """Returns the operation that made a tensor, and no identity."""
    while tensor.op.type in ("Identity", "IdentityN"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor.op
