"""Reaching a stated budget: the multiplier, and the last adjustment."""

import keras
import numpy as np
from keras import ops

from keras_nas.graph import flow_of
from keras_nas.slicing.rounding import round_scales

_SOFTNESS = 0.1  # Of factors that begin at 1.


class BudgetController(keras.layers.Layer):
    """The strength of the penalty, fixed or driven by a target.

    With a target it is a proportional-integral controller of the expected
    cost, as dual ascent on the constraint cost <= budget is (the integral),
    with a term that damps it. The penalty is on the share of the full cost,
    so that the gains do not depend on the model.

    Args:
        regularizer: An `ExpectedCost`.
        model: The model with masks.
        integral: Float, how fast the multiplier grows, per step.
        proportional: Float, its response to the present error.
        smoothing: Float in [0, 1), how much of the average cost so far stays
            in it at each step. Where costs are those of draws, an answer to
            each of them would on the whole push them below the budget, since
            a penalty is never negative.
    """

    def __init__(
        self,
        regularizer,
        model,
        integral=0.05,
        proportional=20.0,
        smoothing=0.0,
    ):
        super().__init__(name="budget_controller")
        self.full = regularizer.full(model)
        self.fixed = regularizer.strength
        self.integral, self.proportional = integral, proportional
        self.smoothing = smoothing
        self.target = None
        if self.fixed is None:
            self.target = regularizer.budget(model)
        self.multiplier = self._variable("multiplier", 0.0)
        self.error = self._variable("error", 0.0)
        self.average = self._variable("average", 0.0)
        self.step = self._variable("step", 0.0)
        self.ramp_steps = self._variable("ramp_steps", 0.0)
        self.built = True

    def _variable(self, name, value):
        return self.add_weight(
            name=name,
            shape=(),
            initializer=keras.initializers.Constant(value),
            dtype="float32",
            autocast=False,
            trainable=False,
            aggregation="only_first_replica",
        )

    def begin(self, ramp_steps):
        """Sets the number of steps over which the budget falls."""
        self.ramp_steps.assign(float(ramp_steps))

    def budget(self):
        """Returns the present budget, as a share of the full cost."""
        return (self.target / self.full) ** self.ramped()

    def ramped(self):
        """Returns how much of the ramp is done, from 0 to 1."""
        return ops.minimum(self.step / ops.maximum(self.ramp_steps, 1.0), 1.0)

    def update(self, cost):
        """Takes one step of the controller.

        Args:
            cost: Expected cost as a share of the full cost, a scalar.
        """
        self.step.assign(self.step + 1.0)
        if self.fixed is not None:
            return
        cost = ops.stop_gradient(cost)
        before = ops.where(self.step > 1.0, self.average.value, cost)
        self.average.assign(before + (1.0 - self.smoothing) * (cost - before))
        error = self.average / self.budget() - 1.0
        self.error.assign(error)
        self.multiplier.assign(
            ops.maximum(self.multiplier + self.integral * error, 0.0)
        )

    def strength(self):
        """Returns the strength of the penalty on the share of the cost."""
        if self.fixed is not None:
            return ops.convert_to_tensor(self.fixed * self.full, "float32")
        return ops.maximum(
            self.multiplier + self.proportional * self.error, 0.0
        )

    def wants_less(self, cost):
        """Whether the penalty should be lowering the expected cost."""
        if self.fixed is not None:
            return self.fixed > 0
        return cost > 1.02 * self.target / self.full


def soft_count(factor):
    """Returns 0 for factors of 0, and 1 for those of 1 and more.

    A controller that saw how many channels are alive would learn too late that
    factors fall, and drive all of them to 0.
    """
    return ops.minimum(factor * (1.0 + _SOFTNESS) / (factor + _SOFTNESS), 1.0)


def threshold_within(search, values, target):
    """Returns the number above which values are kept, to cost <= target.

    It is the one nearest to 0, the present one, that brings the sliced network
    to the largest cost within the target: higher if the network was above it,
    lower if channels can be added back.

    Args:
        search: A search with `model`, `regularizer` and `channel_multiple`.
        values: One NumPy vector per mask.
        target: The budget, an absolute number.
    """
    flow = flow_of(search.model)
    levels = np.unique(np.concatenate(values))
    # One below all levels keeps everything.
    thresholds = np.concatenate([[levels[0] - 1.0], levels])

    def cost(threshold):
        kept = [(v > threshold).astype("float32") for v in values]
        kept = round_scales(flow, kept, search.channel_multiple)
        return search.regularizer.decided(search.model, kept)

    first = first_within(thresholds, cost, target)
    low, high = thresholds[first], np.append(thresholds, np.inf)[first + 1]
    if low <= 0.0 < high:
        return 0.0
    return float(low + min(1e-3, (high - low) / 2))


def first_within(values, cost, target):
    """Returns the index of the first value whose cost is within a target.

    Args:
        values: Sequence of values whose costs fall.
        cost: Function from a value to its cost.
        target: Number; the last value is taken if none is within it.
    """
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if cost(values[middle]) <= target:
            high = middle
        else:
            low = middle + 1
    return low
