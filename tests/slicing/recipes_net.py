"""A random network under construction, and the table of what can be added."""

import keras
import numpy as np
from keras import layers

from tests.common import mask

OPERATIONS = {}
ACTIVATIONS = (None, "relu", "sigmoid", "tanh", "softmax", "leaky_relu")


class Net:
    """A network under construction.

    Attributes:
        tensors: The tensors so far; a recipe counts from the last.
        used: Map from a purpose and a shape to a layer that can be shared.
    """

    def __init__(self):
        self.inputs = [keras.Input((5, 4, 3)), keras.Input((5, 4, 3))]
        self.tensors = list(self.inputs)
        self.used = {}

    def step(self, name, source, other, option):
        ranks, function = OPERATIONS[name]
        fitting = [
            t
            for t in reversed(self.tensors)
            if not ranks or len(t.shape) in ranks
        ]
        if not fitting:
            return
        x = fitting[source % len(fitting)]
        like_x = [t for t in fitting if t.shape == x.shape]
        y = function(self, x, like_x[other % len(like_x)], option)
        if np.prod(y.shape[1:]) <= 2000:
            self.tensors.append(y)

    def shared(self, purpose, x, make):
        key = (purpose, x.shape)
        if key not in self.used:
            self.used[key] = make()
        return self.used[key]

    def model(self):
        last = self.tensors[-1]
        if len(last.shape) > 2:
            outputs = layers.Dense(3)(layers.Flatten()(last))
        else:
            outputs = layers.Dense(3)(last)
        return keras.Model(self.inputs, [outputs, self.tensors[-2]])


def operation(name, *ranks):
    """Decorator that adds an operation on tensors of these ranks, or any."""

    def decorator(function):
        OPERATIONS[name] = ranks, function
        return function

    return decorator


def digits(option, *bases):
    """Splits an option into one digit for each base."""
    for base in bases:
        option, digit = divmod(option, base)
        yield digit


def in_groups(x, groups, masked):
    """Returns a tensor whose channels make that many groups of several."""
    channels = x.shape[-1]
    if channels % groups or channels == groups:
        x = layers.Dense(2 * groups)(x)
    return mask(axis=-1)(x) if masked else x
