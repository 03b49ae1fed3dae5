"""A switch under JAX, compiled; run by `elastic_switch_jax_test.py`.

    KERAS_BACKEND=jax python -m tests.layers.elastic.check_switch_jax

prints, as JSON, the largest differences between steps in which the index of
the branch is a tensor and those in which it is known.
"""

import json
import sys

import jax
import keras
import numpy as np
from keras import layers

from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticConv2D
from keras_nas.layers import ElasticDepthwiseConv2D
from keras_nas.layers import ElasticSwitch
from keras_nas.layers import running_child


def build(recompute):
    """Returns a model, and its choices."""
    width = ElasticChoice([2, 4], name="width")
    kernel = ElasticChoice([1, 3], name="kernel")
    kind = ElasticChoice([0, 1, 2, 3], name="kind")
    mask = ElasticChannels([2, 4], width, execution="masked")
    branches = [
        None,
        ElasticDepthwiseConv2D(kernel, padding="same", execution="masked"),
        layers.BatchNormalization(momentum=0.5),
        layers.Dropout(0.5, seed=0),
    ]
    inputs = keras.Input((6, 6, 3))
    x = mask(ElasticConv2D(4, 3, width=mask)(inputs))
    y = ElasticSwitch(branches, kind, recompute=recompute)(x)
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(2)(x)), [width, kernel, kind]


def step_of(model, choices, images):
    """Returns a function of indices: a loss, gradients and new states."""

    def loss(trainable, others, indices):
        with running_child(list(zip(choices, indices, strict=True))):
            outputs, others = model.stateless_call(
                trainable, others, images, training=True
            )
        return (outputs * np.arange(1, 3)).sum(), others

    gradient = jax.value_and_grad(loss, has_aux=True)
    values = [
        [v.value for v in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
        )
    ]
    return lambda indices: gradient(*values, indices)


def difference(a, b):
    """Returns the largest difference of the leaves of two structures."""
    return max(
        float(np.abs(np.asarray(x, "float64") - np.asarray(y)).max())
        for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
    )


def main():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 6, 6, 3)).astype("float32")
    differences, plain = [], {}
    for recompute in (False, True):
        keras.utils.set_random_seed(0)
        model, choices = build(recompute)
        step = step_of(model, choices, images)
        compiled = jax.jit(step)
        for kind in range(4):
            indices = [kind % 2, 1 - kind % 2, kind]
            known = jax.jit(lambda i=indices, s=step: s(i))()
            traced = compiled([np.int32(i) for i in indices])
            differences.append(difference(known, traced))
            (loss, _), gradients = traced
            first = plain.setdefault(kind, (loss, gradients))
            differences.append(difference(first, (loss, gradients)))
    json.dump(
        {"backend": keras.backend.backend(), "difference": max(differences)},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
