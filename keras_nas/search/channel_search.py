"""What the searches share whose masks decide on each channel."""

import numpy as np
from keras import ops

from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales
from keras_nas.search.budget import threshold_within
from keras_nas.search.mask_search import MaskSearch
from keras_nas.slicing import read_architecture
from keras_nas.slicing import slice_model
from keras_nas.slicing.rounding import check_multiple
from keras_nas.slicing.rounding import round_scales

_OPENED = 1e-3  # The margin of a channel that rounding opens.


class ChannelSearch(MaskSearch):
    """Base class of the searches whose masks decide on each channel.

    Their masks have `margins`, above 0 for the channels that are kept, and
    can `shift` them.

    Args:
        model: A built model with masks.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`,
            with a strength or a target.
        ramp: Float in [0, 1], the share of the steps over which the budget
            falls; only read with a target.
        channel_multiple: Integer such as 8, to which widths are rounded up;
            by default they are not.
        **kwargs: `keras.Model` keyword arguments, such as `name`.
    """

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
        """Shifts all margins alike, so that the decision meets the target.

        What `channel_multiple` opens gets a small margin above 0. `fit` calls
        this at its end.
        """
        masks = flow_of(self.model).masks
        if self.regularizer.target is not None:
            margins = [_numpy(mask.margins()) for mask in masks]
            shift = threshold_within(self, margins, self.controller.target)
            for mask in masks:
                mask.shift(-shift)
        for mask, scale in zip(masks, self.decided_scales(), strict=True):
            margins = _numpy(mask.margins())
            opened = (scale != 0) & (margins <= 0)
            mask.shift(np.where(opened, _OPENED - margins, 0.0))

    def progress(self):
        scales = np.concatenate(mask_scales(flow_of(self.model)))
        return {"channels_alive": float((scales != 0).mean())}


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)
