"""Layers of networks that contain networks of many sizes (BigNAS)."""

from keras_nas.layers.elastic.child import running_child
from keras_nas.layers.elastic.elastic_batch_normalization import (
    ElasticBatchNormalization,
)
from keras_nas.layers.elastic.elastic_bottleneck import ElasticBottleneck
from keras_nas.layers.elastic.elastic_branch import ElasticBranch
from keras_nas.layers.elastic.elastic_channels import ElasticChannels
from keras_nas.layers.elastic.elastic_choice import ElasticChoice
from keras_nas.layers.elastic.elastic_conv2d import ElasticConv2D
from keras_nas.layers.elastic.elastic_dense import ElasticDense
from keras_nas.layers.elastic.elastic_depth import ElasticDepth
from keras_nas.layers.elastic.elastic_depthwise_conv2d import (
    ElasticDepthwiseConv2D,
)
from keras_nas.layers.elastic.elastic_dropout import ElasticDropout
from keras_nas.layers.elastic.elastic_match import ElasticMatch
from keras_nas.layers.elastic.elastic_mbconv import ElasticMBConv
from keras_nas.layers.elastic.elastic_residual import ElasticResidual
from keras_nas.layers.elastic.elastic_resolution import ElasticResolution
from keras_nas.layers.elastic.elastic_split_attention import (
    ElasticSplitAttention,
)
from keras_nas.layers.elastic.elastic_squeeze_excite import ElasticSqueezeExcite
from keras_nas.layers.elastic.elastic_switch import ElasticSwitch
from keras_nas.layers.elastic.elastic_zeros import ElasticZeros

__all__ = [
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
    "running_child",
]
