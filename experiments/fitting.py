"""How models and searches are fitted, so that nothing is lost."""

import contextlib
import os
import re
import sys
import time

import tensorflow as tf

from keras_nas.training import SAVED_STATUS
from keras_nas.training import Checkpoint
from keras_nas.training import FiniteLoss
from keras_nas.training import synchronized_batch_norm

_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


class WorkerLost(RuntimeError):
    """Another process of a training by several has ended."""


def run_or_exit(function):
    """Returns what a function returns, or ends the process with a message.

    Args:
        function: Function without arguments, in which something is fitted.
    """
    try:
        return function()
    except FloatingPointError as error:
        sys.exit(f"Error: {error}")
    except WorkerLost as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        os._exit(SAVED_STATUS)  # TensorFlow would wait for the other worker.


def progress():
    """Returns Keras's `verbose`: bars on a terminal, lines in a file."""
    return 1 if sys.stdout.isatty() else 2


def fit(model, data, **kwargs):
    """Fits a model, or a search, and notes how long that took.

    Args:
        model: A compiled `keras.Model`.
        data: `tf.data.Dataset`.
        **kwargs: Of `model.fit`.

    Returns:
        The `History`, with `seconds`.
    """
    start = time.perf_counter()
    history = model.fit(
        data,
        shuffle=False,  # The pipeline does it.
        **{"verbose": progress(), **kwargs},
    )
    history.seconds = time.perf_counter() - start
    return history


def plain_history(history):
    """Returns what a `History` holds as data that JSON can hold."""
    return {
        key: [float(value) for value in values]
        for key, values in history.history.items()
    }


def fit_search(context, search, data, split, **kwargs):
    """Fits a search that goes on where it was interrupted.

    Args:
        context: The `Context`.
        search: A compiled search.
        data: `keras_nas.data.Datasets`.
        split: Name of the split that the search is fit on.
        **kwargs: Further ones of `fit_resumable`.

    Returns:
        The `History` of all epochs, with the `seconds` of this process.
    """
    epochs = context.preset.search_epochs
    return fit_resumable(
        context, search, data, split, "search", epochs, **kwargs
    )


def fit_resumable(
    context, model, data, split, name, epochs, streams=None, **kwargs
):
    """Fits a model, or a search, that goes on where it was interrupted.

    Args:
        context: The `Context`.
        model: A compiled `keras.Model`.
        data: `keras_nas.data.Datasets`.
        split: Name of the split that the model is fit on.
        name: Name of the training, for its logs and checkpoints; no other one
            of the same stage has it.
        epochs: Integer.
        streams: Dictionary from further arguments of `fit` to the names of
            their splits.
        **kwargs: Of `model.fit`.

    Returns:
        The `History` of all epochs, with the `seconds` of this process.
    """
    preset = context.preset
    checkpoint = Checkpoint(
        context.run.path("checkpoints", name),
        save_freq=preset.save_freq or "epoch",
    )
    further = {
        argument: data.stream(name, checkpoint.epoch, context.input_context)
        for argument, name in (streams or {}).items()
    }
    callbacks = [*context.callbacks(name), FiniteLoss(checkpoint), checkpoint]
    if not context.run.is_chief:
        kwargs["verbose"] = 0
    synchronized = contextlib.nullcontext()
    if preset.synchronized:
        synchronized = synchronized_batch_norm(model)
    with synchronized, _workers_watched(context):
        history = fit(
            model,
            data.stream(split, checkpoint.epoch, context.input_context),
            steps_per_epoch=data.steps(split),
            epochs=epochs,
            callbacks=callbacks,
            validation_data=data.validation,
            validation_freq=preset.validation_freq,
            **further,
            **kwargs,
        )
    history.history = checkpoint.history
    return history


@contextlib.contextmanager
def _workers_watched(context):
    """Tells errors that come of a worker's end."""
    try:
        yield
    except _LOST as error:
        index, number = context.worker
        if number == 1:
            raise
        reason = re.sub(r"\{\{.*?\}\} ", "", str(error)).splitlines()[0]
        raise WorkerLost(
            f"Worker {index} of {number} lost touch with another one "
            f"({reason}). Nothing that was saved is lost: start all workers "
            "again with the same flags, and training goes on from the last "
            "checkpoint."
        ) from error
