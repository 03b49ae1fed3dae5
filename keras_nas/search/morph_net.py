"""MorphNet: widths by the penalized scales of normalizations."""

from keras import ops

from keras_nas.graph import flow_of
from keras_nas.graph.reading import Reading
from keras_nas.search.budget import soft_count
from keras_nas.search.channel_search import ChannelSearch
from keras_nas.search.morph_net_reading import MorphNetReading

_SMALLEST = 1e-3


class MorphNet(ChannelSearch):
    """Searches the widths of a model by driving their factors to zero.

    Use it as the baseline that FiGS compares with: nothing is drawn, and what
    decides on a channel is the absolute value of its BatchNormalization's
    scale, or, as the group lasso, the size of the weights that make it. Wrap a
    model that holds `keras_nas.layers.MorphNetMask` layers, compile and fit
    it like any model, and take the result with `architecture()` or
    `export_model()`.

    A convolution of cost c A_in A_out has the penalty (Eq. 5)

        c (A_in R_out + A_out R_in),

    where A counts the channels that are alive, R adds up their factors, and
    only R has a gradient. Channels that an addition ties have the largest of
    their factors.

    A strength and a target are as in `FiGS`, with the `expected_cost` for
    which a channel counts less the nearer its factor is to 0, beginning at 1.
    With a target, all thresholds are shifted by one number when `fit` ends.

    Args:
        model: A built Functional or Sequential model with `MorphNetMask`s.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`,
            with a strength or a target. Defaults to the one attached to the
            model, else to `ExpectedFLOPs(target=0.5)`.
        ramp: Float in [0, 1], the share of the steps over which the budget
            falls; only read with a target.
        channel_multiple: Integer such as 8: the decided widths are rounded up
            to a multiple. By default they are not.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, or masks of another kind, is
            not a built Keras 3 model, or the target is out of reach.

    Reference:
        MorphNet: Fast & Simple Resource-Constrained Structure Learning of
        Deep Networks, Sections 3.2 and 3.3.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(32, use_bias=False),
    ...     keras.layers.BatchNormalization(),
    ...     keras_nas.layers.MorphNetMask(),
    ...     keras.layers.Dense(2),
    ... ])
    >>> search = keras_nas.search.MorphNet(
    ...     model, keras_nas.ExpectedFLOPs(target=0.5)
    ... )
    >>> search.compile("adam", "mse")
    >>> x = np.ones((64, 8), "float32")
    >>> history = search.fit(x, x[:, :2], epochs=2, verbose=0)
    >>> small = search.export_model()
    >>> keras_nas.count_cost(small).macs <= 160
    True
    """

    method = "MorphNet"

    def __init__(
        self,
        model,
        regularizer=None,
        ramp=0.6,
        channel_multiple=None,
        **kwargs,
    ):
        super().__init__(model, regularizer, ramp, channel_multiple, **kwargs)
        # Where factors begin, of each mask.
        self._units = [
            max(float(ops.mean(mask.importance())), _SMALLEST)
            for mask in flow_of(model).masks
        ]

    def mask_variables(self):
        variables = [mask.factor for mask in flow_of(self.model).masks]
        return list({id(v): v for v in variables}.values())

    def penalty(self, training):
        full = self.controller.full
        if training:
            self.controller.update(self._soft_cost() / full)
        return self.controller.strength() * self.cost() / full

    def cost(self):
        """Returns what is penalized: the cost of what is alive, a scalar
        with the gradient of Eq. 5."""
        flow = flow_of(self.model)
        alive, factors = zip(
            *((m.probabilities(), m.importance()) for m in flow.masks),
            strict=True,
        )
        reading = MorphNetReading(flow, alive, factors)
        return ops.cast(self.regularizer.of_reading(flow, reading), "float32")

    def expected_cost(self):
        return float(ops.convert_to_numpy(self._soft_cost()))

    def _soft_cost(self):
        flow = flow_of(self.model)
        counts = [
            soft_count(ops.stop_gradient(mask.importance()) / unit)
            for mask, unit in zip(flow.masks, self._units, strict=True)
        ]
        reading = Reading(flow, counts, ops)
        return ops.cast(self.regularizer.of_reading(flow, reading), "float32")
