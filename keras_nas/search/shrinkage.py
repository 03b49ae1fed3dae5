"""What AtomNAS does at the end of an epoch, before it validates."""

import itertools

import keras

from keras_nas.training.batch_norm import recalibrate_batch_norm


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
        data: Training images: a data set of batches, or arrays.
        batch_size: Integer, the size of batches of arrays.
        steps: Integer, how many batches to read; all, if there are fewer.
    """

    def __init__(self, data, batch_size, steps):
        super().__init__()
        self.data, self.batch_size, self.steps = data, batch_size, steps
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
            data = list(itertools.islice(self._batches(), self.steps))
            recalibrate_batch_norm(self.model.model, data, len(data))

    def _batches(self):
        if not hasattr(self.data, "shape"):
            return iter(self.data)
        size = self.batch_size
        starts = range(0, len(self.data), size)
        return (self.data[i : i + size] for i in starts)
