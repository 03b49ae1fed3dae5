"""FiGS: fine-grained stochastic architecture search."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_nas.costs import ExpectedFLOPs
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_scales
from keras_nas.graph.decisions import read_scales
from keras_nas.search.budget import BudgetController
from keras_nas.search.budget import fit_decision_to_budget
from keras_nas.slicing import read_architecture
from keras_nas.slicing import slice_model
from keras_nas.slicing.rounding import check_multiple
from keras_nas.slicing.rounding import round_scales
from keras_nas.training.partitioned_optimizer import PartitionedOptimizer


class FiGS(keras.Model):
    """Searches the widths and operators of a model with masks.

    Wrap a model that holds `keras_nas.FiGSMask` layers (put there by hand or
    by `keras_nas.insert_masks`), compile and fit it like any model, and take
    the result with `architecture()` or `export_model()`. Training minimizes
    the task loss plus the expected cost (FiGS, Eq. 2 and 6).

    With a strength, the penalty is `strength * cost` throughout, as in the
    paper, and the final cost is whatever comes out. With a target, the search
    reaches it by itself: a budget falls from the full cost to the target over
    the first `ramp` of the training, a multiplier rises while the expected
    cost is above the budget and falls while it is below, and when `fit` ends
    all logits are shifted by one common number, the smallest for which the
    sliced network is within the target. (The paper tunes strengths by hand.)

    Each epoch logs `expected_cost`, `decided_cost` (of the network as it
    would be sliced now), both as shares of the full cost, `channels_alive`,
    and `strength` (of the penalty on the share of the cost).

    Args:
        model: A built Functional or Sequential model with masks.
        regularizer: `ExpectedFLOPs` or `ExpectedParams`, with a strength or a
            target. Defaults to the one attached to the model, else to
            `ExpectedFLOPs(target=0.5)`.
        ramp: Float in [0, 1], the share of the steps over which the budget
            falls; only read with a target.
        channel_multiple: Integer such as 8: the decided widths are rounded up
            to a multiple, as `slice_model` does, and the target is met with
            those. By default they are not.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, is not a built Keras 3 model,
            or the target is above the full cost or below what closing every
            mask leaves.

    Reference:
        FiGS: Fine-Grained Stochastic Architecture Search, Sections 3.1, 3.2.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(32, activation="relu"),
    ...     keras_nas.LogisticSigmoidMask(temperature=0.1),
    ...     keras.layers.Dense(2),
    ... ])
    >>> search = keras_nas.search.FiGS(
    ...     model, keras_nas.ExpectedFLOPs(target=0.5)
    ... )
    >>> search.compile(
    ...     "adam", "mse", mask_optimizer=keras.optimizers.Adam(0.1)
    ... )
    >>> x = np.ones((64, 8), "float32")
    >>> history = search.fit(x, x[:, :2], epochs=2, verbose=0)
    >>> small = search.export_model()
    >>> keras_nas.count_cost(small).macs <= 160
    True
    """

    def __init__(
        self,
        model,
        regularizer=None,
        ramp=0.6,
        channel_multiple=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not 0.0 <= ramp <= 1.0:
            raise ValueError(
                "Invalid value received for argument `ramp`. Expected a float "
                f"in [0, 1]. Received: ramp={ramp!r}"
            )
        check_has_masks(flow_of(model))
        check_multiple(channel_multiple)
        self.channel_multiple = channel_multiple
        self.model = model
        self.regularizer = (
            regularizer
            or getattr(model, "cost_regularizer", None)
            or ExpectedFLOPs(target=0.5)
        )
        self.ramp = ramp
        self.controller = BudgetController(self.regularizer, model)
        self.full_cost = self.controller.full
        self._penalty = None

    def compile(self, optimizer="adam", *args, mask_optimizer=None, **kwargs):
        """Configures the search for `fit`.

        Args:
            optimizer: Optimizer of the weights, and of the masks' logits
                unless `mask_optimizer` is given.
            *args: As in `keras.Model.compile`.
            mask_optimizer: Optimizer of the masks' logits. The paper trains
                both with one Adam (learning rate 1.6, epsilon 1.0); short
                searches want a larger learning rate for the logits.
            **kwargs: As in `keras.Model.compile`.
        """
        if mask_optimizer is not None:
            masks = flow_of(self.model).masks
            special = [v for m in masks for v in m.trainable_variables]
            optimizer = PartitionedOptimizer(optimizer, mask_optimizer, special)
        super().compile(optimizer, *args, **kwargs)

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        cost = self.regularizer(self.model) / self.full_cost
        if training:
            self.controller.update(cost)
        self._penalty = self.controller.strength() * cost
        try:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        finally:
            self._penalty = None

    @property
    def losses(self):
        penalty = [] if self._penalty is None else [self._penalty]
        return [*super().losses, *penalty]

    def fit(self, *args, callbacks=None, **kwargs):
        """Trains weights and masks; arguments as in `keras.Model.fit`."""
        callbacks = list(callbacks or [])
        return super().fit(*args, callbacks=[_Watch(), *callbacks], **kwargs)

    def architecture(self):
        """Returns what the masks have decided, as an `Architecture`."""
        flow = flow_of(self.model)
        return read_architecture(flow, self._decided_scales())

    def export_model(self, return_report=False):
        """Returns the decided network as a plain model, weights inherited."""
        return slice_model(
            self.model,
            return_report=return_report,
            channel_multiple=self.channel_multiple,
        )

    def decided_cost(self):
        """Returns the cost that `export_model()` would have, an integer."""
        return self.regularizer.decided(self.model, self._decided_scales())

    def _decided_scales(self):
        flow = flow_of(self.model)
        return round_scales(flow, mask_scales(flow), self.channel_multiple)

    def finish(self):
        """Shifts the logits so that the decision meets the target, if any.

        Masks that `channel_multiple` opens get small positive logits. `fit`
        calls this at its end.
        """
        if self.regularizer.target is not None:
            fit_decision_to_budget(self, self.controller.target)
        masks, rounded = flow_of(self.model).masks, self._decided_scales()
        for mask, scale in zip(masks, rounded, strict=True):
            logits = ops.convert_to_numpy(mask.logits)
            opened = (scale != 0) & (logits <= 0)
            mask.logits.assign(np.where(opened, 1e-3, logits))

    def is_collapsed(self):
        """Whether no output depends on the input any more."""
        flow = flow_of(self.model)
        reading = read_scales(flow, mask_scales(flow))
        outputs = keras.tree.flatten(flow.graph.outputs)
        return not any(
            reading.some(reading.alive(flow.state(t))) for t in outputs
        )

    def channels_alive(self):
        """Returns the share of the masks' channels that are kept now."""
        scales = mask_scales(flow_of(self.model))
        return float((np.concatenate(scales) != 0).mean())


