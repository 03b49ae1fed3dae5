"""Masks whose switches are a trained factor of each channel."""

import numbers
import weakref

import keras
import numpy as np
from keras import ops

from keras_nas.layers.per_channel_mask import PerChannelMask

_FACTORS = ("auto", "batch_norm", "own")


class FactorMask(PerChannelMask):
    """Base class of the masks that close channels whose factor is small.

    The factors are the scales of the BatchNormalization that the mask is
    called behind, or a weight of the mask.

    Args:
        factor: `"batch_norm"`, `"own"`, or `"auto"`, which is the first where
            the layer is called on what a BatchNormalization with a scale
            returns, in a Functional or Sequential model.
        **kwargs: Keyword arguments of `PerChannelMask`.
    """

    decides_each_channel = True
    factor_kinds = _FACTORS
    # Whether it may be called behind other normalizations than the first.
    is_called_elsewhere = False

    def __init__(self, factor="auto", **kwargs):
        super().__init__(**kwargs)
        if factor not in self.factor_kinds:
            raise ValueError(
                "Invalid value received for argument `factor`. Expected one "
                f"of {self.factor_kinds}. Received: factor={factor!r}"
            )
        self.factor_kind = factor
        # A reference, or the normalization would be a layer inside this one.
        self._normalization = None

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, keras.KerasTensor) and self.factor_kind in (
            "auto",
            "batch_norm",
        ):
            self._find_normalization(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def _find_normalization(self, inputs):
        known = self.normalization
        if known is not None and self.is_called_elsewhere:
            return
        found = _normalization_before(inputs, self)
        if self.factor_kind == "auto":
            self.factor_kind = "own" if found is None else "batch_norm"
        if self.factor_kind == "own":
            return
        if found is None or known not in (None, found):
            before = "none" if found is None else f"'{found.name}'"
            expected = "one" if known is None else f"'{known.name}', as before"
            raise ValueError(
                f"Mask '{self.name}' takes its factors from the scale of the "
                "BatchNormalization that it is called behind. Expected "
                f"{expected}, with the same channel axis. Received: {before}. "
                "Put it right behind the normalization, or pass "
                "factor='own'."
            )
        self._normalization = weakref.ref(found)

    @property
    def normalization(self):
        """The BatchNormalization whose scales are the factors, or `None`."""
        return self._normalization and self._normalization()

    def build(self, input_shape):
        if self.factor_kind in ("auto", "own"):
            self.factor_kind = "own"
            self.own_factor = self.add_weight(
                name="factor",
                shape=(self.num_channels(input_shape),),
                initializer="ones",
                dtype="float32",
                autocast=False,
            )
        super().build(input_shape)

    @property
    def factor(self):
        """The variable that the factors are read from."""
        if self.factor_kind == "own":
            return self.own_factor
        if self.normalization is None:
            raise ValueError(
                f"Mask '{self.name}' takes its factors from the scale of a "
                "BatchNormalization, and was not called behind one yet, or "
                "the model that it was part of is gone."
            )
        return self.normalization.gamma

    def inference_scale(self):
        alive = self.probabilities()
        return alive * self.factor if self.factor_kind == "own" else alive

    def decision(self):
        alive = ops.convert_to_numpy(self.probabilities())
        return [int(i) for i in np.flatnonzero(alive)]

    def scale_of(self, decision):
        scale = self.switches_of(decision, self.switches)
        if self.factor_kind == "own":
            scale = scale * ops.convert_to_numpy(self.factor)
        return scale

    def scale_limits(self):
        return (
            np.zeros(self.switches, "float32"),
            np.ones(self.switches, "float32"),
        )

    @property
    def switches(self):
        """The number of channels."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "factor": self.factor_kind}


def _normalization_before(tensor, mask):
    """Returns the BatchNormalization that made a tensor, if it will do."""
    history = getattr(tensor, "_keras_history", None)
    layer = history and history.operation
    if not isinstance(layer, keras.layers.BatchNormalization):
        return None
    rank = len(tensor.shape)
    same = layer.axis % rank == mask.channel_axis(rank)
    return layer if layer.scale and same else None


def check_threshold(threshold):
    """Returns a threshold of factors as a float.

    Raises:
        ValueError: If it is not a number from 0.
    """
    is_number = isinstance(threshold, numbers.Real)
    if not is_number or isinstance(threshold, bool) or not threshold >= 0:
        raise ValueError(
            "Invalid value received for argument `threshold`. Expected a "
            f"float >= 0, such as 0.001. Received: threshold={threshold!r}"
        )
    return float(threshold)
