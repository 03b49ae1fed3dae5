"""A model around a supernet, of which any child can be taken."""

import itertools

import keras
from keras import ops

from keras_nas.graph import flow_of
from keras_nas.graph.decisions import named_deciders
from keras_nas.graph.decisions import read_architecture
from keras_nas.search.children_validation import ChildrenValidation
from keras_nas.search.evaluating import evaluate_on
from keras_nas.slicing import slice_model
from keras_nas.spaces.architecture import Architecture
from keras_nas.training.batch_norm import check_batches
from keras_nas.training.batch_norm import recalibrate_with
from keras_nas.training.single_trace import SingleTrace


class SupernetModel(SingleTrace):
    """Base class of the searches that train children of a model.

    It chooses, evaluates and cuts out children; subclasses say how a step
    trains them.

    Args:
        model: A built model with elastic layers.
        recalibration_steps: Integer, batches of training data from which the
            statistics of BatchNormalization of a child are computed.
        **kwargs: `keras.Model` keyword arguments, such as `name`.

    Raises:
        ValueError: If `recalibration_steps` is not a positive integer.
    """

    def __init__(self, model, recalibration_steps=16, **kwargs):
        if type(recalibration_steps) is not int or recalibration_steps < 1:
            raise ValueError(
                "Invalid value received for argument `recalibration_steps`. "
                "Expected a positive integer. Received: "
                f"recalibration_steps={recalibration_steps!r}"
            )
        super().__init__(**kwargs)
        self.model = model
        self.recalibration_steps = recalibration_steps
        self._is_evaluating = False
        self._recalibrated = None  # The decisions, and after which step.

    def fit(
        self,
        x=None,
        *args,
        validation_data=None,
        validation_batch_size=None,
        validation_steps=None,
        validation_freq=1,
        recalibration_data=None,
        callbacks=None,
        **kwargs,
    ):
        """Trains children; arguments as in `keras.Model.fit`.

        Args:
            x: Training data.
            *args: As in `keras.Model.fit`.
            validation_data: Data to evaluate `validated_children` on, that
                can be read several times.
            validation_batch_size: As in `keras.Model.fit`.
            validation_steps: As in `keras.Model.fit`.
            validation_freq: Integer, after how many epochs.
            recalibration_data: Batches of training data, from which the
                statistics of children are computed; by default `x`, if it is
                a data set. Only read with validation data.
            callbacks: As in `keras.Model.fit`.
            **kwargs: As in `keras.Model.fit`.

        Returns:
            The `History`.
        """
        if kwargs.get("validation_split"):
            raise ValueError(
                "Invalid value received for argument `validation_split`. "
                "Children are evaluated on `validation_data`. Received: "
                f"validation_split={kwargs['validation_split']!r}"
            )
        callbacks = keras.tree.flatten(callbacks or [])
        if validation_data is not None:
            data = x if recalibration_data is None else recalibration_data
            validation = ChildrenValidation(
                validation_data,
                data,
                validation_freq,
                batch_size=validation_batch_size or kwargs.get("batch_size"),
                steps=validation_steps,
            )
            callbacks = [validation, *callbacks]
        callbacks = [*self.search_callbacks(), *callbacks]
        return super().fit(x, *args, callbacks=callbacks, **kwargs)

    def validated_children(self):
        """Returns which children `fit` evaluates.

        Returns:
            Dictionary from a prefix of what is logged to an `Architecture`.
            The last one is what runs at inference then.
        """
        return {"": self.architecture()}

    def search_callbacks(self):
        """Returns the callbacks that `fit` runs before all others."""
        return []

    def metrics_in_training(self):
        """Returns the metrics that evaluations do not have."""
        return []

    @property
    def metrics(self):
        metrics = super().metrics
        if not self._is_evaluating:
            return metrics
        left_out = {id(metric) for metric in self.metrics_in_training()}
        return [m for m in metrics if id(m) not in left_out]

    def evaluate(self, *args, **kwargs):
        self._is_evaluating = True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._is_evaluating = False

    def _choices(self):
        """Returns the choices of the model by their names."""
        return named_deciders(flow_of(self.model))

    def choose(self, architecture):
        """Makes one child the network that runs at inference.

        Args:
            architecture: An `Architecture` with an option for each choice.

        Raises:
            ValueError: If it does not fit.
        """
        choices = self._choices()
        is_one = isinstance(architecture, Architecture)
        names = set(architecture.decisions) if is_one else None
        if names != set(choices):
            raise ValueError(
                "Invalid value received for argument `architecture`. Expected "
                "a `keras_nas.Architecture` with the decisions "
                f"{sorted(choices)}. Received: "
                f"{sorted(names) if is_one else architecture!r}"
            )
        for name, option in architecture.decisions.items():
            choices[name].scale_of(option)  # Fails before anything changes.
        for name, option in architecture.decisions.items():
            choices[name].choose(option)

    def smallest(self):
        """Returns the `Architecture` of the first options."""
        return self._architecture(0)

    def biggest(self):
        """Returns the `Architecture` of the last options."""
        return self._architecture(-1)

    def architecture(self):
        """Returns the `Architecture` that runs at inference."""
        return read_architecture(flow_of(self.model))

    def _architecture(self, index):
        choices = self._choices().items()
        decisions = {name: choice.options[index] for name, choice in choices}
        return Architecture(self.model.name, decisions)

    def recalibrate(self, architecture, batches):
        """Makes a child the network that runs, with statistics of its own.

        Args:
            architecture: An `Architecture` with an option for each choice.
            batches: Iterable of batches of training data, of which
                `recalibration_steps` are read at most.

        Returns:
            The number of images used; 0 if it has no BatchNormalization that
            is trainable.

        Raises:
            ValueError: If the architecture does not fit, or there are no
                batches.
        """
        check_batches("batches", batches)
        self.choose(architecture)
        batches = itertools.islice(iter(batches), self.recalibration_steps)
        images = recalibrate_with(self.model, batches)
        self._recalibrated = architecture.decisions, self._steps()
        return images

    def _steps(self):
        """Returns how many steps have been trained."""
        optimizer = getattr(self, "optimizer", None)
        if optimizer is None:
            return 0
        return int(ops.convert_to_numpy(optimizer.iterations))

    def evaluate_child(self, architecture, batches, data, **kwargs):
        """Returns what a child achieves, without cutting it out.

        Args:
            architecture: An `Architecture` with an option for each choice.
            batches: As in `recalibrate`.
            data: Data set to evaluate on, or a tuple of arrays `(x, y)` or
                `(x, y, sample_weight)`.
            **kwargs: As in `keras.Model.evaluate`, such as `steps`.

        Returns:
            Dictionary from the names of the loss and of metrics to floats.
        """
        self.recalibrate(architecture, batches)
        return evaluate_on(self, data, **kwargs)

    def export_model(self, architecture=None, batches=None):
        """Cuts a child out, as a plain model with the weights it has.

        Args:
            architecture: An `Architecture` with an option for each choice; by
                default that of the network that runs at inference.
            batches: As in `recalibrate`. They may be left out if the last
                recalibration, or validation, was of this child, and nothing
                was trained since.

        Returns:
            A Functional model of stock layers, of images of the child's
            resolution.

        Raises:
            ValueError: If the architecture does not fit, or statistics of
                BatchNormalization are not those of the child.
        """
        architecture = architecture or self.architecture()
        if batches is not None:
            self.recalibrate(architecture, batches)
        elif self._has_statistics() and self._recalibrated != (
            getattr(architecture, "decisions", None),
            self._steps(),
        ):
            raise ValueError(
                "Statistics of BatchNormalization are not those of the child, "
                "since training does not accumulate them. Expected `batches` "
                "of training data, or `recalibrate` before. Received: "
                f"architecture={architecture!r}, batches=None. "
                "`keras_nas.slice_model(search.model, architecture)` takes "
                "statistics as they are."
            )
        return slice_model(self.model, architecture)

    def _has_statistics(self):
        return any(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in self.model._flatten_layers()
        )

    def get_config(self):
        raise NotImplementedError(
            "A search is not saved as a whole. Save its weights with "
            "`save_weights`, the supernet with `search.model.save`, or a child "
            "with `search.export_model(architecture).save`; "
            "`keras_nas.training.Checkpoint` saves all to resume a training."
        )
