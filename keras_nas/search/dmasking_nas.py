"""DMaskingNAS, the search of FBNetV2."""

import math

import keras
import numpy as np
from keras import ops
from keras import tree

from keras_nas.graph import flow_of
from keras_nas.graph.decisions import deciders
from keras_nas.search.choices import fit_choices_to_budget
from keras_nas.search.mask_search import MaskSearch
from keras_nas.search.penalized_model import PenalizedModel
from keras_nas.training.partial_training import PartialTraining

PAPER_DECAY = math.exp(-0.045)


class DMaskingNAS(PartialTraining, MaskSearch):
    """Searches numbers of channels, blocks and the input resolution.

    Wrap a model whose masks each choose one of several options:
    `keras_nas.ChannelMask`, `BlockChoice`, `ResolutionSubsample`, put there
    by hand, by `keras_nas.insert_masks`, or by the `supernet()` of a search
    space. Compile and fit it like any model, and take the result with
    `architecture()` or `export_model()`; the paper trains it from scratch
    then.

    In each epoch, the weights are trained on one part of the data, and then
    the logits of the masks on another part, on the task loss plus the
    expected cost (Eq. 10), with the weights as they are. Options are weighted
    by Gumbel-softmax draws (Eq. 4), whose temperature falls after each epoch.
    In the first epochs, `warmup_epochs`, only the weights are trained.

    With a strength, the penalty is `strength * cost` throughout. With a
    target, a budget falls from the full cost to the target over the first
    `ramp` of the epochs after the warm-up, and a multiplier drives the
    expected cost there. If the network that the masks have decided on when
    `fit` ends costs more nevertheless, a price on costs makes them decide on
    one within the target.

    Each epoch logs `expected_cost` and `decided_cost` (of the network as it
    would be sliced now), as shares of the full cost, `architecture_loss`,
    `uncertainty`, the mean entropy of the choices as a share of its largest
    value, `temperature`, and `strength`.

    Args:
        model: A built model with masks.
        regularizer: `ExpectedFLOPs`, `ExpectedParams` or `ExpectedLatency`,
            with a strength or a target. Defaults to the one attached to the
            model, else to `ExpectedFLOPs(target=0.5)`.
        warmup_epochs: Integer, epochs in which the masks are not trained.
        temperature_decay: Float in (0, 1], the factor of every temperature
            after each epoch; exp(-0.045) in the paper, for 90 epochs.
        ramp: Float in [0, 1], the share of the masks' steps over which the
            budget falls; only read with a target.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If the model has no masks, or others than of these kinds,
            is not a built Keras 3 model, the target is out of reach, or an
            argument is out of range.

    Reference:
        FBNetV2: Differentiable Neural Architecture Search for Spatial and
        Channel Dimensions, Sections 3 and 4.1.

    Example:

    >>> import keras, keras_nas, numpy as np
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(32, activation="relu"),
    ...     keras_nas.ChannelMask([8, 16, 24, 32]),
    ...     keras.layers.Dense(2),
    ... ])
    >>> search = keras_nas.search.DMaskingNAS(
    ...     model, keras_nas.ExpectedFLOPs(target=0.5)
    ... )
    >>> search.compile("sgd", "mse", mask_optimizer="adam")
    >>> x = np.ones((100, 8), "float32")
    >>> history = search.fit(x, x[:, :2], epochs=2, verbose=0)
    >>> search.export_model().layers[1].units
    16
    """

    method = "DMaskingNAS"
    cost_smoothing = 0.9  # Costs are those of draws.

    def __init__(
        self,
        model,
        regularizer=None,
        warmup_epochs=0,
        temperature_decay=PAPER_DECAY,
        ramp=0.6,
        **kwargs,
    ):
        super().__init__(model, regularizer, ramp, **kwargs)
        if type(warmup_epochs) is not int or warmup_epochs < 0:
            raise ValueError(
                "Invalid value received for argument `warmup_epochs`. "
                "Expected an integer, 0 or more. Received: "
                f"warmup_epochs={warmup_epochs!r}"
            )
        if not 0.0 < temperature_decay <= 1.0:
            raise ValueError(
                "Invalid value received for argument `temperature_decay`. "
                "Expected a float in (0, 1]. Received: "
                f"temperature_decay={temperature_decay!r}"
            )
        self.warmup_epochs = warmup_epochs
        self.temperature_decay = temperature_decay
        self.deciders = deciders(flow_of(model))
        self._logits = {id(mask.logits) for mask in self.deciders}
        # A callback, so that Keras does not take its model for a part of
        # this one.
        self._phase = _ArchitecturePhase(
            _ArchitectureModel(
                self.model,
                self.regularizer,
                self.controller,
                name=f"{self.name}_architecture",
            )
        )

    def trains(self, variable):
        return id(variable) not in self._logits

    def compile(
        self,
        optimizer="sgd",
        loss=None,
        *args,
        mask_optimizer="adam",
        jit_compile="auto",
        run_eagerly=False,
        **kwargs,
    ):
        """Configures the search for `fit`.

        Args:
            optimizer: Optimizer of the weights. The paper uses SGD.
            loss: As in `keras.Model.compile`; of weights and masks.
            *args: As in `keras.Model.compile`.
            mask_optimizer: Optimizer of the masks' logits. The paper uses
                Adam; short searches want a larger learning rate than its
                0.01.
            jit_compile: As in `keras.Model.compile`.
            run_eagerly: As in `keras.Model.compile`.
            **kwargs: As in `keras.Model.compile`.
        """
        how = {"jit_compile": jit_compile, "run_eagerly": run_eagerly}
        super().compile(optimizer, loss, *args, **how, **kwargs)
        self._phase.view.compile(mask_optimizer, loss, **how)
        for model in (self, self._phase.view):
            # Else TensorFlow would trace the first step twice.
            model.optimizer.build(model.trainable_variables)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        # The weights have no part in the penalty.
        return keras.Model.compute_loss(
            self, x, y, y_pred, sample_weight, training
        )

    def fit(self, x=None, y=None, *args, architecture_data=None, **kwargs):
        """Trains weights and masks in turns.

        Args:
            x: Data of the weights, as in `keras.Model.fit`.
            y: As in `keras.Model.fit`.
            *args: As in `keras.Model.fit`.
            architecture_data: Data of the masks: a dataset of batches
                `(inputs, targets)`, or two arrays, that shares no example
                with that of the weights; or a function that returns them for
                the number of an epoch, which a training needs that goes on
                where it was interrupted, if each epoch has another order. By
                default, if `x` and `y` are arrays, their last fifth, as in
                the paper.
            **kwargs: As in `keras.Model.fit`.

        Returns:
            A `History`.

        Raises:
            ValueError: If there is no data for the masks.
        """
        batch_size = args[0] if args else kwargs.get("batch_size")
        if architecture_data is None:
            x, y, architecture_data = _split(x, y, share=0.2)
        self._phase.set_data(architecture_data, batch_size)
        return super().fit(x, y, *args, **kwargs)

    def search_callbacks(self):
        return [self._phase, *super().search_callbacks()]

    def optimizers(self):
        """Returns the optimizers of the weights and of the masks."""
        return [self.optimizer, self._phase.view.optimizer]

    def penalized_steps(self, steps):
        return self._phase.steps()

    def finish(self):
        if self.regularizer.target is not None:
            fit_choices_to_budget(self, self.controller.target)

    def progress(self):
        temperature = self.deciders[0].temperature
        return {
            "uncertainty": self.uncertainty(),
            "temperature": float(ops.convert_to_numpy(temperature)),
        }

    def uncertainty(self):
        """Returns the mean entropy of the choices, 1 if all are open."""
        entropies = []
        for mask in self.deciders:
            if len(mask.options) > 1:
                logits = ops.convert_to_numpy(mask.logits).astype("float64")
                p = np.exp(logits - logits.max())
                p = np.maximum(p / p.sum(), 1e-300)
                entropies.append(-(p * np.log(p)).sum() / np.log(len(p)))
        return float(np.mean(entropies)) if entropies else 0.0


