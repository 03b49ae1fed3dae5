"""`load`, the one entry to data."""

import functools

import numpy as np
import tensorflow as tf

from keras_nas.data.auto_augment import is_installed
from keras_nas.data.builders import find_builder
from keras_nas.data.builders import find_keys
from keras_nas.data.datasets import Datasets
from keras_nas.data.pipeline import AUGMENTATIONS
from keras_nas.data.pipeline import evaluation_batches
from keras_nas.data.pipeline import read_examples
from keras_nas.data.pipeline import training_batches
from keras_nas.data.pipeline import training_stream
from keras_nas.data.splits import ROLES
from keras_nas.data.splits import complete_splits
from keras_nas.data.splits import default_splits

_EVALUATED = ("validation", "test")


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
):
    """Loads the four data sets of an architecture search.

    Architectures are searched on `search`, trained on `train`, chosen on
    `validation` and judged on `test`, which shares no example with the other
    three. Without arguments the data is the embedded `photo_patches`, made
    in some seconds on first use and read from disk from then on; nothing is
    downloaded unless `download=True`.

    Args:
        name: `"photo_patches"` or the TFDS name of any data set for image
            classification.
        splits: Dictionary from some of `"search"`, `"train"`,
            `"validation"`, `"test"` to TFDS split strings. By default the
            splits of these names if the data set has them; else
            `train[:45%]`, `train[45%:90%]`, `train[90%:]`, and for `test`
            the split `test`, or `validation` where `test` is missing or
            published without labels.
        image_size: Integer or (height, width) that images are resized to,
            without regard to their proportions. By default their own size.
        batch_size: Integer, the number of examples of a batch, over all
            replicas.
        data_dir: Folder of TFDS data sets. By default that of TFDS,
            `~/tensorflow_datasets`.
        seed: Integer that decides the order and the augmentation of training
            examples.
        augment: `"none"`; `"flip"`, at random left to right; `"flip_crop"`,
            also moved at random by up to an eighth of the size;
            `"rand_augment"`, also changed by two operations of RandAugment,
            which stands in for AutoAugment; `"auto_augment"`, also changed by
            AutoAugment, whose draws follow the seed only in part, and which
            the TensorFlow Model Garden has to be installed for. Digits and
            letters want `"none"`. Only for `search` and `train`.
        download: Whether a missing data set may be downloaded by TFDS.
        architecture_share: Float in [0, 1), the share of the examples of
            `search` that are set apart as `architecture`, for methods that
            train weights and architecture on different examples.

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
    _check_arguments(batch_size, seed, augment, architecture_share)
    builder = find_builder(name, data_dir, download)
    info = builder.info
    keys = find_keys(info)
    shape = _input_shape(info.features[keys[0]], name, image_size)
    defaults = default_splits(
        info, lambda split: _is_labelled(builder, split, keys[1])
    )
    splits = complete_splits(info, splits, defaults)
    _check_labels(builder, splits, keys[1])
    examples = {
        role: read_examples(builder, splits[role], keys, shape)
        for role in ROLES
    }
    if architecture_share:
        number = builder.info.splits[splits["search"]].num_examples
        cut = number - round(architecture_share * number)
        examples["search"], examples["architecture"] = (
            read_examples(builder, splits["search"], keys, shape, part)
            for part in (slice(0, cut), slice(cut, number))
        )
    options = {"batch_size": batch_size, "augment": augment, "seed": seed}
    trained = [role for role in examples if role not in _EVALUATED]
    for role in trained:
        _check_whole_batch(role, len(examples[role]), batch_size)
    batches = {
        role: training_batches(examples[role], **options) for role in trained
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
        cardinalities={role: len(some) for role, some in examples.items()},
        splits=splits,
        streams={
            role: functools.partial(training_stream, examples[role], **options)
            for role in trained
        },
    )


def _check_arguments(batch_size, seed, augment, architecture_share):
    if not _is_count(batch_size) or batch_size < 1:
        raise _error("batch_size", "a positive integer", batch_size)
    if not _is_count(seed):
        raise _error("seed", "an integer, 0 or more", seed)
    check_augmentation(augment)
    if not 0.0 <= architecture_share < 1.0:
        expected = "a float in [0, 1)"
        raise _error("architecture_share", expected, architecture_share)


def check_augmentation(augment):
    """Raises a `ValueError` unless images can be augmented so.

    Args:
        augment: Of `load`.
    """
    if augment not in AUGMENTATIONS:
        raise _error("augment", f"one of {list(AUGMENTATIONS)}", augment)
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


def _check_labels(builder, splits, label_key):
    for role, split in splits.items():
        if not _is_labelled(builder, split, label_key):
            raise _error(
                "splits",
                f"splits with labels, but {role}={split!r} was published "
                "without them",
                splits,
            )


def _is_labelled(builder, split, label_key):
    """Whether the first label can be read and is not -1, TFDS's "unknown"."""
    examples = builder.as_dataset(split=split, shuffle_files=False)
    try:
        label = next(iter(examples.take(1)))[label_key]
    except tf.errors.OpError as error:
        raise ValueError(
            "Invalid value received for argument `data_dir`. Expected a "
            f"folder with an intact copy of `{builder.name}`. Received: "
            f"{builder.data_dir}, whose split {split!r} cannot be read "
            f"({error.message}). Delete that folder and prepare the data set "
            "again."
        ) from error
    return bool(label >= 0)


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
