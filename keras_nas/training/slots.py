"""Optimizers whose state goes on for fewer, or smaller, variables."""

import contextlib

import keras
from keras import ops

from keras_nas.training.partitioned_optimizer import PartitionedOptimizer


def build_with_slots(optimizer, variables):
    """Builds an optimizer and notes what its slots are of.

    Args:
        optimizer: A `keras.optimizers.Optimizer`, not built yet.
        variables: List of the variables that it will train.

    Returns:
        Tuple of `(slot, variable)`, such as the velocity of each variable.

    Raises:
        ValueError: If an optimizer keeps something of other shapes than its
            variables.
    """
    slots = []
    with contextlib.ExitStack() as stack:
        for each in all_of(optimizer):
            stack.enter_context(_recorded(each, slots))
        optimizer.build(variables)
    known = {id(slot) for slot, _ in slots}
    for each in reversed(list(all_of(optimizer))):
        for variable in each.variables:
            if len(variable.shape) and id(variable) not in known:
                raise ValueError(
                    f"Optimizer '{each.name}' keeps {tuple(variable.shape)} "
                    f"in '{variable.path}', which cannot be cut with the "
                    "variables. Expected an optimizer such as RMSprop, SGD or "
                    "Adam, whose slots have the shapes of the variables."
                )
    return tuple(slots)


def carry_over(optimizer, slots, variables, origins, special_variables=None):
    """Returns an optimizer that goes on where another one stands.

    Iterations and learning rates are the same. Slots are those of the old
    variables, of the entries that are left; new variables start with new ones.
    Averages of variables, which Keras puts in the place of these, are moved
    like the variables: by the constants that a bias took up.

    Args:
        optimizer: The old optimizer; left as it is.
        slots: What `build_with_slots` returned of it.
        variables: List of the variables to train from now on.
        origins: List of `keras_nas.slicing.shrinking.Origin`.
        special_variables: List of those of the variables that are special to
            a `PartitionedOptimizer`; by default, those that come from special
            ones.

    Returns:
        `(optimizer, slots)`.
    """
    new = _fresh(optimizer, origins, special_variables)
    origins = {id(origin.variable): origin for origin in origins}
    new_slots = build_with_slots(new, variables)
    averages = {id(average) for average in _averages(new)}
    of = {}
    for slot, variable in slots:
        of.setdefault(id(variable), []).append(slot)
    for slot, variable in new_slots:
        origin, is_average = origins.get(id(variable)), id(slot) in averages
        old = of.get(id(origin.source)) if origin else None
        if old:
            value = origin.take(old.pop(0))
            if is_average:
                value = value + _change(origin)
            slot.assign(value)
        elif is_average:
            slot.assign(variable)
    for old, variable in zip(
        _others(optimizer, slots), _others(new, new_slots), strict=True
    ):
        variable.assign(ops.convert_to_numpy(old))
    return new, new_slots


def begin_anew(optimizer, initial):
    """Lets an optimizer forget its steps and slots, not its learning rate.

    Averages of variables, which Keras puts in the place of these, begin with
    the values of now.

    Args:
        optimizer: A built `keras.optimizers.Optimizer`.
        initial: List of what its variables were when it was built.
    """
    for variable, value in zip(optimizer.variables, initial, strict=True):
        if variable is not optimizer.learning_rate:
            variable.assign(value)
    if optimizer.use_ema:
        for average, variable in zip(
            optimizer._model_variables_moving_average,
            optimizer._trainable_variables,
            strict=True,
        ):
            average.assign(variable)


def all_of(optimizer):
    """Yields an optimizer and those inside it, as of a `LossScaleOptimizer`."""
    yield optimizer
    for name in ("inner_optimizer", "optimizer", "special_optimizer"):
        inner = getattr(optimizer, name, None)
        if inner is not None:
            yield from all_of(inner)


@contextlib.contextmanager
def _recorded(optimizer, slots):
    add = optimizer.add_variable_from_reference

    def add_and_record(reference_variable, *args, **kwargs):
        slot = add(reference_variable, *args, **kwargs)
        slots.append((slot, reference_variable))
        return slot

    optimizer.__dict__["add_variable_from_reference"] = add_and_record
    try:
        yield
    finally:
        del optimizer.__dict__["add_variable_from_reference"]


def _fresh(optimizer, origins, special=None):
    """Returns an optimizer with the same settings that is not built."""
    if isinstance(optimizer, PartitionedOptimizer):
        if special is None:
            special = [
                o.variable for o in origins if optimizer.is_special(o.source)
            ]
        return PartitionedOptimizer(
            _fresh(optimizer.optimizer, origins),
            _fresh(optimizer.special_optimizer, origins),
            special,
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return keras.optimizers.LossScaleOptimizer(
            _fresh(optimizer.inner_optimizer, origins, special),
            initial_scale=optimizer.initial_scale,
            dynamic_growth_steps=optimizer.dynamic_growth_steps,
            name=optimizer.name,
        )
    new = type(optimizer).from_config(optimizer.get_config())
    # Settings that the config lacks; they have no public names.
    excluded = getattr(optimizer, "_exclude_from_weight_decay", ())
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    new._exclude_from_weight_decay_pattern = pattern
    new._exclude_from_weight_decay = {
        new._var_key(origin.variable)
        for origin in origins
        if optimizer._var_key(origin.source) in excluded
    }
    return new


def _others(optimizer, slots):
    known = {id(slot) for slot, _ in slots}
    return [v for v in optimizer.variables if id(v) not in known]


def _averages(optimizer):
    """Yields the slots that are averages of their variables."""
    for each in all_of(optimizer):
        if each.use_ema:
            yield from each._model_variables_moving_average


def _change(origin):
    """Returns what a variable is more than where it was taken from."""
    variable = ops.convert_to_numpy(origin.variable)
    return variable - origin.take(origin.source)
