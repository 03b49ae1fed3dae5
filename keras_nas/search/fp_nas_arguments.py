"""Which arguments `FPNAS` takes."""

import math
import numbers

import keras

from keras_nas.training.sampled_gradients import BACKENDS

_DISTRIBUTIONS = ("mixed", "joint", "factorized")


def check_arguments(**arguments):
    """Raises a `ValueError` that names the first argument that is invalid."""
    if keras.backend.backend() not in BACKENDS:
        raise NotImplementedError(
            "`keras_nas.search.FPNAS` trains under the backends "
            f"{list(BACKENDS)}. Received: {keras.backend.backend()!r}. Set "
            "the environment variable KERAS_BACKEND."
        )
    for name, value in arguments.items():
        expected, is_valid = _EXPECTED[name]
        if not is_valid(value):
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected "
                f"{expected}. Received: {name}={value!r}"
            )


def check_regularizer(regularizer):
    """Raises a `ValueError` if a regularizer has no target."""
    if regularizer.target is None:
        name = type(regularizer).__name__
        raise ValueError(
            "Invalid value received for argument `regularizer`. Expected one "
            f"with a target, such as `{name}(target=0.5)`, since costs up to "
            "the target are not penalized; `cost_weight` says how much others "
            f"are. Received: {name}(strength={regularizer.strength})"
        )


def check_groups_are_given(distribution, groups):
    """Raises a `ValueError` if a joint distribution has nothing to join."""
    if distribution == "joint" and not groups:
        raise ValueError(
            "Invalid value received for argument `groups`. Expected, with "
            "distribution='joint', a dictionary from names to names of "
            "decisions that are decided on at once, such as `space.groups`. "
            f"Received: groups={groups!r}"
        )


def _is_number(value):
    is_real = isinstance(value, numbers.Real) and type(value) is not bool
    return is_real and math.isfinite(value)


def _is_positive(value):
    return _is_number(value) and value > 0


def _is_epoch(value):
    return type(value) is int and value >= 0


_EXPECTED = {
    "cost_weight": (
        "a float >= 0",
        lambda value: _is_number(value) and value >= 0,
    ),
    "samples_per_nat": ("a positive float", _is_positive),
    "samples": (
        "a positive integer or None",
        lambda value: value is None or (type(value) is int and value > 0),
    ),
    "distribution": (
        f"one of {_DISTRIBUTIONS}",
        lambda value: value in _DISTRIBUTIONS,
    ),
    "joint_epoch": ("an integer >= 0", _is_epoch),
    "warmup_epochs": ("an integer >= 0", _is_epoch),
    "likelihood_temperature": (
        "a positive float or 'batch'",
        lambda value: value == "batch" or _is_positive(value),
    ),
}
