"""Layers that a user adds to a model."""

from keras_nas.layers.atomic_block_scale import AtomicBlockScale
from keras_nas.layers.block_choice import BlockChoice
from keras_nas.layers.channel_mask import ChannelMask
from keras_nas.layers.elastic import ElasticBatchNormalization
from keras_nas.layers.elastic import ElasticBottleneck
from keras_nas.layers.elastic import ElasticBranch
from keras_nas.layers.elastic import ElasticChannels
from keras_nas.layers.elastic import ElasticChoice
from keras_nas.layers.elastic import ElasticConv2D
from keras_nas.layers.elastic import ElasticDense
from keras_nas.layers.elastic import ElasticDepth
from keras_nas.layers.elastic import ElasticDepthwiseConv2D
from keras_nas.layers.elastic import ElasticDropout
from keras_nas.layers.elastic import ElasticMatch
from keras_nas.layers.elastic import ElasticMBConv
from keras_nas.layers.elastic import ElasticResidual
from keras_nas.layers.elastic import ElasticResolution
from keras_nas.layers.elastic import ElasticSplitAttention
from keras_nas.layers.elastic import ElasticSqueezeExcite
from keras_nas.layers.elastic import ElasticSwitch
from keras_nas.layers.elastic import ElasticZeros
from keras_nas.layers.elastic import running_child
from keras_nas.layers.figs_mask import FiGSMask
from keras_nas.layers.logistic_sigmoid_mask import LogisticSigmoidMask
from keras_nas.layers.mask import Mask
from keras_nas.layers.morph_net_mask import MorphNetMask
from keras_nas.layers.own_channels import OwnChannels
from keras_nas.layers.per_channel_mask import PerChannelMask
from keras_nas.layers.resolution_subsample import ResolutionSubsample
from keras_nas.layers.split_attention import SplitAttention
from keras_nas.layers.squeeze_excite import SqueezeExcite
from keras_nas.layers.subsampling import subsample

__all__ = [
    "AtomicBlockScale",
    "BlockChoice",
    "ChannelMask",
    "ElasticBatchNormalization",
    "ElasticBottleneck",
    "ElasticBranch",
    "ElasticChannels",
    "ElasticChoice",
    "ElasticConv2D",
    "ElasticDense",
    "ElasticDepth",
    "ElasticDepthwiseConv2D",
    "ElasticDropout",
    "ElasticMBConv",
    "ElasticMatch",
    "ElasticResidual",
    "ElasticResolution",
    "ElasticSplitAttention",
    "ElasticSqueezeExcite",
    "ElasticSwitch",
    "ElasticZeros",
    "FiGSMask",
    "LogisticSigmoidMask",
    "Mask",
    "MorphNetMask",
    "OwnChannels",
    "PerChannelMask",
    "ResolutionSubsample",
    "SplitAttention",
    "SqueezeExcite",
    "running_child",
    "subsample",
]
