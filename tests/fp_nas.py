"""What the tests of FP-NAS' supernets share."""

from keras_nas import Architecture
from keras_nas import spaces
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import randomized

CLASSES = 3
# Relative to the largest gradient: batch statistics lose a digit.
TOLERANCE = {False: 1e-5, True: 5e-5}


def supernet_of(space, **kwargs):
    """Returns a supernet with weights that are all random."""
    return randomized(space.supernet(CLASSES, seed=0, **kwargs))


def small_space():
    """Returns two blocks, of which one may change the channels."""
    rows = [
        dict(op="conv", kernel=3, c=8, s=2, act="swish"),
        dict(op="mbconv", e=[1, 2], c=[8, 12], n=2, s=1),
        dict(op="conv", kernel=1, c=[8, 10], s=1, act="relu"),
    ]
    return spaces.FPNASSpace("compiled", rows, splits=(0, 2), resolution=8)


def changed(architecture, **decisions):
    """Returns an architecture with other decisions."""
    decisions = {**architecture.decisions, **decisions}
    return Architecture(architecture.name, decisions)


def of_child(child, training):
    """Returns the logits and gradients of a plain network."""
    before = child.get_weights()
    results = gradient_step(child, images(), training)
    child.set_weights(before)  # Its BatchNormalization accumulates.
    return results
