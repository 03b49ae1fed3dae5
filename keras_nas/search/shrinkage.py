"""What AtomNAS does at the end of an epoch, before it validates."""

import itertools

import keras

from keras_nas.training.batch_norm import recalibrate_batch_norm


class _EndOfEpoch(keras.callbacks.Callback):
    """Does something once after each epoch of training.

    That is in front of the validation, if there is one.
    """

    def __init__(self):
        super().__init__()
        self._epoch, self._is_done = 0, True
        self.is_validated = False

    def end_epoch(self, is_last):
        raise NotImplementedError

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._is_done, self.is_validated = epoch, False, False

    def on_test_begin(self, logs=None):
        self.is_validated = True
        self._do_once()

    def on_epoch_end(self, epoch, logs=None):
        self._do_once()

    def _do_once(self):
        if not self._is_done:
            self._is_done = True
            self.end_epoch(self._epoch + 1 == self.params["epochs"])


class Shrinkage(_EndOfEpoch):
    """Cuts dead blocks out (AtomNAS, Algorithm 1)."""

    def on_train_begin(self, logs=None):
        if not self.params.get("steps") and self.model.ramp:
            raise ValueError(
                "The penalty follows the share of all steps that are done, "
                "and the number of steps is unknown. Pass `steps_per_epoch` "
                "to `fit`, or data of known length, or the argument `ramp=0`."
            )

    def end_epoch(self, is_last):
        self.model.end_epoch(is_last)

    def on_train_end(self, logs=None):
        # Training may have been stopped before the last epoch.
        self.model.end_epoch(is_last=True)


class Recalibration(_EndOfEpoch):
    """Computes the statistics of BatchNormalization anew (Section 4.3.2).

    Args:
        data: Training images: a data set of batches, or arrays.
        batch_size: Integer, the size of batches of arrays.
        steps: Integer, how many batches to read; all, if there are fewer.
    """

    def __init__(self, data, batch_size, steps):
        super().__init__()
        self.data, self.batch_size, self.steps = data, batch_size, steps
        self._last = None

    def end_epoch(self, is_last):
        self.run()
        self._last = self.model.model

    def run(self):
        """Computes the statistics, of the network as it is now."""
        if self.steps:
            data = list(itertools.islice(self._batches(), self.steps))
            recalibrate_batch_norm(self.model.model, data, len(data))

    def on_train_end(self, logs=None):
        # Averages may have taken the place of weights since the last time.
        if not self.is_validated or self.model.model is not self._last:
            self.end_epoch(is_last=True)

    def _batches(self):
        if not hasattr(self.data, "shape"):
            return iter(self.data)
        size = self.batch_size
        starts = range(0, len(self.data), size)
        return (self.data[i : i + size] for i in starts)
