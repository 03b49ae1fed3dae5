"""What the tests of elastic networks share: children, weight by weight."""

import numpy as np
import tensorflow as tf
from keras import ops

from keras_nas import ExpectedFLOPs
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import deciders
from keras_nas.layers import running_child
from keras_nas.spaces import BigNASSpace


def tiny_space(resolutions=(6, 8)):
    """Two stages, of which one cannot begin at less than the other's end."""
    rows = (
        (1, (4, 6), (1, 2), 1, (3, 5)),
        (2, (6, 8), (1, 2), 2, (3, 5)),
    )
    return BigNASSpace("tiny", rows, (4, 6), 1, (8, 12), resolutions)


def randomized(model, seed=0):
    """Gives an elastic model random weights, none of them trivial.

    `tests.common.randomize` skips all of a mask, also what a resolution wraps.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name == "choice":
            continue
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        value = rng.normal(0.0, 1.0 / np.sqrt(fan_in), variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, variable.shape)
        elif len(variable.shape) == 1:
            value = rng.uniform(-1.0, 1.0, variable.shape)
        variable.assign(value)
    return model


def supernet_of(space, seed=0, classes=3, **kwargs):
    """Returns a supernet with weights that are all random."""
    kwargs = {"dropout": 0.0, "seed": 0, **kwargs}
    return randomized(space.supernet(classes, **kwargs), seed)


def choices_of(model):
    """Returns the choices of an elastic model, by their names."""
    return {choice.name: choice for choice in deciders(flow_of(model))}


def choose(model, architecture):
    """Sets all choices of a model."""
    for name, choice in choices_of(model).items():
        choice.choose(architecture.decisions[name])


def indices_of(model, architecture):
    """Returns the index of each decision, by name."""
    return {
        name: choice.options.index(architecture.decisions[name])
        for name, choice in choices_of(model).items()
    }


def as_child(model, indices, is_regularized=True):
    """Runs a model as the child of the indices, by name."""
    choices = choices_of(model)
    pairs = [(choices[name], index) for name, index in indices.items()]
    return running_child(pairs, is_regularized)


def weighted_layers(model):
    """Returns the layers with weights of a plain child, front to back."""
    return [layer for layer in model.layers if layer.weights]


def cut(value, shape):
    """Returns the first channels and the centre of an array, by its shape."""
    index = [slice(0, length) for length in shape]
    if len(shape) == 4:
        for axis in (0, 1):
            start = (value.shape[axis] - shape[axis]) // 2
            index[axis] = slice(start, start + shape[axis])
    return tuple(index)


def pairs_of_weights(model, sliced, child):
    """Yields `(weight of the supernet, weight of the child)`.

    Args:
        model: A supernet.
        sliced: What `slice_model` cut out, whose layers have the names of
            those of the supernet.
        child: A network built directly, with its layers in the same order.
    """
    by_name = {layer.name: layer for layer in model._flatten_layers()}
    for one, other in zip(
        weighted_layers(sliced), weighted_layers(child), strict=True
    ):
        own = [w for w in by_name[one.name].weights if w.name != "choice"]
        yield from zip(own, other.weights, strict=True)


def built_child(space, model, architecture):
    """Builds a child without the slicer, with the first of all weights.

    Returns:
        `(child, pairs)`, pairs of weights of the supernet and of the child.
    """
    child = space.build(architecture, model.output_shape[-1])
    sliced = slice_model(model, architecture)
    pairs = list(pairs_of_weights(model, sliced, child))
    give_first(pairs)
    return child, pairs


def give_first(pairs):
    """Gives weights of a child the first of those of the supernet.

    Args:
        pairs: List of pairs of a weight of the supernet and one of the child.
    """
    for weight, small in pairs:
        value = ops.convert_to_numpy(weight)
        small.assign(value[cut(value, small.shape)])


def assert_is_cut_out(model, step, images, architecture, child):
    """A supernet runs, costs, learns, and is cut, as a network built directly.

    Args:
        model: A supernet.
        step: A `tf.function` of indices that returns what `gradient_step`
            does for the images.
        images: Images of the child's size.
        architecture: The `Architecture` of the child.
        child: The network, whose layers are in the supernet's order.

    Returns:
        What `slice_model` has cut out.
    """
    sliced = slice_model(model, architecture)
    pairs = list(pairs_of_weights(model, sliced, child))
    give_first(pairs)
    choose(model, architecture)
    indices = indices_of(model, architecture)
    cost = count_cost(child)
    assert count_cost(sliced).macs == cost.macs
    assert count_cost(sliced).params == cost.params
    assert decided_cost(model).params == cost.params
    with as_child(model, indices):
        assert float(ExpectedFLOPs(1.0)(model)) == cost.macs
    assert_close(sliced(images), child(images))
    assert_close(model(images), child(images))
    tensors = {n: tf.constant(i) for n, i in indices.items()}
    plain = gradient_step(child, images, True)
    for results in (gradient_step(model, images, True, indices), step(tensors)):
        assert_is_child(results, model, child, plain, pairs, 1e-5)
    return sliced


def resized(images, size):
    """Returns images as a child gets them."""
    if images.shape[1] == size:
        return images
    return ops.image.resize(images, (size, size), interpolation="bicubic")


def gradient_step(model, images, training, indices=None):
    """Returns the logits, and the gradient of a fixed function of them."""
    with tf.GradientTape() as tape:
        if indices is None:
            logits = model(images, training=training)
        else:
            with as_child(model, indices):
                logits = model(images, training=training)
        weights = tf.cast(tf.range(1, logits.shape[-1] + 1), logits.dtype)
        batch = tf.cast(tf.range(1, len(images) + 1), logits.dtype)
        loss = tf.reduce_sum(tf.sin(logits) * weights * batch[:, None]) / len(
            images
        )
    gradients = tape.gradient(
        loss, [v.value for v in model.trainable_variables]
    )
    return logits, gradients


def by_variable(model, gradients):
    """Returns gradients as arrays by the id of their variables."""
    return {
        id(variable): np.zeros(variable.shape)
        if gradient is None
        else ops.convert_to_numpy(gradient)
        for variable, gradient in zip(
            model.trainable_variables, gradients, strict=True
        )
    }


def assert_close(actual, expected, tolerance=1e-5):
    """Arrays agree, relative to the largest of their values."""
    actual, expected = (ops.convert_to_numpy(a) for a in (actual, expected))
    assert actual.shape == expected.shape
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(
        actual / scale, expected / scale, rtol=0, atol=tolerance
    )


def images(size=8, batch=4, seed=1):
    """Returns random images."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, size, size, 3)).astype("float32")


def labels(classes=3, batch=4, seed=2):
    """Returns random labels."""
    return np.random.default_rng(seed).integers(0, classes, batch)


def assert_is_child(results, model, child, child_results, pairs, tolerance):
    """A supernet returned what a child did, with gradients that are slices."""
    (logits, gradients), (expected, slices) = results, child_results
    assert_close(logits, expected, tolerance)
    gradients = by_variable(model, gradients)
    slices = by_variable(child, slices)
    inside = {}
    for weight, small in pairs:
        if id(weight) not in gradients:  # Moving statistics.
            continue
        gradient = gradients[id(weight)].copy()
        where = cut(gradient, small.shape)
        assert_close(gradient[where], slices[id(small)], tolerance)
        gradient[where] = 0.0
        inside[id(weight)] = gradient
    for key, gradient in gradients.items():
        assert not inside.get(key, gradient).any()
