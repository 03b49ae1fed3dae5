"""BigNAS: one training of all networks of a space at once."""

import keras
from keras import ops
from keras.src.losses.loss import (
    unscale_loss_for_distribution,  # It has no other name.
)

from keras_nas.graph import flow_of
from keras_nas.layers import running_child
from keras_nas.search.sandwich import Sandwich
from keras_nas.search.supernet_model import SupernetModel


class BigNAS(SupernetModel):
    """Trains a network that contains networks of many sizes.

    Wrap a supernet, of `keras_nas.spaces.BigNASSpace.supernet`, or a model of
    your own with elastic layers such as `keras_nas.ElasticMBConv`. Compile
    and fit it like any model. Then every child can be cut out, as it is, with
    `export_model(architecture)`; `keras_nas.search.CoarseToFine` finds the
    best one of a budget.

    Each step trains the biggest child, a few random ones and the smallest
    one (the sandwich rule), and adds their gradients up. The biggest learns
    from the labels, the others from its predictions (inplace distillation).
    All see the same images, each at its own resolution: the biggest at the
    largest, the smallest at the smallest, and each random one at one of those
    between (Appendix B), so that all shapes are known. What a random child
    is, is a function of the seed, the names of the choices and the step.

    The learning rate should not fall below a twentieth of what it began with:
    see `keras_nas.training.ConstantEnding`.

    Each epoch logs `loss`, the sum over all children, the metrics of the
    biggest one, and `children_loss`, the mean of the others; with validation
    data, `val_` metrics of the biggest child, and `val_smallest_` metrics of
    the smallest one, both with statistics of BatchNormalization of their own.

    Args:
        model: A built model with elastic layers that returns logits.
        random_children: Integer, N of the sandwich rule.
        distillation: Boolean, whether children learn from the predictions of
            the biggest one, or else from the labels.
        regularize: `"biggest"`, to apply Dropout (where it is an
            `ElasticDropout`) and weight decay to the biggest child only, or
            `"all"`, to apply them to each.
        weight_decay: Float, the weight of half of the squares of all kernels
            in the loss; 1e-5 in the paper. With `"all"` it counts once for
            each child. Leave that of the optimizer at `None`.
        resolutions: List of the resolutions to train at, some of those of the
            model; by default all. The paper selects among more than it trains
            at.
        recalibration_steps: Integer, batches of training data from which the
            statistics of a child are computed before it is evaluated.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model is not a built Keras 3 model with elastic
            choices only, or an argument is invalid.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> space = keras_nas.spaces.smoke_big_nas()
    >>> search = keras_nas.search.BigNAS(space.supernet(classes=2))
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> search.compile("rmsprop", loss)
    >>> x, y = np.ones((32, 8, 8, 3), "float32"), np.zeros(32)
    >>> history = search.fit(x, y, batch_size=16, verbose=0)
    >>> search.export_model(space.smallest(), [x]).input_shape
    (None, 6, 6, 3)
    """

    def __init__(
        self,
        model,
        random_children=2,
        distillation=True,
        regularize="biggest",
        weight_decay=0.0,
        resolutions=None,
        recalibration_steps=16,
        **kwargs,
    ):
        sandwich = Sandwich(model, random_children, resolutions)
        _check(regularize, weight_decay)
        _check_outputs(model, distillation)
        super().__init__(model, recalibration_steps, **kwargs)
        self.distillation = bool(distillation)
        self.regularize, self.weight_decay = regularize, float(weight_decay)
        self._sandwich = sandwich
        self._children_loss = keras.metrics.Mean(name="children_loss")
        self._decay = None

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        losses = keras.tree.flatten(self.loss)
        if self.distillation and any(map(_takes_probabilities, losses)):
            raise ValueError(
                "Invalid value received for argument `loss`. With "
                "`distillation`, the model returns logits. Expected a loss of "
                "logits, such as `keras.losses.SparseCategoricalCrossentropy("
                f"from_logits=True)`. Received: loss={self.loss!r}"
            )

    def call(self, inputs, training=None):
        if not training:
            return self.model(inputs, training=False)
        with running_child(self._sandwich.biggest()):
            return self.model(inputs, training=True)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, False)
        if self.weight_decay:
            self._decay = self._decay_of_kernels()
        try:
            loss = super().compute_loss(x, y, y_pred, sample_weight, True)
        finally:
            self._decay = None
        children = [
            self._child_loss(child, x, y, y_pred, sample_weight)
            for child in self._sandwich.others()
        ]
        mean = unscale_loss_for_distribution(sum(children) / len(children))
        # As in the mean of the loss, by the images of the batch.
        images = ops.shape(keras.tree.flatten(x)[0])[0]
        self._children_loss.update_state(mean, sample_weight=images)
        return sum(children, loss)

    def _child_loss(self, child, x, y, teacher, sample_weight):
        with running_child(child, self.regularize == "all"):
            logits = self.model(x, training=True)
        if not self.distillation:
            return self._compile_loss(y, logits, sample_weight)
        target = ops.softmax(ops.cast(ops.stop_gradient(teacher), "float32"))
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        return loss(target, ops.cast(logits, "float32"), sample_weight)

    def _decay_of_kernels(self):
        children = 1
        if self.regularize == "all":
            children = self._sandwich.random_children + 2
        return (0.5 * self.weight_decay * children) * sum(
            ops.sum(ops.square(ops.cast(v, "float32")))
            for v in self.trainable_variables
            if v.name.endswith("kernel")
        )

    def metrics_in_training(self):
        return [self._children_loss]

    def validated_children(self):
        return {"smallest_": self.smallest(), "": self.biggest()}

    @property
    def losses(self):
        decay = [] if self._decay is None else [self._decay]
        return [*super().losses, *decay]


def _check_outputs(model, distillation):
    shapes = [tuple(tensor.shape) for tensor in flow_of(model).outputs]
    if distillation and (len(shapes) > 1 or shapes[0][-1] == 1):
        raise ValueError(
            "Invalid value received for argument `model`. With `distillation`, "
            "children learn the softmax of what the biggest one returns. "
            "Expected one output, logits of two or more classes. Received: "
            f"outputs of the shapes {shapes}. Pass `distillation=False` to let "
            "all children learn from the labels."
        )


def _takes_probabilities(loss):
    """Whether a loss is a cross-entropy of probabilities."""
    if isinstance(loss, str):
        return "crossentropy" in loss.lower().replace("_", "")
    return not getattr(loss, "from_logits", True)


def _check(regularize, weight_decay):
    if regularize not in ("biggest", "all"):
        raise ValueError(
            "Invalid value received for argument `regularize`. Expected "
            f"'biggest' or 'all'. Received: regularize={regularize!r}"
        )
    is_number = isinstance(weight_decay, (int, float))
    if not is_number or not weight_decay >= 0:
        raise ValueError(
            "Invalid value received for argument `weight_decay`. Expected a "
            f"float >= 0. Received: weight_decay={weight_decay!r}"
        )
