"""How a training ends early: when it is told to, or cannot go on."""

import signal
import threading

import keras
import numpy as np

from keras_nas.training.strategy import worker_of

SAVED_STATUS = 75  # EX_TEMPFAIL of sysexits.h: run the same command again.


class Terminated(SystemExit):
    """SIGTERM came; what was trained is saved. The exit status is 75."""

    def __init__(self):
        super().__init__(SAVED_STATUS)


class TerminationSignal:
    """Notes SIGTERM, which clusters send some seconds before they kill.

    Only the first one: a second one ends the process as usual. In threads
    other than the main one, where Python has no signals, nothing is noted.
    """

    def __init__(self):
        self._is_noted = False
        self._usual = None

    def watch(self):
        """Begins to note it."""
        self._is_noted = False
        if threading.current_thread() is threading.main_thread():
            self._usual = signal.signal(signal.SIGTERM, self._note)

    def ignore(self):
        """Leaves it to what it was left to before."""
        if self._usual is not None:
            signal.signal(signal.SIGTERM, self._usual)
            self._usual = None

    def is_noted(self, strategy=None):
        """Whether it came, to any worker of a strategy.

        All workers have to ask at once, and get the same answer.
        """
        if strategy is None or worker_of(strategy)[1] == 1:
            return self._is_noted
        return bool(_sum_over_workers(strategy, self._is_noted))

    def _note(self, *_):
        self._is_noted = True
        print("SIGTERM: ends after this step, saved.", flush=True)
        self.ignore()


class FiniteLoss(keras.callbacks.Callback):
    """Ends a training whose loss is NaN or infinite, with an error.

    Use it instead of `keras.callbacks.TerminateOnNaN`, after which `fit`
    returns as if all was well. Pass it to `fit` before the `Checkpoint`, which
    then never saves such a training.

    Args:
        checkpoint: The `Checkpoint` of the training, to name its last file.

    Raises:
        FloatingPointError: In `fit`, after the step with that loss.

    Example:

    >>> import keras, numpy as np
    >>> from keras_nas.training import FiniteLoss
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.full((8, 2), np.nan, "float32")
    >>> model.fit(x, x[:, :1], verbose=0, callbacks=[FiniteLoss()])
    Traceback (most recent call last):
    FloatingPointError: The loss is nan after step 1 of epoch 1. ...
    """

    def __init__(self, checkpoint=None):
        super().__init__()
        self.checkpoint = checkpoint
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if np.all(np.isfinite(loss)):
            return
        saved = ""
        if self.checkpoint is not None:
            newest = self.checkpoint.newest()
            saved = "Nothing was saved before. "
            if newest is not None:
                saved = f"The last good checkpoint is '{newest}'. "
        raise FloatingPointError(
            f"The loss is {float(np.mean(loss))} after step {batch + 1} of "
            f"epoch {self._epoch + 1}. {saved}The same settings lead here "
            "again. Try a lower learning rate, a warm-up, gradients that are "
            "clipped (`clipnorm` of the optimizer), float32 instead of mixed "
            "precision, and look for inputs or labels that are not finite."
        )


def _sum_over_workers(strategy, number):
    """Returns the sum of a number over all replicas of all workers."""
    import tensorflow as tf

    own = strategy.experimental_distribute_values_from_function(
        lambda _: tf.constant(float(number))
    )
    return strategy.reduce("SUM", own, axis=None).numpy()
