"""What the searches share that train masks by gradients."""

import warnings

import keras
from keras import ops

from keras_nas.costs import ExpectedFLOPs
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_scales
from keras_nas.graph.decisions import read_scales
from keras_nas.search.budget import BudgetController
from keras_nas.search.penalized_model import PenalizedModel
from keras_nas.slicing import read_architecture
from keras_nas.slicing import slice_model
from keras_nas.training.partitioned_optimizer import PartitionedOptimizer


class MaskSearch(PenalizedModel):
    """Base class of the searches that train masks by gradients.

    Args:
        model: A built model with masks.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`,
            with a strength or a target. Defaults to the one attached to the
            model, else to `ExpectedFLOPs(target=0.5)`.
        ramp: Float in [0, 1], the share of the steps over which the budget
            falls; only read with a target.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, is not a built Keras 3 model,
            or the target is out of reach.
    """

    method = None  # The masks that it trains say so, too.
    # Of the controller, how much of the average cost stays at each step.
    cost_smoothing = 0.0

    def __init__(self, model, regularizer=None, ramp=0.6, **kwargs):
        if not 0.0 <= ramp <= 1.0:
            raise ValueError(
                "Invalid value received for argument `ramp`. Expected a float "
                f"in [0, 1]. Received: ramp={ramp!r}"
            )
        _check_masks(flow_of(model), self.method)
        regularizer = (
            regularizer
            or getattr(model, "cost_regularizer", None)
            or ExpectedFLOPs(target=0.5)
        )
        controller = BudgetController(
            regularizer, model, smoothing=self.cost_smoothing
        )
        super().__init__(model, regularizer, controller, **kwargs)
        self.ramp = ramp
        self.full_cost = controller.full

    def compile(self, optimizer="adam", *args, mask_optimizer=None, **kwargs):
        """Configures the search for `fit`.

        Args:
            optimizer: Optimizer of the weights, and of what decides in the
                masks unless `mask_optimizer` is given.
            *args: As in `keras.Model.compile`.
            mask_optimizer: Optimizer of what decides in the masks. Short
                searches want a larger learning rate for it.
            **kwargs: As in `keras.Model.compile`.
        """
        if mask_optimizer is not None:
            special = self.mask_variables()
            optimizer = PartitionedOptimizer(optimizer, mask_optimizer, special)
        super().compile(optimizer, *args, **kwargs)

    def mask_variables(self):
        """Returns the variables that decide in the masks."""
        masks = flow_of(self.model).masks
        return [v for m in masks for v in m.trainable_variables]

    def fit(self, *args, callbacks=None, **kwargs):
        """Trains weights and masks; arguments as in `keras.Model.fit`."""
        callbacks = keras.tree.flatten(callbacks or [])
        callbacks = [*self.search_callbacks(), *callbacks]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def search_callbacks(self):
        """Returns the callbacks that `fit` runs before those of the user."""
        return [_Watch()]

    def strength(self):
        """Returns the present strength of the penalty."""
        return self.controller.strength()

    def penalized_steps(self, steps):
        """Returns how many steps of a training the penalty is part of.

        Args:
            steps: Integer, all steps of `fit`.
        """
        return steps

    def architecture(self):
        """Returns what the masks have decided, as an `Architecture`."""
        return read_architecture(flow_of(self.model))

    def export_model(self, return_report=False):
        """Returns the decided network as a plain model, weights inherited."""
        return slice_model(self.model, return_report=return_report)

    def decided_scales(self):
        """Returns the switches of every mask, as decided now."""
        return mask_scales(flow_of(self.model))

    def expected_cost(self):
        """Returns the cost that the masks make likely now, a float."""
        return float(ops.convert_to_numpy(self.regularizer(self.model)))

    def decided_cost(self):
        """Returns the cost that `export_model()` would have."""
        return self.regularizer.decided(self.model, self.decided_scales())

    def finish(self):
        """Changes the logits so that the decision meets the target, if any.

        `fit` calls this at its end.
        """
        raise NotImplementedError

    def progress(self):
        """Returns what `fit` logs of the masks after each epoch."""
        return {}

    def advice_if_stuck(self):
        """Returns what to do if the penalty has no effect, sentences."""
        return (
            "Use a strength ten times larger (one over the full cost is "
            f"{1 / self.full_cost:.1e}), or give the masks an optimizer with a "
            "larger learning rate: `compile(mask_optimizer=...)`."
        )

    def is_collapsed(self):
        """Whether no output depends on the input any more."""
        flow = flow_of(self.model)
        reading = read_scales(flow, mask_scales(flow))
        return not any(
            reading.some(reading.alive(flow.state(t))) for t in flow.outputs
        )


def _check_masks(flow, method):
    check_has_masks(flow)
    others = {}
    for mask in flow.masks:
        if mask.method != method:
            others.setdefault(mask.method, []).append(mask.name)
    if others:
        received = ", ".join(f"{v} of {k}" for k, v in others.items())
        raise ValueError(
            f"`keras_nas.search.{method}` cannot train masks of other kinds. "
            f"Expected masks of {method} only. Received: {received}. Search "
            "those with the search of that name."
        )


class _Watch(keras.callbacks.Callback):
    """Logs the costs of each epoch and warns when the search is stuck."""

    def __init__(self):
        super().__init__()
        self.first_cost = None

    def on_train_begin(self, logs=None):
        steps = (self.params.get("steps") or 0) * self.params["epochs"]
        total = self.model.penalized_steps(steps) * self.model.ramp
        self.model.controller.begin(total)
        self.first_cost = self._expected()

    def on_epoch_end(self, epoch, logs=None):
        search, logs = self.model, {} if logs is None else logs
        logs["expected_cost"] = self._expected()
        logs["decided_cost"] = search.decided_cost() / search.full_cost
        logs.update(search.progress())
        logs["strength"] = float(ops.convert_to_numpy(search.strength()))
        if search.is_collapsed():
            self._warn_collapsed(f"after epoch {epoch + 1}")
        elif epoch == max(2, self.params["epochs"] // 2):
            self._check_effect(logs)

    def on_train_end(self, logs=None):
        collapsed = self.model.is_collapsed()
        self.model.finish()
        if self.model.is_collapsed() and not collapsed:
            self._warn_collapsed("within the target")

    def _expected(self):
        return self.model.expected_cost() / self.model.full_cost

    def _warn_collapsed(self, when):
        warnings.warn(
            f"The network has collapsed: {when} so many masks are closed that "
            "the output no longer depends on the input. Use a smaller "
            "strength or a larger target, a smaller `channel_multiple`, or a "
            "smaller learning rate of the masks.",
            stacklevel=2,
        )

    def _check_effect(self, logs):
        cost, first = logs["expected_cost"], self.first_cost
        wanted = self.model.controller.wants_less(cost) and logs["strength"]
        if wanted and first - cost < 0.01 * first:
            warnings.warn(
                "The penalty has no effect: the expected cost was "
                f"{first:.4f} of the full cost at the start and is "
                f"{cost:.4f} now. {self.model.advice_if_stuck()}",
                stacklevel=2,
            )
