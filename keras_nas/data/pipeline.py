"""From the examples of a split to batches for training or evaluation."""

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_nas.data.auto_augment import auto_augment
from keras_nas.data.rand_augment import rand_augment

AUGMENTATIONS = ("none", "flip", "flip_crop", "rand_augment", "auto_augment")

# Decoded examples that are held in memory: all of a small set, or the window
# in which a large one is shuffled.
_MEMORY_BYTES = 512 * 2**20


def read_examples(builder, split, keys, input_shape, part=None):
    """Reads the examples of a split, in the order on disk.

    Args:
        builder: `tfds.core.DatasetBuilder` of a prepared data set.
        split: TFDS split string.
        keys: Names of the features of the image and the label.
        input_shape: Shape `(height, width, channels)`; images of another
            height or width are resized without regard to their proportions.
        part: Slice of the split's examples; all by default.

    Returns:
        `tf.data.Dataset` of (uint8 image, int32 label), cached if small.
    """
    image_key, label_key = keys

    def convert(example):
        image = tf.image.convert_image_dtype(example[image_key], tf.uint8)
        if builder.info.features[image_key].shape != input_shape:
            image = tf.image.resize(image, input_shape[:2], antialias=True)
            image = tf.saturate_cast(tf.round(image), tf.uint8)
        image = tf.ensure_shape(image, input_shape)
        return image, tf.cast(example[label_key], tf.int32)

    examples = builder.as_dataset(
        split=split,
        decoders=_decode_only(keys, builder.info.features),
        shuffle_files=False,
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    if part is not None:
        examples = examples.take(part.stop).skip(part.start)
    examples = examples.map(convert, num_parallel_calls=tf.data.AUTOTUNE)
    if len(examples) <= _images_in_memory(input_shape):
        examples = examples.cache()
    return examples


def evaluation_batches(examples, batch_size):
    """Batches examples in order, the last batch possibly smaller.

    Args:
        examples: `tf.data.Dataset` of (uint8 image, label).
        batch_size: Integer.

    Returns:
        `tf.data.Dataset` of (float32 images in [-1, 1], labels).
    """
    return _finish(
        examples.batch(batch_size).map(
            lambda images, labels: (_normalise(images), labels),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    )


def training_batches(examples, batch_size, augment, seed):
    """Shuffles, batches and augments examples; each iteration is an epoch.

    Args:
        examples: `tf.data.Dataset` of (uint8 image, label).
        batch_size: Integer. The remainder is dropped.
        augment: One of `AUGMENTATIONS`.
        seed: Integer.

    Returns:
        `tf.data.Dataset` of (float32 images in [-1, 1], labels).
    """
    return _finish(
        _epoch(examples, _window(examples), batch_size, augment, seed, True)
    )


def training_stream(examples, epoch, batch_size, augment, seed):
    """Like `training_batches`, endlessly and from a given epoch on.

    Args:
        examples: `tf.data.Dataset` of (uint8 image, label).
        epoch: Integer, the first epoch.
        batch_size: Integer. The remainder of each epoch is dropped.
        augment: One of `AUGMENTATIONS`.
        seed: Integer.

    Returns:
        `tf.data.Dataset` of (float32 images in [-1, 1], labels).
    """
    window = _window(examples)

    def one_epoch(number):
        # In a function this is the seed of the function's own graph. Without
        # it the order would depend on the seed of the program as well. With
        # 0 tf.data does not take a tensor as the other half of the seed.
        tf.random.set_seed(seed + 1)
        return _epoch(examples, window, batch_size, augment, number, False)

    epochs = tf.data.Dataset.counter(start=epoch)
    return _finish(epochs.flat_map(one_epoch))


def _decode_only(keys, features):
    """Spares decoding what is not used; TFDS warns when it does so."""
    if set(features) == set(keys):
        return None
    return tfds.decode.PartialDecoding(dict.fromkeys(keys, True))


def _window(examples):
    # One place more than there are examples, so that the shuffle sees their
    # end, without which `cache` would not keep them.
    shape = examples.element_spec[0].shape
    return min(len(examples) + 1, _images_in_memory(shape))


def _epoch(examples, window, batch_size, augment, seed, again):
    batches = examples.shuffle(
        window, seed=seed, reshuffle_each_iteration=again
    ).batch(batch_size, drop_remainder=True)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=again)
    return tf.data.Dataset.zip(
        batches, seeds.batch(2, drop_remainder=True)
    ).map(
        lambda batch, pair: (
            _normalise(_augment(batch[0], augment, pair)),
            batch[1],
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _augment(images, augment, seed):
    if augment == "none":
        return images
    images = _flip(images, seed)
    if augment != "flip":
        images = _shift(images, seed)
    if augment == "rand_augment":
        # What follows from 0, as what follows from an axis in `_shift`.
        seed = tf.random.experimental.stateless_fold_in(seed, 0)
        images = rand_augment(images, seed)
    elif augment == "auto_augment":
        images = auto_augment(images)
    return images


def _flip(images, seed):
    coins = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed)
    return tf.where(coins < 0.5, tf.reverse(images, axis=[2]), images)


def _shift(images, seed):
    """Moves each image by up to an eighth of its size, edges repeated."""
    batch, *sizes, _ = images.shape
    for axis, size in enumerate(sizes, start=1):
        seed = tf.random.experimental.stateless_fold_in(seed, axis)
        reach = size // 8
        shifts = tf.random.stateless_uniform(
            [batch, 1], seed, -reach, reach + 1, dtype=tf.int32
        )
        places = tf.clip_by_value(tf.range(size) + shifts, 0, size - 1)
        images = tf.gather(images, places, axis=axis, batch_dims=1)
    return images


def _normalise(images):
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _finish(batches):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)


def _images_in_memory(shape):
    return _MEMORY_BYTES // shape[0] // shape[1] // shape[2]
