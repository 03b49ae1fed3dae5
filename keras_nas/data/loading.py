"""`load`, the one entry to data."""

import functools

import numpy as np

from keras_nas.data.augmentation import AUGMENTATIONS
from keras_nas.data.auto_augment import is_installed
from keras_nas.data.builders import find_builder
from keras_nas.data.builders import find_keys
from keras_nas.data.cropping import CROPS
from keras_nas.data.datasets import Datasets
from keras_nas.data.pipeline import Training
from keras_nas.data.pipeline import evaluation_batches
from keras_nas.data.pipeline import training_batches
from keras_nas.data.pipeline import training_stream
from keras_nas.data.reading import is_labelled
from keras_nas.data.roles import read_roles
from keras_nas.data.splits import EVALUATED
from keras_nas.data.splits import complete_splits
from keras_nas.data.splits import default_splits


def load(
    name="photo_patches",
    splits=None,
    image_size=None,
    batch_size=64,
    data_dir=None,
    seed=0,
    augment="flip",
    download=False,
    architecture_share=0.0,
    crop="resize",
):
    """Loads the four data sets of an architecture search.

    Architectures are searched on `search`, trained on `train`, chosen on
    `validation` and judged on `test`, which shares no example with the other
    three. Without arguments the data is the embedded `photo_patches`, made
    in some seconds on first use and read from disk from then on; nothing is
    downloaded unless `download=True`.

    Records and images that cannot be read do not end a training. They are
    left out, with a warning in the log for each and, for all but images that
    are decoded on the fly, one with their number at the end of a pass. In a
    training others of the same split take their places, so that an epoch has
    as many batches as ever; in evaluation the last batch is smaller, and only
    if it would be gone, the first comes again. Behind a damaged record
    TensorFlow reads no more of its file, one of many of a large data set.

    Images of small sets are decoded once and kept in memory, up to 512 MiB.
    Of large ones, and of random parts of images, it is the stored images
    that are kept, up to 512 MiB, or shuffled, in a window of up to 6 GiB for
    each of `search`, `train` and `architecture` that is read.

    Args:
        name: `"photo_patches"` or the TFDS name of any data set for image
            classification.
        splits: Dictionary from some of `"search"`, `"train"`,
            `"validation"`, `"test"` to TFDS split strings. By default the
            splits of these names if the data set has them; else
            `train[:45%]`, `train[45%:90%]`, `train[90%:]`, and for `test`
            the split `test`, or `validation` where `test` is missing or
            published without labels.
        image_size: Integer or (height, width) that images are resized to. By
            default their own size.
        batch_size: Integer, the number of examples of a batch, over all
            replicas.
        data_dir: Folder of TFDS data sets. By default that of TFDS,
            `~/tensorflow_datasets`.
        seed: Integer that decides the order and the augmentation of training
            examples.
        augment: `"none"`; `"flip"`, at random left to right; `"flip_crop"`,
            also moved at random by up to an eighth of the size;
            `"flip_color"`, flipped and changed in brightness, saturation, hue
            and contrast; `"rand_augment"`, flipped, moved and changed by two
            operations of RandAugment, which stands in for AutoAugment;
            `"auto_augment"`, flipped, moved and changed by AutoAugment, whose
            draws follow the seed only in part, and which the TensorFlow Model
            Garden has to be installed for. Digits and letters want `"none"`.
            Only for `search`, `train` and `architecture`.
        download: Whether a missing data set may be downloaded by TFDS.
        architecture_share: Float in [0, 1), the share of the examples of
            `search` that are set apart as `architecture`, for methods that
            train weights and architecture on different examples.
        crop: `"resize"`, whole images without regard to their proportions; or
            `"inception"`, as for ImageNet: random parts of 8% to 100% of the
            area and an aspect of 3/4 to 4/3, in which case images are not
            moved besides, and for evaluation, or with `augment="none"`, the
            central 87.5% of the largest box of the size's proportions. The
            parts do not depend on `image_size`.

    Returns:
        `keras_nas.data.Datasets`.

    Raises:
        ValueError: If an argument is invalid, the data set is unknown, not
            prepared, damaged or not one for image classification, or if
            `test` overlaps with another split.

    Example:

    >>> data = load(image_size=16, batch_size=64)
    >>> images, labels = next(iter(data.train))
    >>> images.shape, labels.shape
    (TensorShape([64, 16, 16, 3]), TensorShape([64]))

    Other data, prepared beforehand by `tfds build cifar10`:

    ```python
    data = load("cifar10", splits={"train": "train[:90%]"}, batch_size=128)
    ```
    """
    _check_arguments(batch_size, seed, architecture_share)
    check_augmentation(augment, crop)
    builder = find_builder(name, data_dir, download)
    info = builder.info
    keys = find_keys(info)
    shape = _input_shape(info.features[keys[0]], name, image_size)
    labelled = functools.cache(functools.partial(is_labelled, builder, keys))
    splits = complete_splits(info, splits, default_splits(info, labelled))
    _check_labels(splits, labelled)
    examples = read_roles(
        builder, splits, keys, shape, crop, augment, architecture_share
    )
    training = Training(
        batch_size=batch_size,
        augment=augment,
        seed=seed,
        shift=crop == "resize",
    )
    trained = [role for role in examples if role not in EVALUATED]
    for role in trained:
        _check_whole_batch(role, examples[role].count, batch_size)
    batches = {
        role: training_batches(examples[role], training) for role in trained
    }
    return Datasets(
        name=name,
        **batches,
        validation=evaluation_batches(examples["validation"], batch_size),
        test=evaluation_batches(examples["test"], batch_size),
        num_classes=info.features[keys[1]].num_classes,
        class_names=tuple(info.features[keys[1]].names),
        input_shape=shape,
        batch_size=batch_size,
        cardinalities={role: some.count for role, some in examples.items()},
        splits=splits,
        streams={
            role: functools.partial(
                training_stream, examples[role], training=training
            )
            for role in trained
        },
    )


