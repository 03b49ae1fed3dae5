"""Reads the examples of a split, and goes on where some cannot be read."""

import dataclasses
import sys
from collections.abc import Callable

import tensorflow as tf
import tensorflow_datasets as tfds

# Images that are held in memory: decoded ones, all of a small set; and stored
# ones, all of a small set or the window in which a large one is shuffled, some
# 50,000 of ImageNet.
_DECODED_BYTES = 512 * 2**20
_STORED_BYTES = 6 * 2**30

_END = -2  # A label that no example has; -1 is TFDS's "unknown".


@dataclasses.dataclass(frozen=True)
class Examples:
    """The examples of a split.

    Args:
        dataset: `tf.data.Dataset` of (image, int32 label), where images are
            uint8, or, with `decode`, strings.
        count: Integer, the number of examples, unreadable ones included.
        window: Integer, how many are held in memory to be shuffled.
        decode: Function from a stored image and a seed to a uint8 image, or
            `None`.
    """

    dataset: tf.data.Dataset
    count: int
    window: int
    decode: Callable | None = None


def read_examples(builder, split, keys, shape, decode, random, part=None):
    """Reads the examples of a split, in the order on disk.

    Records and images that cannot be read are left out, with a warning for
    each and one with their number at the end of a pass. Behind a damaged
    record TensorFlow reads no more of its file, of which a large data set has
    many.

    Images of small sets are decoded once and kept in memory, unless a random
    part of them is decoded.

    Args:
        builder: `tfds.core.DatasetBuilder` of a prepared data set.
        split: TFDS split string.
        keys: Names of the features of the image and the label.
        shape: Shape `(height, width, channels)` of a decoded image.
        decode: What `cropping.make_decoder` returns.
        random: Boolean, whether `decode` depends on its seed.
        part: Slice of the split's examples; all by default.

    Returns:
        `Examples`.
    """
    examples = read_stored(builder, split, keys)
    count = builder.info.splits[split].num_examples
    if part is not None:
        examples = examples.take(part.stop).skip(part.start)
        count = part.stop - part.start
    place = f"{builder.name}, {split}"
    if not random and count * tf.TensorShape(shape).num_elements() <= (
        _DECODED_BYTES
    ):
        examples = examples.map(
            lambda image, label: (decode(image, None), label),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).ignore_errors(log_warning=True)
        examples = _counted(examples, count, place).cache()
        return Examples(examples, count, count + 1)
    stored = _bytes_of_example(builder)
    examples = _counted(examples, count, place)
    if count * stored <= _DECODED_BYTES:
        examples = examples.cache()
    # One place more than there are examples, so that the shuffle sees their
    # end, without which `cache` would not keep them.
    window = max(1, min(count + 1, int(_STORED_BYTES // stored)))
    return Examples(examples, count, window, decode)


def read_stored(builder, split, keys):
    """Reads the examples of a split, without decoding their images.

    Args:
        builder: `tfds.core.DatasetBuilder` of a prepared data set.
        split: TFDS split string.
        keys: Names of the features of the image and the label.

    Returns:
        `tf.data.Dataset` of (string, int32 label). Records that cannot be
        read are left out, with a warning for each.
    """
    image_key, label_key = keys
    decoders = {image_key: tfds.decode.SkipDecoding()}
    # Spares decoding what is not used; TFDS warns when it does so.
    if set(builder.info.features) != set(keys):
        decoders = tfds.decode.PartialDecoding(
            dict.fromkeys(keys, True), decoders
        )
    examples = builder.as_dataset(
        split=split,
        decoders=decoders,
        shuffle_files=False,
        read_config=tfds.ReadConfig(
            try_autocache=False, assert_cardinality=False
        ),
    )
    # A file that is gone fails again and again; the numbers come to an end.
    attempts = tf.data.Dataset.range(builder.info.splits[split].num_examples)
    return (
        tf.data.Dataset.zip(attempts, examples)
        .ignore_errors(log_warning=True)
        .map(
            lambda _, example: (
                example[image_key],
                tf.cast(example[label_key], tf.int32),
            )
        )
    )


def is_labelled(builder, keys, split):
    """Whether the first label is not -1, TFDS's "unknown".

    Args:
        builder: `tfds.core.DatasetBuilder` of a prepared data set.
        keys: Names of the features of the image and the label.
        split: TFDS split string.

    Raises:
        ValueError: If no example of the split can be read.
    """
    feature = builder.info.features[keys[0]]
    examples = read_stored(builder, split, keys).map(
        lambda image, label: (feature.decode_example(image), label)
    )
    readable = examples.ignore_errors(log_warning=True)
    for _, label in readable.take(1):
        return bool(label >= 0)
    raise ValueError(
        "Invalid value received for argument `data_dir`. Expected a folder "
        f"with an intact copy of `{builder.name}`. Received: "
        f"{builder.data_dir}, whose split {split!r} cannot be read, not one "
        "example of it. Delete that folder and prepare the data set again."
    )


def _counted(examples, count, place):
    """Says at the end of a pass how many of `count` examples it lacks."""
    image, label = examples.element_spec
    end = tf.zeros(image.shape, image.dtype), tf.constant(_END, label.dtype)

    def keep(number, example):
        at_end = example[1] == _END
        lacking = count - number
        tf.cond(
            at_end & (lacking > 0),
            lambda: tf.print(
                "WARNING: left out",
                lacking,
                f"of {count} examples of {place}, which cannot be read.",
                output_stream=sys.stderr,
            ),
            tf.no_op,
        )
        return ~at_end

    end = tf.data.Dataset.from_tensors(end)
    numbered = examples.concatenate(end).enumerate()
    return numbered.filter(keep).map(lambda _, example: example)


def _bytes_of_example(builder):
    splits = builder.info.splits.values()
    examples = sum(split.num_examples for split in splits)
    return max(1.0, sum(split.num_bytes for split in splits) / examples)
