"""Which part of the images of each role is read."""

from keras_nas.data.cropping import make_decoder
from keras_nas.data.reading import read_examples
from keras_nas.data.splits import EVALUATED
from keras_nas.data.splits import ROLES


def read_roles(builder, splits, keys, shape, crop, augment, share):
    """Reads the examples of each role.

    Args:
        builder: `tfds.core.DatasetBuilder` of a prepared data set.
        splits: Dictionary from each role to its TFDS split string.
        keys: Names of the features of the image and the label.
        shape: Shape `(height, width, channels)` of a decoded image.
        crop: Of `load`.
        augment: Of `load`.
        share: Float, the `architecture_share` of `load`.

    Returns:
        Dictionary from each role to its `Examples`, and `"architecture"` to
        its own, if it has some.
    """
    feature = builder.info.features[keys[0]]
    fixed = "whole" if crop == "resize" else "centre"
    is_random = crop == "inception" and augment != "none"

    def read(role, part=None):
        random = is_random and role not in EVALUATED
        decode = make_decoder(feature, shape, "random" if random else fixed)
        split = splits[role]
        return read_examples(builder, split, keys, shape, decode, random, part)

    examples = {role: read(role) for role in ROLES}
    if share:
        number = examples["search"].count
        cut = number - round(share * number)
        examples["search"] = read("search", slice(0, cut))
        examples["architecture"] = read("search", slice(cut, number))
    return examples
