"""Statistics of BatchNormalization, computed anew from images."""

import contextlib
import itertools
import math

import keras
import numpy as np
from keras import ops
from keras import tree

# While it measures, a layer keeps nothing of earlier batches, and its
# statistics are those of its own inputs, as they are.
_WHILE_MEASURING = {
    "momentum": 0.0,
    "synchronized": False,
    "renorm": False,
    "accumulates": True,  # Of an `ElasticBatchNormalization`.
}


@contextlib.contextmanager
def synchronized_batch_norm(model):
    """Lets BatchNormalization see the batches of all replicas, for a while.

    Use it around `fit` under a `tf.distribute` strategy, where each replica
    otherwise takes the statistics of its own part of the batch, which may be
    small. Afterwards layers are as they were, so that the model can be saved
    for other backends, which know no `synchronized=True`.

    Args:
        model: A Keras model, with layers that have `synchronized`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_nas.training import synchronized_batch_norm
    >>> norm = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((2,)), norm])
    >>> model.compile("sgd", "mse")
    >>> x = np.ones((8, 2), "float32")
    >>> with synchronized_batch_norm(model):
    ...     print(norm.synchronized)
    ...     history = model.fit(x, x, verbose=0)
    True
    >>> norm.synchronized
    False
    """
    before = [
        (layer, layer.synchronized)
        for layer in model._flatten_layers()
        if hasattr(layer, "synchronized")
    ]
    for layer, _ in before:
        layer.synchronized = True
    try:
        yield
    finally:
        for layer, synchronized in before:
            layer.synchronized = synchronized


def recalibrate_batch_norm(model, dataset, steps):
    """Computes the moving statistics of BatchNormalization layers anew.

    Use it where the moving averages of the training do not fit the network
    that is evaluated: after channels were cut while it trained, or for a
    network taken out of a supernet. Weights do not change.

    The model runs as at inference (Dropout is off, masks are as decided),
    except that each BatchNormalization normalizes with the statistics of the
    batch. Its new moving mean and variance are those of all that it was given
    in `steps` batches, taken together: no average with a momentum, and no
    mean of the variances of batches. A layer that is called several times
    gets the statistics of all its calls together. Layers that are not
    trainable, here or by a model around them, or that were not called, keep
    theirs.

    It runs eagerly, and on one device: under a `tf.distribute` strategy pass
    a dataset that is not distributed; all replicas get the new statistics.

    Args:
        model: A built Keras 3 model, nested ones included.
        dataset: Iterable of batches `x`, `(x, y)` or `(x, y, sample_weight)`:
            a `tf.data.Dataset`, `keras.utils.PyDataset`, list or generator.
            Of an iterator, no more than `steps` batches are taken.
        steps: Integer, the number of batches.

    Returns:
        The number of images used. It is 0, and no data is read, if no
        BatchNormalization is trainable.

    Raises:
        ValueError: If `steps` is not a positive integer, the model is not
            built, or the dataset is an array or has fewer batches. The model
            is then as before.

    Reference:
        AtomNAS: Fine-Grained End-to-End Neural Architecture Search,
        Section 4.3.2.
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((2,)),
    ...     keras.layers.BatchNormalization(),
    ... ])
    >>> batches = [np.float32([[1, 10], [3, 10]]), np.float32([[8, 70]])]
    >>> keras_nas.recalibrate_batch_norm(model, batches, steps=2)
    3
    >>> keras.ops.convert_to_numpy(model.layers[0].moving_mean).tolist()
    [4.0, 30.0]
    """
    if type(steps) is not int or steps < 1:
        raise ValueError(
            "Invalid value received for argument `steps`. Expected a positive "
            f"integer. Received: steps={steps!r}"
        )
    check_batches("dataset", dataset)
    if not model.built:
        raise ValueError(
            "Invalid value received for argument `model`. Expected a built "
            f"model. Received: model={model!r}. Call it on a batch first."
        )
    return recalibrate_with(model, _take(dataset, steps))


