"""Networks from lists of block dictionaries, as published ones are written."""

import keras
from keras import layers

from keras_nas.layers import SplitAttention
from keras_nas.layers import SqueezeExcite
from keras_nas.spaces.block_schema import ACTIVATIONS
from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.block_schema import is_sizes
from keras_nas.spaces.block_schema import read_block


def build_from_blocks(
    blocks,
    input_shape,
    classes=1000,
    name="network",
    momentum=0.99,
    epsilon=1e-3,
):
    """Returns the network that a list of block dictionaries describes.

    Use it for architectures that are written down as data. The layers are
    those of Keras; a global average pool and a Dense classifier follow the
    last block. A block has a `type`, and these keys; those with a value here
    may be left out:

    - `conv`: `cin`, `cout`, `kernel`, `stride`, `act`, `bias=True`. A
      convolution, BatchNorm, activation.
    - `mbconv`: `cin`, `cout`, `kernels`, `mid`, `stride`, `act`, `residual`,
      `expand` (by default unless `mid == [cin]`), `groups_pw=1`,
      `se_hidden=None`, `se_act=act`, `se_gate="sigmoid"`, `bias=False`,
      `splits=None`, `shortcut_conv=(cin != cout)`. For each kernel size a 1x1
      convolution to its share of `mid` and a depthwise one; squeeze-excite of
      their concatenation; a 1x1 convolution. With several `splits` there are
      as many depthwise convolutions of the one kernel size, and attention
      over them (`keras_nas.SplitAttention`) in place of squeeze-excite.
      `residual` is `None`, `"add"`, or `"avgpool/1x1"`: an average pool by
      the stride and, where the channels differ or `shortcut_conv` says so, a
      1x1 convolution. With groups, channels are shuffled before the depthwise
      convolution.
    - `skip`: `cin`, `cout`, `stride`. Nothing where the shape stays,
      otherwise a 1x1 convolution, BatchNorm, ReLU.
    - `ir_pool`: `cin`, `mid`, `cout`, `act`, `flatten=False`. A 1x1
      convolution, BatchNorm, activation, global average pool, 1x1
      convolution, activation. With `flatten` it is the last block, and no
      second pool, over its one position, follows.

    An `act` is "relu", "relu6", "swish" or "hswish", a gate "sigmoid" or
    "hard_sigmoid" (also the default where `op` contains "sehsig"). The keys
    `h_in`, `op`, `expansion` and `note` may be there and say nothing else.
    The layers of `blocks[3]` have names such as `block3_expand`,
    `block3_depthwise5` and `block3_se_reduce`; those of splits are numbered,
    such as `block3_depthwise5_1`.

    Args:
        blocks: List of dictionaries, front to back.
        input_shape: Tuple `(height, width, channels)`.
        classes: Integer, the number of logits.
        name: String, the name of the model.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.

    Returns:
        A Functional model that returns logits.

    Raises:
        ValueError: If a block does not fit this schema or the block before
            it, naming the block and the field, or another argument is
            invalid.

    Example:

    >>> from keras_nas import spaces
    >>> conv = dict(type="conv", cin=3, cout=8, kernel=3, stride=2, act="relu")
    >>> mbconv = dict(type="mbconv", cin=8, cout=8, kernels=[3, 5], mid=[4, 4])
    >>> mbconv.update(stride=1, act="relu", residual="add")
    >>> model = spaces.build_from_blocks([conv, mbconv], (16, 16, 3), 10)
    >>> model.get_layer("block1_depthwise5").output.shape
    (None, 8, 8, 4)
    """
    if not isinstance(blocks, (list, tuple)) or not blocks:
        raise ValueError(
            "Invalid value received for argument `blocks`. Expected a list of "
            f"dictionaries. Received: {str(blocks)[:200]}"
        )
    if not is_sizes(input_shape) or len(input_shape) != 3:
        raise ValueError(
            "Invalid value received for argument `input_shape`. Expected "
            "positive integers (height, width, channels). Received: "
            f"input_shape={input_shape}"
        )
    check_sizes(classes=classes)
    norm = {"momentum": momentum, "epsilon": epsilon}
    inputs = x = keras.Input(tuple(input_shape), name="image")
    for index, block in enumerate(blocks):
        block = read_block(index, block, x.shape)
        x = _BUILDERS[block["type"]](x, f"block{index}", norm, block)
    if len(x.shape) > 2:  # Not flat yet.
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=name)


def add_block(x, name, norm, block):
    """Returns the output of one block, whose layers begin with a name.

    Args:
        x: Symbolic tensor, the block's input.
        name: String.
        norm: Dictionary, the `momentum` and `epsilon` of every
            BatchNormalization.
        block: Dictionary as in `build_from_blocks`.

    Raises:
        ValueError: If the block does not fit the schema or the input.
    """
    block = read_block(name, block, x.shape)
    return _BUILDERS[block["type"]](x, name, norm, block)


