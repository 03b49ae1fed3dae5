"""What AtomNAS does at the end of an epoch, before it validates."""

import itertools

import keras

from keras_nas.training.batch_norm import recalibrate_with


class Shrinkage(keras.callbacks.Callback):
    """Cuts dead blocks out (AtomNAS, Algorithm 1), after each epoch.

    That is in front of the validation, if there is one.
    """

    def __init__(self):
        super().__init__()
        self._epoch, self._is_done = 0, True

    def on_train_begin(self, logs=None):
        if not self.params.get("steps") and self.model.ramp:
            raise ValueError(
                "The penalty follows the share of all steps that are done, "
                "and the number of steps is unknown. Pass `steps_per_epoch` "
                "to `fit`, or data of known length, or the argument `ramp=0`."
            )

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._is_done = epoch, False

    def on_test_begin(self, logs=None):
        self._end_epoch()

    def on_epoch_end(self, epoch, logs=None):
        self._end_epoch()

    def _end_epoch(self):
        if not self._is_done:
            self._is_done = True
            is_last = self._epoch + 1 == self.params["epochs"]
            self.model.end_epoch(is_last)

    def on_train_end(self, logs=None):
        # Training may have been stopped before the last epoch.
        self.model.end_epoch(is_last=True)


class Recalibration(keras.callbacks.Callback):
    """Computes the statistics of BatchNormalization anew (Section 4.3.2).

    Before each validation, and at the end if the last one was of another
    network, or of other weights.

    Args:
        data: Training images: a data set of batches, read from its start each
            time, or an `ArrayBatches`.
        steps: Integer, how many batches to read; all, if there are fewer.

    Raises:
        ValueError: If the data can be read only once.
    """

    def __init__(self, data, steps):
        super().__init__()
        if steps and hasattr(data, "__next__"):
            raise ValueError(
                "The statistics of BatchNormalization are computed from "
                "training images, and a generator or iterator would lose "
                "those that are read. Pass `recalibration_data` to `fit`, a "
                "data set or a list of batches, or "
                "`recalibration_steps=0` to the search. Received: "
                f"{data!r}"
            )
        self.data, self.steps = data, steps
        self._validated = None  # The model, if it was since the last step.

    def on_epoch_begin(self, epoch, logs=None):
        self._validated = None

    def on_test_begin(self, logs=None):
        self.run()
        self._validated = self.model.model

    def on_train_end(self, logs=None):
        if self.model.model is not self._validated:
            self.run()

    def run(self):
        """Computes the statistics, of the network as it is now."""
        if self.steps:
            batches = itertools.islice(iter(self.data), self.steps)
            recalibrate_with(self.model.model, batches)


class ArrayBatches:
    """The batches of arrays, with their rows from all over the arrays.

    For arrays are often sorted by label, and `fit` shuffles them.

    Args:
        arrays: An array, or a list, tuple or dictionary of them.
        batch_size: Integer.
        steps: Integer, how many batches will be read.
        held_out: Float, the share of the rows, at the end, not to read.
    """

    def __init__(self, arrays, batch_size, steps, held_out=0.0):
        self.arrays, self.batch_size = arrays, batch_size
        rows = len(keras.tree.flatten(arrays)[0])
        self.length = int(rows * (1.0 - held_out))
        self.stride = max(1, self.length // max(1, batch_size * steps))

    def __iter__(self):
        size = self.batch_size * self.stride
        for start in range(0, self.length, size):
            stop = min(start + size, self.length)
            rows = slice(start, stop, self.stride)
            # In a tuple: a list would be images and labels.
            yield (
                keras.tree.map_structure(lambda a, r=rows: a[r], self.arrays),
            )