def recalibrate_with(model, batches):
    """Does what `recalibrate_batch_norm` does, with all the batches there are.

    Args:
        model: A built Keras 3 model.
        batches: Iterable of batches.

    Returns:
        The number of images used.

    Raises:
        ValueError: If there are no batches, though BatchNormalization.
    """
    meters = [
        _Meter(layer)
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
        and layer.built
    ]
    if not meters:
        return 0
    images, finished = 0, False
    try:
        for meter in meters:
            meter.start()
        for batch in batches:
            x = tree.map_structure(
                ops.convert_to_numpy,
                keras.utils.unpack_x_y_sample_weight(batch)[0],
            )
            model(x, training=False)
            images += len(tree.flatten(x)[0])
        if not images:
            raise ValueError(
                "Statistics of BatchNormalization cannot be computed from no "
                "batches. Expected an iterable of batches that has not been "
                "read to its end, such as a data set. Received: 0 batches"
            )
        finished = True
    finally:
        for meter in meters:
            meter.stop(keep=finished)
    return images


def check_batches(argument, batches):
    """Raises a `ValueError` if an array is passed in place of batches."""
    if hasattr(batches, "shape"):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected an "
            "iterable of batches. Received an array of shape "
            f"{tuple(batches.shape)}. Pass `[x]` to use it as one batch."
        )


def _take(dataset, steps):
    """Yields so many batches, or raises a `ValueError`."""
    count = 0
    for batch in itertools.islice(dataset, steps):
        yield batch
        count += 1
    if count < steps:
        raise ValueError(
            f"Invalid value received for argument `dataset`. Expected {steps} "
            f"batches, as `steps` says. Received {count}."
        )


class _Meter:
    """Measures the inputs of one layer from `start` to `stop`."""

    def __init__(self, layer):
        self.layer = layer
        self.variables = [layer.moving_mean, layer.moving_variance]
        self.before = [_float64(v) for v in self.variables]
        self.options = {
            name: getattr(layer, name)
            for name in _WHILE_MEASURING
            if hasattr(layer, name)
        }
        self.replaced = vars(layer).get("call")
        self.call = layer.call
        self.count = 0
        self.mean = self.deviation = 0.0  # The sum of squared deviations.

    def start(self):
        for name in self.options:
            setattr(self.layer, name, _WHILE_MEASURING[name])
        for variable in self.variables:
            # What is not finite would stay, even with a momentum of 0.
            variable.assign(np.zeros(variable.shape))
        vars(self.layer)["call"] = self.measure

    def measure(self, inputs, training=None, mask=None):
        outputs = self.call(inputs, training=True, mask=mask)
        if mask is None:
            shape = inputs.shape
            count = math.prod(shape) // shape[self.layer.axis]
        else:
            count = int(np.sum(ops.convert_to_numpy(mask)))
        if count:
            self.add(count, *map(_float64, self.variables))
        return outputs

    def add(self, count, mean, variance):
        """Takes in more values, of which these are the statistics."""
        total = self.count + count
        difference = mean - self.mean
        self.mean = self.mean + difference * (count / total)
        self.deviation = (
            self.deviation
            + variance * count
            + difference**2 * (self.count * count / total)
        )
        self.count = total

    def stop(self, keep):
        """Restores the layer, except for its statistics if they are kept."""
        vars(self.layer).pop("call", None)
        if self.replaced is not None:
            vars(self.layer)["call"] = self.replaced
        for name, value in self.options.items():
            setattr(self.layer, name, value)
        after = self.before
        if keep and self.count:
            after = [self.mean, self.deviation / self.count]
        for variable, value in zip(self.variables, after, strict=True):
            variable.assign(value)
        if self.layer.renorm and after is not self.before:
            # From which further training computes the moving variance.
            self.layer.moving_stddev.assign(
                ops.sqrt(self.layer.moving_variance + self.layer.epsilon)
            )


def _float64(variable):
    return ops.convert_to_numpy(variable).astype("float64")