class _Watch(keras.callbacks.Callback):
    """Logs the costs of each epoch and warns when the search is stuck."""

    def __init__(self):
        super().__init__()
        self.first_cost = None

    def on_train_begin(self, logs=None):
        steps, epochs = self.params.get("steps"), self.params["epochs"]
        total = steps * epochs * self.model.ramp if steps else 0
        self.model.controller.begin(total)
        self.first_cost = self._expected()

    def on_epoch_end(self, epoch, logs=None):
        search, logs = self.model, {} if logs is None else logs
        logs["expected_cost"] = self._expected()
        logs["decided_cost"] = search.decided_cost() / search.full_cost
        logs["channels_alive"] = search.channels_alive()
        strength = search.controller.strength()
        logs["strength"] = float(ops.convert_to_numpy(strength))
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
        cost = self.model.regularizer(self.model.model)
        return float(ops.convert_to_numpy(cost)) / self.model.full_cost

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
        wanted = self.model.controller.wants_less(cost)
        if wanted and first - cost < 0.01 * first:
            warnings.warn(
                "The penalty has no effect: the expected cost was "
                f"{first:.4f} of the full cost at the start and is "
                f"{cost:.4f} now. Use a strength ten times larger (one over "
                f"the full cost is {1 / self.model.full_cost:.1e}), or give "
                "the masks an optimizer with a larger learning rate: "
                "`compile(mask_optimizer=...)`.",
                stacklevel=2,
            )
