"""Regularizers: the expected cost of a model with masks."""

import numbers
import weakref

import keras
from keras import ops

from keras_nas.costs.counting import node_costs
from keras_nas.costs.limits import scale_limits
from keras_nas.costs.regularized_model import RegularizedFunctional
from keras_nas.costs.regularized_model import RegularizedSequential
from keras_nas.costs.targets import resolve_target
from keras_nas.graph import flow_of
from keras_nas.graph.checks import Functional
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_scales
from keras_nas.graph.decisions import read_probabilities
from keras_nas.graph.decisions import read_scales


class ExpectedCost:
    """Base class of the expected costs; subclasses choose what is counted.

    Args:
        strength: Non-negative float, lambda. The penalty is
            `strength * cost`.
        target: A budget, instead of a strength: a float in (0, 1] is a share
            of the model's full cost, a number above 1 an absolute one, whole
            where `counts` is true.
            The penalty is `target_strength * max(0, cost / target - 1)`.
        target_strength: Positive float; larger than what the loss gains by
            exceeding the budget by its own size.

    Attributes:
        counts: Boolean, whether costs are whole numbers.
    """

    counts = True

    def __init__(self, strength=None, target=None, target_strength=1.0):
        if (strength is None) == (target is None):
            raise ValueError(
                "Expected exactly one of the arguments `strength` and "
                f"`target`. Received: strength={strength}, target={target}. "
                "Pass a strength such as 1e-9 per multiply-add, or a target "
                "such as 0.5 of the full cost."
            )
        for name, value in (
            ("strength", strength),
            ("target_strength", target_strength),
        ):
            if value is None:
                continue
            if not isinstance(value, numbers.Real) or not value >= 0:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"a float >= 0. Received: {name}={value!r}"
                )
        self.strength = strength
        self.target = target
        self.target_strength = target_strength
        self._budgets = weakref.WeakKeyDictionary()

    def measure(self, node, parts):
        """Returns what one call of a layer costs.

        Args:
            node: The `keras_nas.graph.Node` of the call.
            parts: Dictionary with the numbers, or scalar tensors, of
                `COST_PARTS` of the call.
        """
        raise NotImplementedError

    def text(self, cost):
        """Returns a cost as text for messages, such as '1,234'."""
        return f"{cost:,.0f}"

    def decided(self, model, scales=None):
        """Returns the cost of the network that some decisions leave.

        Args:
            model: A model with masks.
            scales: One vector per mask, zero where a channel is dropped. By
                default, what the masks have decided.

        Returns:
            The cost of the sliced model: an integer if `counts` is true,
            otherwise a float.
        """
        flow = flow_of(model)
        scales = mask_scales(flow) if scales is None else scales
        return self.of_reading(flow, read_scales(flow, scales))

    def of_reading(self, flow, reading):
        """Returns the cost that a reading of a model gives.

        Args:
            flow: The `ChannelFlow` of the model.
            reading: A `Reading` of it.
        """
        rows = node_costs(flow, reading)
        return sum(self.measure(node, parts) for node, parts in rows)

    def full(self, model):
        """Returns the cost with every mask open, as `decided` does.

        Of blocks to choose from, the most expensive one counts.
        """
        _, largest = scale_limits(flow_of(model), self.measure)
        return self.decided(model, largest)

    def smallest(self, model):
        """Returns the cost with every mask as closed as can be."""
        smallest, _ = scale_limits(flow_of(model), self.measure)
        return self.decided(model, smallest)

    def budget(self, model):
        """Returns the target as an absolute number.

        Raises:
            ValueError: If the target is above the full cost or below the
                smallest.
        """
        flow = flow_of(model)
        if flow not in self._budgets:
            self._budgets[flow] = resolve_target(
                self.target, self.full(model), self.smallest(model), self
            )
        return self._budgets[flow]

    def __call__(self, model, dtype="float32"):
        """Returns the expected cost of a model, without strength.

        Args:
            model: A built Keras model with masks.
            dtype: String, the dtype to compute in. float32 holds every
                integer up to 2**24 only; with `"float64"` a decided model's
                expected cost is its count to the last multiply-add.

        Returns:
            A scalar tensor, differentiable in the masks' logits.
        """
        flow = flow_of(model)
        check_has_masks(flow)
        total = self.of_reading(flow, read_probabilities(flow, dtype))
        return ops.cast(total, dtype)

    def penalty(self, model):
        """Returns the term that `attach` adds to the loss."""
        cost = self(model)
        if self.strength is not None:
            return self.strength * cost
        excess = cost / self.budget(model) - 1.0
        return self.target_strength * ops.maximum(excess, 0.0)

    def attach(self, model):
        """Makes the penalty part of `model.losses`, for stock `fit`.

        The attachment is saved with the model and comes back with
        `keras.models.load_model`. Attaching again replaces it.

        Args:
            model: A built Functional or Sequential model with masks; changed
                in place.

        Returns:
            The model.

        Raises:
            ValueError: If the model is of another kind, or has no masks.
        """
        check_has_masks(flow_of(model))
        if self.target is not None:
            self.budget(model)  # Raises if it is out of range.
        if type(model) in (keras.Sequential, RegularizedSequential):
            model.__class__ = RegularizedSequential
        elif type(model) in (Functional, RegularizedFunctional):
            model.__class__ = RegularizedFunctional
        else:
            raise ValueError(
                "A cost can be attached to a Functional or Sequential model. "
                f"Received: a {type(model).__name__}. Attach it to "
                "`keras.Model(model.inputs, model.outputs)`, or add "
                "`cost.penalty(model)` to the loss in your own `compute_loss`."
            )
        model.cost_regularizer = self
        return model

    def get_config(self):
        return {
            "strength": self.strength,
            "target": self.target,
            "target_strength": self.target_strength,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_nas")
class ExpectedFLOPs(ExpectedCost):
    """The expected multiply-adds of a model with masks (FiGS, Eq. 6).

    Use it to make a search pay for computation. What the papers print as
    FLOPs are multiply-adds, and so are these: one multiply-add counts 1. Every
    kernel counts once, as coefficient * sum(p_in) * sum(p_out) over the
    probabilities that its input and output channels stay; channels tied by an
    addition stay with 1 - prod(1 - p). With all probabilities at 0 or 1 it
    equals `count_cost(slice_model(model)).macs`.

    Args:
        strength: Non-negative float, lambda; a good start is one over the
            full cost.
        target: Instead of a strength, a budget: a share such as 0.5, or an
            absolute number of multiply-adds.
        target_strength: Positive float, the penalty at twice the budget.

    Raises:
        ValueError: If not exactly one of `strength` and `target` is given, or
            one is out of range.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3),
    ...     keras_nas.LogisticSigmoidMask(initial_logit=0.0),
    ... ])
    >>> float(keras_nas.ExpectedFLOPs(1e-5)(model))
    15552.0
    >>> model = keras_nas.ExpectedFLOPs(1e-5).attach(model)
    >>> len(model.losses)
    1
    """

    def measure(self, node, parts):
        return parts["macs"]


@keras.saving.register_keras_serializable(package="keras_nas")
class ExpectedParams(ExpectedCost):
    """The expected number of parameters of a model with masks (FiGS, Eq. 6).

    As `ExpectedFLOPs`, for size: kernels, biases, and the scales and offsets
    of normalizations.

    Args:
        strength: Non-negative float, lambda.
        target: Instead of a strength, a budget: a share such as 0.5, or an
            absolute number of parameters.
        target_strength: Positive float, the penalty at twice the budget.

    Raises:
        ValueError: As `ExpectedFLOPs`.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((4,)),
    ...     keras.layers.Dense(8),
    ...     keras_nas.LogisticSigmoidMask(initial_logit=0.0),
    ...     keras.layers.Dense(2),
    ... ])
    >>> round(float(keras_nas.ExpectedParams(1e-3)(model)))
    30
    """

    def measure(self, node, parts):
        return parts["kernels"] + parts["biases"] + parts["norm"]
