"""From the examples of a split to batches for training or evaluation."""

import dataclasses

import tensorflow as tf

from keras_nas.data.augmentation import DRAWS
from keras_nas.data.augmentation import augment_images
from keras_nas.data.augmentation import box_seed

_DATA = tf.data.experimental.AutoShardPolicy.DATA
_OFF = tf.data.experimental.AutoShardPolicy.OFF


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How batches for training are made of examples.

    Args:
        batch_size: Integer, over all workers. The remainder of each epoch is
            dropped.
        augment: One of `augmentation.AUGMENTATIONS`.
        seed: Integer.
        shift: Boolean, of `augmentation.augment_images`.
    """

    batch_size: int
    augment: str
    seed: int
    shift: bool = True


def evaluation_batches(examples, batch_size):
    """Batches examples in order, the last batch possibly smaller.

    Unreadable examples make it smaller; where so many are that there is none
    left, the first batches come again.

    Args:
        examples: `reading.Examples`.
        batch_size: Integer.

    Returns:
        `tf.data.Dataset` of (float32 images in [-1, 1], labels).
    """
    dataset = examples.dataset
    if examples.decode:
        dataset = dataset.map(
            lambda image, label: (examples.decode(image, None), label),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).ignore_errors(log_warning=True)
    batches = dataset.batch(batch_size).map(
        lambda images, labels: (_normalise(images), labels),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # A number that is known, which one without unreadable examples is not.
    steps = -(-examples.count // batch_size)
    return _finish(batches.repeat().take(steps), _DATA)


def training_batches(examples, training):
    """Shuffles, batches and augments examples; each iteration is an epoch.

    Args:
        examples: `reading.Examples`.
        training: A `Training`.

    Returns:
        `tf.data.Dataset` of (float32 images in [-1, 1], labels).
    """
    return _finish(_epoch(examples, training, training.seed, True), _DATA)


def training_stream(examples, epoch, training, input_context=None):
    """Like `training_batches`, endlessly and from a given epoch on.

    Args:
        examples: `reading.Examples`.
        epoch: Integer, the first epoch.
        training: A `Training`.
        input_context: `tf.distribute.InputContext`, or `None`: of all
            workers' batches, those of one.

    Returns:
        `tf.data.Dataset` of (float32 images in [-1, 1], labels).
    """
    policy = _DATA if input_context is None else _OFF

    def one_epoch(number):
        # In a function this is the seed of the function's own graph. Without
        # it the order would depend on the seed of the program as well. With
        # 0 tf.data does not take a tensor as the other half of the seed.
        tf.random.set_seed(training.seed + 1)
        return _epoch(examples, training, number, False, input_context)

    epochs = tf.data.Dataset.counter(start=epoch)
    return _finish(epochs.flat_map(one_epoch), policy)


def _epoch(examples, training, seed, again, input_context=None):
    """Returns as many batches as if all examples could be read."""
    shuffled = examples.dataset.shuffle(
        examples.window, seed=seed, reshuffle_each_iteration=again
    )
    draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=again)
    drawn = tf.data.Dataset.zip(
        shuffled, draws.batch(DRAWS, drop_remainder=True)
    )
    share = training.batch_size
    if input_context is not None:
        share //= input_context.num_input_pipelines
        drawn = _share_of_worker(drawn, share, input_context)

    def augment(images, draws):
        return augment_images(images, draws, training.augment, training.shift)

    def decode(example, draws):
        image = examples.decode(example[0], box_seed(draws))
        image = augment(image[None], draws[None])[0]
        return (image, example[1]), draws

    def finish(batch, draws):
        images, labels = batch
        if not examples.decode:
            images = augment(images, draws)
        return _normalise(images), labels

    if examples.decode:
        drawn = drawn.map(
            decode, num_parallel_calls=tf.data.AUTOTUNE
        ).ignore_errors(log_warning=True)
    steps = examples.count // training.batch_size
    # Begins anew where unreadable examples leave too few. No step before it
    # reads ahead: a large window would be filled for nothing.
    batches = drawn.repeat().batch(share, drop_remainder=True).take(steps)
    return batches.map(finish, num_parallel_calls=tf.data.AUTOTUNE).apply(
        tf.data.experimental.assert_cardinality(steps)
    )


def _share_of_worker(drawn, share, context):
    """Keeps the examples of this worker's part of every batch."""

    def is_mine(number, _):
        worker = number // share % context.num_input_pipelines
        return worker == context.input_pipeline_id

    return drawn.enumerate().filter(is_mine).map(lambda _, element: element)


def _normalise(images):
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _finish(batches, policy):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policy
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)