def _conv_block(x, name, norm, block):
    return _conv_norm(
        x,
        f"{name}_conv",
        norm,
        block["cout"],
        block["act"],
        kernel_size=block["kernel"],
        strides=block["stride"],
        use_bias=block["bias"],
    )


def _mbconv_block(x, name, norm, block):
    shortcut, act = x, block["act"]
    pointwise = {"groups": block["groups_pw"], "use_bias": block["bias"]}
    kernels = block["kernels"]
    suffixes = kernels if len(kernels) > 1 else [""]
    branches = [x] * len(kernels)
    if block["expand"]:
        branches = [
            _conv_norm(x, f"{name}_expand{s}", norm, mid, act, **pointwise)
            for s, mid in zip(suffixes, block["mid"], strict=True)
        ]
    if block["groups_pw"] > 1:
        branches = [
            _shuffle(x, f"{name}_shuffle{s}", block["groups_pw"])
            for s, x in zip(suffixes, branches, strict=True)
        ]
    branches = [
        _depthwise(x, name, norm, k, block)
        for k, x in zip(kernels, branches, strict=True)
    ]
    x = branches[0]
    if len(branches) > 1:
        x = layers.Concatenate(name=f"{name}_concat")(branches)
    if block["se_hidden"] and not block["splits"]:
        x = _squeeze_excite(x, f"{name}_se", block)
    x = _conv_norm(x, f"{name}_project", norm, block["cout"], **pointwise)
    if block["residual"] is None:
        return x
    if block["residual"] == "avgpool/1x1":
        shortcut = _pooled_shortcut(shortcut, f"{name}_shortcut", block)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def _skip_block(x, name, norm, block):
    if block["cin"] == block["cout"] and block["stride"] == 1:
        return x
    stride = block["stride"]
    return _conv_norm(
        x, f"{name}_conv", norm, block["cout"], "relu", strides=stride
    )


def _ir_pool_block(x, name, norm, block):
    x = _conv_norm(x, f"{name}_expand", norm, block["mid"], block["act"])
    x = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    project = f"{name}_project"
    x = layers.Conv2D(block["cout"], 1, use_bias=False, name=project)(x)
    x = _activation(x, project, block["act"])
    return layers.Flatten(name=f"{name}_flatten")(x) if block["flatten"] else x


def _conv_norm(x, name, norm, filters, act=None, kernel_size=1, **kwargs):
    x = convolution(x, name, filters, kernel_size, **kwargs)
    return _norm_act(x, name, norm, act)


def convolution(x, name, filters, kernel_size=1, strides=1, **kwargs):
    """Returns the output of a convolution as the blocks have it."""
    if kernel_size == 1 and strides > 1:
        x, strides = subsampling(strides, f"{name}_subsample")(x), 1
    kwargs = {"padding": "same", "use_bias": False, **kwargs}
    return layers.Conv2D(filters, kernel_size, strides, name=name, **kwargs)(x)


def _depthwise(x, name, norm, kernel_size, block):
    return SplitAttention(
        kernel_size,
        block["splits"] or 0,
        block["stride"],
        block["se_hidden"],
        ACTIVATIONS[block["act"]],
        use_bias=block["bias"],
        name=name,
        **norm,
    ).inline(x)


def subsampling(strides, name):
    """Returns a layer that keeps each of some positions, for a 1x1 convolution.

    A convolution with strides would compute the same. But its gradient, by
    oneDNN (in TensorFlow 2.21), writes where it must not if the input has few
    channels and many positions (12 channels of 64x64), which ends the process.
    """
    return layers.AveragePooling2D(1, strides, padding="same", name=name)


def _norm_act(x, name, norm, act):
    x = layers.BatchNormalization(**norm, name=f"{name}_bn")(x)
    return x if act is None else _activation(x, name, act)


def _activation(x, name, act):
    return layers.Activation(ACTIVATIONS[act], name=f"{name}_act")(x)


def _shuffle(x, name, groups):
    """Makes neighbours of the channels at one position of each group."""
    height, width, channels = x.shape[1:]
    split = height, width, groups, channels // groups
    x = layers.Reshape(split, name=f"{name}_split")(x)
    x = layers.Permute((1, 2, 4, 3), name=f"{name}_swap")(x)
    return layers.Reshape((height, width, channels), name=f"{name}_join")(x)


def _squeeze_excite(x, name, block):
    return SqueezeExcite(
        block["se_hidden"],
        activation=ACTIVATIONS[block["se_act"]],
        gate=block["se_gate"],
        name=name,
    ).inline(x)


def _pooled_shortcut(x, name, block):
    if block["stride"] > 1:
        pool = layers.AveragePooling2D(
            block["stride"], padding="same", name=f"{name}_pool"
        )
        x = pool(x)
    if not block["shortcut_conv"]:
        return x
    return layers.Conv2D(block["cout"], 1, use_bias=False, name=name)(x)


_BUILDERS = {
    "conv": _conv_block,
    "mbconv": _mbconv_block,
    "skip": _skip_block,
    "ir_pool": _ir_pool_block,
}
