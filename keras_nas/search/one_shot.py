"""One-Shot: sub-networks evaluated with the weights of a supernet."""

import keras
import numpy as np
from keras import ops

from keras_nas.graph import flow_of
from keras_nas.graph.decisions import check_has_masks
from keras_nas.graph.decisions import mask_scales
from keras_nas.search.evaluating import evaluate_on
from keras_nas.slicing import slice_model
from keras_nas.training.batch_norm import recalibrate_with

_WIDE = 30.0  # A margin at which a mask lets everything pass, or nothing.


class OneShot(keras.Model):
    """Trains a supernet whole, and evaluates its sub-networks as they are.

    Use it as the baseline of shared weights: nothing of the architecture is
    learned. Compile and fit it like any model, which trains the weights with
    all masks open; so that sub-networks get along without what they leave out,
    build the supernet with `path_dropout`, which One-Shot has. Then
    `evaluate_child` says what a sub-network achieves; `search.RandomSearch`
    selects the best of some.

    Args:
        model: A built model with masks that decide on each channel, such as
            `spaces.one_shot().supernet()`. Its masks are opened.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, or others.

    Reference:
        Understanding and Simplifying One-Shot Architecture Search (Bender et
        al., 2018), Section 3; FiGS, Section 4.1, compares with it.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(4, name="hidden"),
    ...     keras_nas.FiGSMask(name="mask"),
    ...     keras.layers.Dense(2),
    ... ])
    >>> search = keras_nas.search.OneShot(model)
    >>> search.compile("adam", "mse", metrics=["mae"])
    >>> x = np.ones((64, 8), "float32")
    >>> history = search.fit(x, x[:, :2], verbose=0)
    >>> child = keras_nas.Architecture(model.name, {"mask": [0, 2]})
    >>> sorted(search.evaluate_child(child, [x], (x, x[:, :2])))
    ['loss', 'mae']
    >>> search.export_model(child).get_layer("hidden").units
    2
    """

    def __init__(self, model, **kwargs):
        super().__init__(**kwargs)
        flow = flow_of(model)
        check_has_masks(flow)
        others = [m.name for m in flow.masks if not hasattr(m, "margins")]
        if others:
            raise ValueError(
                "Invalid value received for argument `model`. Expected masks "
                "that decide on each channel by a margin, such as "
                f"`keras_nas.FiGSMask`. Received: {others}"
            )
        self.model = model
        for mask in flow.masks:
            mask.trainable = False
        self.open()

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def fit(self, *args, **kwargs):
        """Trains the weights of the supernet, as `keras.Model.fit`."""
        self.open()
        return super().fit(*args, **kwargs)

    def open(self):
        """Opens all masks."""
        for mask in flow_of(self.model).masks:
            _set(mask, np.ones(mask.margins().shape))

    def evaluate_child(self, architecture, batches, data, **kwargs):
        """Returns what a sub-network achieves, without cutting it out.

        The statistics of BatchNormalization become those of the sub-network.

        Args:
            architecture: An `Architecture` with the list of channels that
                each mask keeps; `to_channels` of a space makes it of numbers.
            batches: Iterable of batches of training images.
            data: Data set to evaluate on, or a tuple of arrays `(x, y)` or
                `(x, y, sample_weight)`.
            **kwargs: As in `keras.Model.evaluate`, such as `steps`.

        Returns:
            Dictionary from the names of the loss and of metrics to floats.

        Raises:
            ValueError: If the architecture does not fit the model.
        """
        self.decide(architecture)
        recalibrate_with(self.model, batches)
        return evaluate_on(self, data, **kwargs)

    def decide(self, architecture):
        """Sets the masks as an architecture says."""
        flow = flow_of(self.model)
        scales = mask_scales(flow, architecture)
        for mask, scale in zip(flow.masks, scales, strict=True):
            _set(mask, scale != 0)

    def export_model(self, architecture, batches=None):
        """Returns a sub-network as a plain model, with the weights it shares.

        Args:
            architecture: As in `evaluate_child`.
            batches: Iterable of batches of training images, from which its
                statistics of BatchNormalization are computed; without, they
                are those that the supernet has now.
        """
        self.decide(architecture)
        if batches is not None:
            recalibrate_with(self.model, batches)
        return slice_model(self.model)

    def get_config(self):
        raise NotImplementedError(
            "A search is not saved as a whole. Save its weights with "
            "`save_weights`, or `search.model`, or `search.export_model(...)`."
        )


def _set(mask, is_open):
    margins = ops.convert_to_numpy(mask.margins())
    mask.shift(np.where(is_open, _WIDE, -_WIDE) - margins)
