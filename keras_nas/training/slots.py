"""Optimizers whose state goes on for fewer, or smaller, variables."""

import contextlib

from keras import ops

from keras_nas.training.partitioned_optimizer import PartitionedOptimizer


def build_with_slots(optimizer, variables):
    """Builds an optimizer and notes what its slots are of.

    Args:
        optimizer: A `keras.optimizers.Optimizer`, not built yet.
        variables: List of the variables that it will train.

    Returns:
        Tuple of `(slot, variable)`, such as the velocity of each variable.
    """
    slots = []
    with contextlib.ExitStack() as stack:
        for each in _all_of(optimizer):
            stack.enter_context(_recorded(each, slots))
        optimizer.build(variables)
    return tuple(slots)


def carry_over(optimizer, slots, variables, origins):
    """Returns an optimizer that goes on where another one stands.

    Iterations and learning rates are the same. Slots are those of the old
    variables, of the entries that are left; new variables start with new ones.

    Args:
        optimizer: The old optimizer; left as it is.
        slots: What `build_with_slots` returned of it.
        variables: List of the variables to train from now on.
        origins: List of `keras_nas.slicing.shrinking.Origin`.

    Returns:
        `(optimizer, slots)`.

    Raises:
        ValueError: If the optimizer has slots of other shapes than their
            variables.
    """
    new = _fresh(optimizer, origins)
    origins = {id(origin.variable): origin for origin in origins}
    new_slots = build_with_slots(new, variables)
    of = {}
    for slot, variable in slots:
        of.setdefault(id(variable), []).append(slot)
    for slot, variable in new_slots:
        origin = origins.get(id(variable))
        old = of.get(id(origin.source)) if origin else None
        if old:
            _check_shape(old[0], origin.source, optimizer)
            slot.assign(origin.take(old.pop(0)))
    for old, variable in zip(
        _others(optimizer, slots), _others(new, new_slots), strict=True
    ):
        variable.assign(ops.convert_to_numpy(old))
    return new, new_slots


def _all_of(optimizer):
    """Yields an optimizer and those inside it."""
    yield optimizer
    for name in ("inner_optimizer", "optimizer", "special_optimizer"):
        inner = getattr(optimizer, name, None)
        if inner is not None:
            yield from _all_of(inner)


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


def _fresh(optimizer, origins):
    """Returns an optimizer with the same settings that is not built."""
    if isinstance(optimizer, PartitionedOptimizer):
        return PartitionedOptimizer(
            _fresh(optimizer.optimizer, origins),
            _fresh(optimizer.special_optimizer, origins),
            [o.variable for o in origins if optimizer.is_special(o.source)],
        )
    new = type(optimizer).from_config(optimizer.get_config())
    for old, copy in zip(_all_of(optimizer), _all_of(new), strict=True):
        # Settings that the config lacks; they have no public names.
        pattern = getattr(old, "_exclude_from_weight_decay_pattern", None)
        excluded = getattr(old, "_exclude_from_weight_decay", ())
        copy._exclude_from_weight_decay_pattern = pattern
        copy._exclude_from_weight_decay = {
            copy._var_key(origin.variable)
            for origin in origins
            if old._var_key(origin.source) in excluded
        }
    return new


def _others(optimizer, slots):
    known = {id(slot) for slot, _ in slots}
    return [v for v in optimizer.variables if id(v) not in known]


def _check_shape(slot, variable, optimizer):
    if tuple(slot.shape) != tuple(variable.shape):
        raise ValueError(
            f"Optimizer '{optimizer.name}' keeps {tuple(slot.shape)} for a "
            f"variable of shape {tuple(variable.shape)}, which cannot be cut "
            "with it. Expected an optimizer such as RMSprop, SGD or Adam."
        )
