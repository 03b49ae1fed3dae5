"""All that a training is at one moment, as arrays and data for JSON."""

import contextlib
import itertools

from keras import ops


class TrainingState:
    """What a file of `Checkpoint` holds.

    Args:
        path: Path of the file, for messages.
        metadata: Dict of `of`, and the `step_logs` of the last step.
        arrays: Dict of NumPy arrays, from `of`.
    """

    def __init__(self, path, metadata, arrays):
        self.path, self.metadata, self.arrays = path, metadata, arrays

    @staticmethod
    def of(model, metrics=False):
        """Returns metadata and arrays of a model.

        Args:
            model: A compiled `keras.Model`.
            metrics: Boolean, whether with those of its metrics, which only
                matter in the middle of an epoch.
        """
        groups = _variables(model, metrics)
        metadata = {
            "structure": _call(model, "structure"),
            "variables": _describe(groups),
        }
        arrays = {
            f"{group}_{index}": ops.convert_to_numpy(variable)
            for group, variables in groups.items()
            for index, variable in enumerate(variables)
        }
        return metadata, arrays

    def restore(self, model):
        """Gives a model its structure and its values, but for metrics."""
        structure = self.metadata["structure"]
        if structure is not None:
            if not hasattr(model, "restore_structure"):
                raise ValueError(
                    f"The checkpoint '{self.path}' is of another model. "
                    "Expected one with a method `restore_structure`, since "
                    "the file holds a structure. Received: "
                    f"model={model!r}"
                )
            model.restore_structure(structure)
        strategy = getattr(model, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
        self._assign(model, metrics=False)

    def skip_steps(self, model, steps):
        """Lets the next steps of a model read their batches only.

        After them the values are restored once more, with those of metrics,
        since what begins an epoch has changed some.

        Args:
            model: The `keras.Model`, in `fit`, at the beginning of an epoch.
            steps: Integer.
        """
        train, done = model.train_function, 0
        at_once = model.steps_per_execution

        def skip(iterator):
            nonlocal done
            for _ in range(at_once):
                next(iterator)
            done += at_once
            if done >= steps:
                self._make_metrics(model, iterator)
                self._assign(model, metrics=True)
                model.train_function = train
            return dict(self.metadata["step_logs"])

        model.train_function = skip

    def _make_metrics(self, model, iterator):
        saved = len(self.metadata["variables"]["metrics"])
        if len(_variables(model, True)["metrics"]) < saved:
            model._symbolic_build(data_batch=iterator.element_spec)

    def _assign(self, model, metrics):
        groups, saved = _variables(model, metrics), self.metadata["variables"]
        if not metrics:
            saved = {k: v for k, v in saved.items() if k != "metrics"}
        _check_same(self.path, groups, saved)
        for group, variables in groups.items():
            for index, variable in enumerate(variables):
                value = self.arrays[f"{group}_{index}"]
                if value.dtype.kind == "V":  # NumPy forgets which, as bfloat16.
                    value = value.view(ops.convert_to_numpy(variable).dtype)
                variable.assign(value)


def _call(model, name):
    """Returns what a method returns that a model may have, or `None`."""
    method = getattr(model, name, None)
    return method() if callable(method) else None


def _variables(model, metrics):
    """Returns the variables of a model and its optimizers, by their group."""
    groups = {"model": model.variables}
    optimizers = _call(model, "optimizers") or [model.optimizer]
    for index, optimizer in enumerate(optimizers):
        groups[f"optimizer{index}"] = optimizer.variables
    if metrics:
        groups["metrics"] = [v for m in model.metrics for v in m.variables]
    return groups


def _describe(groups):
    """Returns name, shape and type of every variable, as JSON has them."""
    return {
        group: [[v.path, list(v.shape), v.dtype] for v in variables]
        for group, variables in groups.items()
    }


def _check_same(path, groups, saved):
    """Raises a `ValueError` that names the first variable that differs."""
    present = _describe(groups)
    # Names are not compared: Keras numbers them as they come.
    for group in [*present, *(g for g in saved if g not in present)]:
        pairs = itertools.zip_longest(
            present.get(group, []), saved.get(group, [])
        )
        for index, (mine, other) in enumerate(pairs):
            if (mine and mine[1:]) != (other and other[1:]):
                raise ValueError(
                    f"The checkpoint '{path}' is of another model. Expected "
                    f"variable {index} of '{group}' as in this model: "
                    f"{_name(mine)}. Received: {_name(other)}. Use the same "
                    "model and optimizers, or another folder."
                )


def _name(description):
    if description is None:
        return "no such variable"
    name, shape, dtype = description
    return f"'{name}' of shape {tuple(shape)} and type {dtype}"