def _check_arguments(batch_size, seed, architecture_share):
    if not _is_count(batch_size) or batch_size < 1:
        raise _error("batch_size", "a positive integer", batch_size)
    if not _is_count(seed):
        raise _error("seed", "an integer, 0 or more", seed)
    if not 0.0 <= architecture_share < 1.0:
        expected = "a float in [0, 1)"
        raise _error("architecture_share", expected, architecture_share)


def check_augmentation(augment, crop="resize"):
    """Raises a `ValueError` unless images can be augmented so.

    Args:
        augment: Of `load`.
        crop: Of `load`.
    """
    if augment not in AUGMENTATIONS:
        raise _error("augment", f"one of {list(AUGMENTATIONS)}", augment)
    if crop not in CROPS:
        raise _error("crop", f"one of {list(CROPS)}", crop)
    if crop == "inception" and augment == "flip_crop":
        raise _error(
            "augment",
            "'flip', 'flip_color' or another than 'flip_crop' with "
            "crop='inception', whose parts of images are random already",
            augment,
        )
    if augment == "auto_augment" and not is_installed():
        raise ValueError(
            "The argument `augment='auto_augment'` needs the TensorFlow Model "
            "Garden, which is not installed. Install it with "
            "`pip install -e '.[models]'`, which installs TensorFlow 2.20, "
            "or use `augment='rand_augment'`."
        )


def _check_whole_batch(role, examples, batch_size):
    if examples < batch_size:
        raise _error(
            "batch_size",
            f"at most {examples}, the number of examples of `{role}`, since "
            "training takes whole batches",
            batch_size,
        )


def _input_shape(feature, name, image_size):
    height, width, channels = feature.shape
    if image_size is not None:
        sides = (
            tuple(image_size)
            if isinstance(image_size, (tuple, list))
            else (image_size, image_size)
        )
        if len(sides) != 2 or not all(_is_count(s) and s > 0 for s in sides):
            raise _error(
                "image_size", "a positive integer or two of them", image_size
            )
        height, width = (int(side) for side in sides)
    if height is None or width is None:
        raise _error(
            "image_size",
            f"the size to resize to, since the images of `{name}` differ in "
            "size",
            image_size,
        )
    return height, width, channels


def _check_labels(splits, labelled):
    for role, split in splits.items():
        if not labelled(split):
            raise _error(
                "splits",
                f"splits with labels, but {role}={split!r} was published "
                "without them",
                splits,
            )


def _is_count(value):
    return (
        isinstance(value, (int, np.integer))
        and not isinstance(value, bool)
        and value >= 0
    )


def _error(argument, expected, value):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected "
        f"{expected}. Received: {argument}={value!r}."
    )
