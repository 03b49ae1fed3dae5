"""What `keras_nas.data.load` returns."""

import collections.abc
import dataclasses

import tensorflow as tf

from keras_nas.data.splits import EVALUATED


@dataclasses.dataclass(frozen=True)
class Datasets:
    """The data sets of a search, and what a model has to know of them.

    A data set yields batches of (images, labels): float32 in [-1, 1], shape
    `(batch, height, width, channels)`, and int32, shape `(batch,)`. Every
    iteration over `search` or `train` is one shuffled epoch of whole batches;
    `validation` and `test` keep their order and every example.

    Args:
        name: Name of the data set, as TFDS knows it.
        search: `tf.data.Dataset` that architectures are searched on.
        train: `tf.data.Dataset` that architectures are trained on.
        validation: `tf.data.Dataset` that choices are made on.
        test: `tf.data.Dataset` that only the final figures come from.
        num_classes: Number of classes.
        class_names: Names of the classes, by label.
        input_shape: Shape `(height, width, channels)` of one image.
        batch_size: Number of examples of a batch, over all replicas and
            workers.
        cardinalities: Number of examples of each of the four, unreadable
            ones included.
        splits: TFDS split string of each of the four.
        streams: Functions from the number of an epoch, and perhaps an
            `input_context`, to the endless data set that starts there, for
            `search` and `train`. See `stream`.
        architecture: `tf.data.Dataset` of examples that `search` does not
            have, for the architecture alone, or `None`.

    Example:

    >>> from keras_nas.data import load
    >>> data = load(image_size=16, batch_size=64)
    >>> data.input_shape, data.num_classes
    ((16, 16, 3), 10)
    >>> data.steps("train"), data.steps("test")
    (62, 63)
    """

    name: str
    search: tf.data.Dataset
    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    num_classes: int
    class_names: tuple[str, ...]
    input_shape: tuple[int, int, int]
    batch_size: int
    cardinalities: dict[str, int]
    splits: dict[str, str]
    streams: dict[str, collections.abc.Callable] = dataclasses.field(repr=False)
    architecture: tf.data.Dataset | None = None

    def steps(self, split):
        """Returns the number of batches of one pass over a split.

        Args:
            split: `"search"`, `"train"`, `"validation"` or `"test"`.

        Returns:
            Integer.

        Raises:
            ValueError: If there is no such split.
        """
        self._check(split, self.cardinalities)
        examples = self.cardinalities[split]
        if split in EVALUATED:
            return -(-examples // self.batch_size)
        return examples // self.batch_size

    def stream(self, split, epoch=0, input_context=None):
        """Returns the endless batches of a split from a given epoch on.

        The batches of an epoch, their augmentation included, depend on the
        seed given to `load` and on the number of the epoch, and on nothing
        else. That is what a run needs in order to be resumed exactly, since
        `data.train` counts its iterations from 0 in each process, peeks
        included, and mixes the seed of the program into its own.

        Args:
            split: `"search"` or `"train"`.
            epoch: Integer, the first epoch of the stream.
            input_context: `tf.distribute.InputContext`, or `None`. With it,
                batches are this worker's consecutive part of each batch:
                those of all workers, one after the other, are the batch
                without it, but for `"auto_augment"` and for images that turn
                out unreadable when they are decoded on the fly. Every worker
                reads all records, but decodes its own.

        Returns:
            `tf.data.Dataset` without an end, `steps(split)` batches an epoch.

        Raises:
            ValueError: If `split` has no stream, `epoch` is negative, or the
                workers cannot share a batch equally.

        Example:

        >>> from keras_nas.data import load
        >>> data = load(batch_size=500)
        >>> rest = data.stream("train", epoch=3)
        >>> _, labels = next(iter(rest))
        >>> labels.shape
        TensorShape([500])

        With `fit`:

        ```python
        model.fit(
            data.stream("train", epoch=3),
            initial_epoch=3,
            epochs=10,
            steps_per_epoch=data.steps("train"),
        )
        ```
        """
        self._check(split, self.streams)
        if epoch < 0:
            raise ValueError(
                "Invalid value received for argument `epoch`. Expected the "
                f"number of an epoch, 0 or more. Received: epoch={epoch}."
            )
        self._check_context(input_context)
        return self.streams[split](epoch, input_context=input_context)

    def epoch(self, split, epoch=0, input_context=None):
        """Returns the batches of one epoch, as they are in `stream`.

        Args:
            split: `"search"` or `"train"`.
            epoch: Integer, which epoch.
            input_context: As of `stream`.

        Returns:
            `tf.data.Dataset` of `steps(split)` batches.

        Raises:
            ValueError: As of `stream`.
        """
        steps = self.steps(split)
        known = tf.data.experimental.assert_cardinality(steps)
        stream = self.stream(split, epoch, input_context)
        return stream.take(steps).apply(known)

    def _check_context(self, context):
        if context is not None and self.batch_size % (
            context.num_input_pipelines
        ):
            raise ValueError(
                "Invalid value received for argument `input_context`. "
                "Expected a number of workers that divides the batch size, "
                f"{self.batch_size}. Received: {context.num_input_pipelines} "
                "workers. Load the data with another `batch_size`."
            )

    def _check(self, split, known):
        if split not in known:
            raise ValueError(
                "Invalid value received for argument `split`. Expected one of "
                f"{sorted(known)}. Received: split={split!r}."
            )