class _ArchitectureModel(PartialTraining, PenalizedModel):
    """The model whose logits alone are trained, with the penalty."""

    def __init__(self, model, *args, **kwargs):
        super().__init__(model, *args, **kwargs)
        self._logits = {id(m.logits) for m in deciders(flow_of(model))}

    def trains(self, variable):
        return id(variable) in self._logits


class _ArchitecturePhase(keras.callbacks.Callback):
    """Trains the logits at the end of each epoch, then anneals."""

    def __init__(self, view):
        super().__init__()
        self.view = view
        self._data = self._batch_size = None

    def set_data(self, data, batch_size):
        self._batch_size = batch_size
        self._data = data if callable(data) else lambda epoch: data

    def _arguments(self, epoch):
        """Returns the arguments of `fit` that are data."""
        data = self._data(epoch)
        if isinstance(data, (list, tuple)) and len(data) == 2:
            x, y = data
            return {"x": x, "y": y, "batch_size": self._batch_size}
        return {"x": data}

    def steps(self):
        """Returns the steps of all epochs after the warm-up."""
        epochs = self.params["epochs"] - self.model.warmup_epochs
        return max(0, epochs) * self._steps_of_epoch()

    def _steps_of_epoch(self):
        arguments = self._arguments(0)
        x = tree.flatten(arguments["x"])[0]
        if "batch_size" in arguments:
            return -(-len(x) // (arguments["batch_size"] or 32))
        try:
            return len(x)
        except TypeError:
            return 0

    def on_epoch_end(self, epoch, logs=None):
        search, logs = self.model, {} if logs is None else logs
        if epoch >= search.warmup_epochs:
            history = self.view.fit(
                **self._arguments(epoch), epochs=1, verbose=0
            )
            logs["architecture_loss"] = history.history["loss"][0]
        for mask in search.deciders:
            mask.temperature.assign(mask.temperature * search.temperature_decay)


def _split(x, y, share):
    """Splits arrays into data of the weights and of the masks."""
    arrays = tree.flatten((x, y))
    if y is None or not all(hasattr(a, "shape") for a in arrays):
        raise ValueError(
            "Invalid value received for argument `architecture_data`. Expected "
            "the data that the masks are trained on, since `x` and `y` are not "
            f"arrays, of which a fifth could be taken. Received: x={x!r}. Pass "
            "a dataset that shares no example with `x`."
        )
    cut = len(arrays[0]) - int(share * len(arrays[0]))
    first = tree.map_structure(lambda a: a[:cut], (x, y))
    second = tree.map_structure(lambda a: a[cut:], (x, y))
    return *first, second
