"""Two small networks for small images, and models by name or from a file."""

import os

import keras
from keras import layers

from keras_nas.spaces.published import published_names
from keras_nas.spaces.published import published_network

_MOMENTUM = 0.9  # BatchNormalization's 0.99 is too slow for short trainings.


def residual_network(input_shape, classes, widths=(16, 32, 64), blocks=1):
    """Returns a small ResNet: 3x3 convolutions, one stage per width.

    Args:
        input_shape: Tuple `(height, width, channels)`.
        classes: Integer, the number of logits.
        widths: Channels of each stage; each but the first halves the size.
        blocks: Integer, blocks of two convolutions in a stage.

    Returns:
        A Functional model that returns logits.

    Example:

    >>> from keras_nas import spaces
    >>> spaces.residual_network((16, 16, 3), 10).output_shape
    (None, 10)
    """
    inputs = x = keras.Input(input_shape, name="image")
    x = _conv_norm(x, "stem", widths[0], 3)
    x = layers.ReLU(name="stem_relu")(x)
    for stage, width in enumerate(widths, 1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _residual_block(x, f"stage{stage}_block{block}", width, stride)
    return _classifier(inputs, x, classes, "residual")


def mobile_network(
    input_shape,
    classes,
    rows=((16, 1, 1), (24, 2, 2), (48, 2, 2)),
    stem=16,
    head=128,
    expansion=4,
):
    """Returns a small MobileNetV2: inverted residual blocks.

    Args:
        input_shape: Tuple `(height, width, channels)`.
        classes: Integer, the number of logits.
        rows: For each stage `(channels, blocks, stride of the first)`.
        stem: Integer, channels of the first convolution.
        head: Integer, channels of the last 1x1 convolution.
        expansion: Integer, channels inside a block over channels before it.

    Returns:
        A Functional model that returns logits.

    Example:

    >>> from keras_nas import spaces
    >>> spaces.mobile_network((16, 16, 3), 10).output_shape
    (None, 10)
    """
    inputs = x = keras.Input(input_shape, name="image")
    x = _conv_norm(x, "stem", stem, 3)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    for stage, (width, blocks, first_stride) in enumerate(rows, 1):
        for block in range(1, blocks + 1):
            stride = first_stride if block == 1 else 1
            name = f"stage{stage}_block{block}"
            x = _inverted_residual(x, name, width, stride, expansion)
    x = _conv_norm(x, "head", head, 1)
    x = layers.ReLU(6.0, name="head_relu")(x)
    return _classifier(inputs, x, classes, "mobile")


def find_network(name, input_shape, classes):
    """Returns a network by its name or from a file.

    Args:
        name: `"residual"`, `"mobile"`, one of `published_names()` such as
            `"FBNetV2_F1"`, the name of a function of `keras.applications`
            such as `"MobileNetV2"` (built without weights), or the path of a
            `.keras` file.
        input_shape: Tuple `(height, width, channels)`.
        classes: Integer, the number of classes.

    Returns:
        A Keras model; those not from a file return logits.

    Raises:
        ValueError: If there is no such network, or the file's model does not
            fit the input shape and the classes.
    """
    if name in _NETWORKS:
        return _NETWORKS[name](input_shape, classes)
    if name in published_names():
        return published_network(name, classes, input_shape)
    if name.endswith(".keras"):
        return _from_file(name, input_shape, classes)
    build = getattr(keras.applications, name, None)
    if not callable(build):
        raise ValueError(
            "Invalid value received for argument `name`. Expected one of "
            f"{sorted(_NETWORKS)}, one of `keras_nas.spaces.published_names()`"
            ", a name of keras.applications such as "
            "'MobileNetV2', or the path of a .keras file. Received: "
            f"name={name!r}"
        )
    return build(
        weights=None,
        input_shape=tuple(input_shape),
        classes=classes,
        classifier_activation=None,
    )


def _from_file(path, input_shape, classes):
    if not os.path.exists(path):
        raise ValueError(
            "Invalid value received for argument `name`. Expected the path "
            f"of a .keras file. Received: {path!r}, which does not exist."
        )
    model = keras.models.load_model(path)
    expected = (None, *input_shape), (None, classes)
    received = model.input_shape, model.output_shape
    if received != expected:
        raise ValueError(
            f"The model in {path!r} does not fit the data. Expected input "
            f"and output shapes {expected[0]} and {expected[1]}. Received: "
            f"{received[0]} and {received[1]}. Choose the image size and the "
            "data set that the model was made for."
        )
    return model


def _conv_norm(x, name, filters, kernel_size, strides=1):
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    return layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)


def _residual_block(x, name, width, stride):
    shortcut = x
    x = _conv_norm(x, f"{name}_1", width, 3, stride)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _conv_norm(x, f"{name}_2", width, 3)
    if stride > 1 or shortcut.shape[-1] != width:
        shortcut = _conv_norm(shortcut, f"{name}_shortcut", width, 1, stride)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _inverted_residual(x, name, width, stride, expansion):
    shortcut, width_in = x, x.shape[-1]
    x = _conv_norm(x, f"{name}_expand", expansion * width_in, 1)
    x = layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    x = layers.DepthwiseConv2D(
        3, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.BatchNormalization(
        momentum=_MOMENTUM, name=f"{name}_depthwise_bn"
    )(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = _conv_norm(x, f"{name}_project", width, 1)
    if stride == 1 and width_in == width:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _classifier(inputs, x, classes, name):
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=name)


_NETWORKS = {"residual": residual_network, "mobile": mobile_network}
