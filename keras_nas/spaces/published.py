"""Published networks by name, with the counts that their authors print."""

import copy
import functools
import importlib.resources
import json
import re

from keras_nas.spaces.blocks import build_from_blocks


def published_names():
    """Returns the names of the networks that `published_network` builds.

    Example:

    >>> from keras_nas import spaces
    >>> "FBNetV2_F1" in spaces.published_names()
    True
    """
    return tuple(_records())


def published_record(name):
    """Returns what is known of a published network, as plain data.

    Use it for the block list of a network, to build a variant of it, or for
    the numbers to compare with.

    Args:
        name: One of `published_names()`.

    Returns:
        Dictionary with `family`, `source`, `input_resolution`, `blocks` (for
        `build_from_blocks`, stem and head included), `published`, what the
        authors print (`flops_m` and `params_m` in millions, counted as
        `counts` says), and `computed`, the exact counts for 1000 classes.

    Raises:
        ValueError: If there is no such network.

    Example:

    >>> from keras_nas import spaces
    >>> spaces.published_record("AtomNAS-A")["published"]["flops_m"]
    258
    """
    records = _records()
    if name not in records:
        raise ValueError(
            "Invalid value received for argument `name`. Expected one of "
            f"{list(records)}. Received: name={name!r}"
        )
    return copy.deepcopy(records[name])


def published_network(name, classes=1000, input_shape=None, **kwargs):
    """Returns a published network, with new weights.

    Use it to measure a network that is known from a paper, or to train it.

    Args:
        name: One of `published_names()`.
        classes: Integer, the number of logits.
        input_shape: Tuple `(height, width, channels)`; by default images of
            three channels at the paper's resolution.
        **kwargs: Of `build_from_blocks`, such as `momentum`.

    Returns:
        A Functional model that returns logits.

    Raises:
        ValueError: If there is no such network, or the input has not the
            three channels of its stem.

    Example:

    >>> from keras_nas import spaces
    >>> model = spaces.published_network("fbnet_a", 10, (32, 32, 3))
    >>> model.output_shape
    (None, 10)
    """
    record = published_record(name)
    if input_shape is None:
        size = record["input_resolution"]
        input_shape = (size, size, 3)
    kwargs = {"name": _model_name(name), **kwargs}
    return build_from_blocks(record["blocks"], input_shape, classes, **kwargs)


@functools.cache
def _records():
    folder = importlib.resources.files("keras_nas.spaces")
    return json.loads((folder / "published_networks.json").read_text())


def _model_name(name):
    """Returns a name that TensorFlow accepts as a scope, too."""
    name = name.replace("+", "_plus")
    return re.sub(r"[^\w.-]+", "_", name).strip("_")
