"""Layers that a user adds to a model."""

from keras_nas.layers.channel_mask import ChannelMask
from keras_nas.layers.figs_mask import FiGSMask
from keras_nas.layers.logistic_sigmoid_mask import LogisticSigmoidMask
from keras_nas.layers.mask import Mask

__all__ = ["ChannelMask", "FiGSMask", "LogisticSigmoidMask", "Mask"]
