"""The baseline of all baselines: every layer narrowed by one factor."""

import numpy as np

from keras_nas.graph import flow_of
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_sizes
from keras_nas.slicing import slice_model
from keras_nas.slicing.rounding import check_multiple
from keras_nas.spaces.architecture import Architecture


class WidthMultiplier:
    """Narrows a model uniformly to a budget, as a network to compare with.

    Each mask keeps its first `max(1, round(multiplier * channels))` channels,
    with the largest multiplier whose network is within the budget. Nothing is
    learned. It works for any model with masks, so no builder with a width
    argument is needed.

    Args:
        model: A built Functional or Sequential model with masks that take
            lists of channels as decisions.
        regularizer: `ExpectedFLOPs(target=...)`, `ExpectedParams(target=...)`
            or `ExpectedLatency(table=..., target=...)`; with a target.
        channel_multiple: Integer such as 8: widths are rounded to the nearest
            multiple, but not to 0.

    Raises:
        ValueError: If the model has no masks, or the budget is out of reach.

    Reference:
        MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
        Applications, Section 3.3.

    Example:

    >>> import keras, keras_nas
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(32),
    ...     keras_nas.FiGSMask(),
    ...     keras.layers.Dense(2),
    ... ])
    >>> budget = keras_nas.ExpectedFLOPs(target=0.5)
    >>> baseline = keras_nas.search.WidthMultiplier(model, budget)
    >>> baseline.multiplier, baseline.export_model().layers[1].units
    (0.5, 16)
    """

    def __init__(self, model, regularizer, channel_multiple=None):
        flow = flow_of(model)
        check_has_masks(flow)
        check_multiple(channel_multiple)
        self._multiple = channel_multiple or 1
        self.model, self.regularizer = model, regularizer
        self._sizes = mask_sizes(flow)
        target = regularizer.budget(model)
        if target < self._cost(0):
            raise ValueError(
                "Invalid value received for argument `regularizer`. With the "
                "fewest channels behind every mask the model costs "
                f"{regularizer.text(self._cost(0))}, which is above the target "
                f"{regularizer.text(target)}. Use a larger target."
            )
        # Half steps of the widest layer: no width is passed over.
        steps = 2 * max(self._sizes)
        low, high = 0, steps
        while low < high:
            middle = (low + high + 1) // 2
            if self._cost(middle / steps) <= target:
                low = middle
            else:
                high = middle - 1
        self.multiplier = low / steps

    def _kept(self, multiplier):
        unit = self._multiple
        return [
            min(n, unit * max(1, int(multiplier * n / unit + 0.5)))
            for n in self._sizes
        ]

    def _cost(self, multiplier):
        scales = [
            (np.arange(n) < kept).astype("float32")
            for n, kept in zip(self._sizes, self._kept(multiplier), strict=True)
        ]
        return self.regularizer.decided(self.model, scales)

    def architecture(self):
        """Returns the narrowed network as an `Architecture`."""
        flow = flow_of(self.model)
        decisions = {
            mask.name: list(range(kept))
            for mask, kept in zip(
                flow.masks, self._kept(self.multiplier), strict=True
            )
        }
        return Architecture(flow.graph.name, decisions)

    def export_model(self, return_report=False):
        """Returns the narrowed network as a plain model."""
        return slice_model(self.model, self.architecture(), return_report)
