"""The supernet of a One-Shot space, layer by layer."""

import numbers

import keras
from keras import layers

from keras_nas.layers import FiGSMask
from keras_nas.layers import OwnChannels
from keras_nas.spaces.block_schema import check_sizes

# By name: the kernels of the separable convolutions, front to back. An
# operator without any has one entry too, that of its mask.
OPERATORS = {
    "identity": ("identity",),
    "sep3": ((3, 3), (3, 3)),
    "sep5": ((5, 5), (5, 5)),
    "sep7": ((7, 7), (7, 7)),
    "sep1x7": ((1, 7), (7, 1)),
    "max3": ("max",),
    "avg3": ("avg",),
}
_POOLS = {"max": layers.MaxPooling2D, "avg": layers.AveragePooling2D}


def build_one_shot(space, classes, mask, seed, momentum, epsilon, path_dropout):
    """Returns the model that holds all networks of a `OneShotSpace`.

    Args:
        space: A `OneShotSpace`.
        classes: Integer, the number of logits.
        mask: Callable that returns a mask layer, or `None` for `FiGSMask`.
        seed: Integer seed of the masks, or `None`.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.
        path_dropout: Float in [0, 1).

    Raises:
        ValueError: If an argument is out of range.
    """
    check_sizes(classes=classes)
    is_number = isinstance(path_dropout, numbers.Real)
    if not is_number or not 0 <= path_dropout < 1:
        raise ValueError(
            "Invalid value received for argument `path_dropout`. Expected a "
            f"float in [0, 1). Received: path_dropout={path_dropout!r}"
        )
    norm = {"momentum": momentum, "epsilon": epsilon}
    builder = _Builder(space, mask or FiGSMask, seed, norm, path_dropout)
    inputs = keras.Input((space.resolution, space.resolution, 3), name="image")
    outputs = layers.Dense(classes, name="logits")(builder.features(inputs))
    return keras.Model(inputs, outputs, name=space.name)


class _Builder:
    def __init__(self, space, mask, seed, norm, path_dropout):
        self.space, self.new_mask, self.seed = space, mask, seed
        self.norm, self.path_dropout = norm, path_dropout
        self.dropped = 0
        self.outputs = {}  # By name of a cell, and halvings of the map.

    def features(self, x):
        space = self.space
        strides = 2 if space.stem_stride > 1 else 1
        for index, (name, width) in enumerate(space.stem):
            x = self.relu(x, name) if index else x
            x = self.convolution(x, name, width, 3, strides)
        self.outputs["stem", 0] = x
        for cell in range(1, space.cells + 1):
            x = self.cell(cell)
            self.outputs[f"cell{cell}", space.stage_of(cell)] = x
        x = self.convolution(self.relu(x, "head"), "head", x.shape[-1])
        x = self.relu(x, "head_out")
        return layers.GlobalAveragePooling2D(name="pool")(x)

    def cell(self, cell):
        width, blocks = self.space.width_of(cell), []
        inputs = [
            self.halved(name, self.space.stage_of(cell))
            for name in self.space.inputs_of(cell)
        ]
        for number in range(1, self.space.blocks + 1):
            name = f"cell{cell}_block{number}"
            blocks.append(self.block([*inputs, *blocks], name, width))
        return self.joined(blocks, f"cell{cell}", width)

    def halved(self, name, stage):
        """Returns the output of a cell at the resolution of a stage."""
        if (name, stage) not in self.outputs:
            pool = layers.AveragePooling2D(
                2, padding="same", name=f"{name}_half{stage}"
            )
            self.outputs[name, stage] = pool(self.halved(name, stage - 1))
        return self.outputs[name, stage]

    def block(self, inputs, name, width):
        x = self.joined(inputs, f"{name}_in", width)
        rectified = self.relu(x, f"{name}_mix")
        outputs = [
            self.operator(x, rectified, f"{name}_{key}", kernels)
            for key, kernels in OPERATORS.items()
        ]
        if self.space.aggregator == "add":
            return layers.Add(name=f"{name}_add")(outputs)
        return self.joined(outputs, name, width)

    def operator(self, x, rectified, name, kernels):
        width = x.shape[-1]
        if kernels[0] in _POOLS:
            pool = _POOLS[kernels[0]]
            x = pool(3, strides=1, padding="same", name=f"{name}_pool")(x)
        if isinstance(kernels[0], str):
            # Those of the mix would stay for as long as any operator is there.
            x = OwnChannels(name=f"{name}_channels")(x)
            x = self.masked(x, name)
        else:
            x = self.separable(rectified, f"{name}_1", width, kernels[0])
            x = self.relu(x, name)
            x = self.separable(x, name, width, kernels[1])
        return self.dropped_at_times(x, name)

    def dropped_at_times(self, x, name):
        if not self.path_dropout:
            return x
        self.dropped += 1  # Layers of one seed would all draw the same.
        seed = None if self.seed is None else self.seed + self.dropped
        return layers.Dropout(
            self.path_dropout,
            noise_shape=(1, 1, 1, 1),
            seed=seed,
            name=f"{name}_drop",
        )(x)

    def joined(self, inputs, name, width):
        x = inputs[0]
        if len(inputs) > 1:
            x = layers.Concatenate(name=f"{name}_concat")(inputs)
        return self.convolution(self.relu(x, name), name, width)

    def separable(self, x, name, width, kernel):
        x = layers.DepthwiseConv2D(
            kernel,
            padding="same",
            use_bias=False,
            name=f"{name}_depthwise",
        )(x)
        return self.convolution(x, name, width)

    def convolution(self, x, name, width, kernel=1, strides=1):
        x = layers.Conv2D(
            width,
            kernel,
            strides,
            padding="same",
            use_bias=False,
            name=f"{name}_conv",
        )(x)
        x = layers.BatchNormalization(**self.norm, name=f"{name}_bn")(x)
        return self.masked(x, name)

    def masked(self, x, name):
        return self.new_mask(name=f"{name}_mask", axis=-1, seed=self.seed)(x)

    def relu(self, x, name):
        return layers.ReLU(name=f"{name}_relu")(x)
