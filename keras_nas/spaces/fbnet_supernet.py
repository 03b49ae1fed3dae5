"""The supernet of FBNet's space, layer by layer."""

import keras
from keras import layers

from keras_nas.layers import FiGSMask
from keras_nas.spaces.block_schema import check_sizes
from keras_nas.spaces.blocks import add_block


def build_fbnet(space, classes, mask, seed, momentum, epsilon):
    """Returns the model that holds all networks of an `FBNetSpace`.

    Args:
        space: An `FBNetSpace`.
        classes: Integer, the number of logits.
        mask: Callable that returns a mask layer, or `None` for `FiGSMask`.
        seed: Integer seed of the masks, or `None`.
        momentum: Float, that of every BatchNormalization.
        epsilon: Float, that of every BatchNormalization.

    Raises:
        ValueError: If an argument is out of range.
    """
    # Slicing imports the graph, and that imports this folder.
    from keras_nas.slicing import insert_masks

    check_sizes(classes=classes)
    norm = {"momentum": momentum, "epsilon": epsilon}
    shape = space.resolution, space.resolution, 3
    inputs = x = keras.Input(shape, name="image")
    x = add_block(x, "stem", norm, _conv(3, space.stem, 3, space.stem_stride))
    for block in space.blocks:
        outputs = [
            add_block(x, name, norm, operator)
            for name, operator in space.operators_of(block).items()
        ]
        if space.adds_input(block):
            outputs.insert(0, x)
        x = outputs[0]
        if len(outputs) > 1:
            x = layers.Add(name=f"{block[0]}_add")(outputs)
    x = add_block(x, "head", norm, _conv(x.shape[-1], space.head, 1, 1))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(classes, name="logits")(x)
    model = keras.Model(inputs, outputs, name=space.name)
    return insert_masks(model, mask or FiGSMask, seed)


def _conv(cin, cout, kernel, stride):
    shape = {"cin": cin, "cout": cout, "kernel": kernel, "stride": stride}
    return {"type": "conv", **shape, "act": "relu", "bias": False}
