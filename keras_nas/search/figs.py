"""FiGS: fine-grained stochastic architecture search."""

import numpy as np
from keras import ops

from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales
from keras_nas.search.budget import fit_logits_to_budget
from keras_nas.search.mask_search import MaskSearch
from keras_nas.slicing import read_architecture
from keras_nas.slicing import slice_model
from keras_nas.slicing.rounding import check_multiple
from keras_nas.slicing.rounding import round_scales


class FiGS(MaskSearch):
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
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`,
            with a strength or a target. Defaults to the one attached to the
            model, else to `ExpectedFLOPs(target=0.5)`.
        ramp: Float in [0, 1], the share of the steps over which the budget
            falls; only read with a target.
        channel_multiple: Integer such as 8: the decided widths are rounded up
            to a multiple, as `slice_model` does, and the target is met with
            those. By default they are not.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, or masks of another kind, is
            not a built Keras 3 model, or the target is above the full cost
            or below what closing every mask leaves.

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

    method = "FiGS"

    def __init__(
        self,
        model,
        regularizer=None,
        ramp=0.6,
        channel_multiple=None,
        **kwargs,
    ):
        super().__init__(model, regularizer, ramp, **kwargs)
        check_multiple(channel_multiple)
        self.channel_multiple = channel_multiple

    def architecture(self):
        return read_architecture(flow_of(self.model), self.decided_scales())

    def export_model(self, return_report=False):
        return slice_model(
            self.model,
            return_report=return_report,
            channel_multiple=self.channel_multiple,
        )

    def decided_scales(self):
        flow = flow_of(self.model)
        return round_scales(flow, mask_scales(flow), self.channel_multiple)

    def finish(self):
        """Shifts the logits so that the decision meets the target, if any.

        Masks that `channel_multiple` opens get small positive logits. `fit`
        calls this at its end.
        """
        if self.regularizer.target is not None:
            fit_logits_to_budget(self, self.controller.target)
        masks, rounded = flow_of(self.model).masks, self.decided_scales()
        for mask, scale in zip(masks, rounded, strict=True):
            logits = ops.convert_to_numpy(mask.logits)
            opened = (scale != 0) & (logits <= 0)
            mask.logits.assign(np.where(opened, 1e-3, logits))

    def progress(self):
        return {"channels_alive": self.channels_alive()}

    def channels_alive(self):
        """Returns the share of the masks' channels that are kept now."""
        scales = mask_scales(flow_of(self.model))
        return float((np.concatenate(scales) != 0).mean())
