"""Models whose losses include an expected cost, saved with the model."""

import keras

from keras_nas.graph.checks import Functional


class _Regularized:
    """Adds `cost_regularizer.penalty(self)` to the losses of a model."""

    cost_regularizer = None

    @property
    def losses(self):
        return [*super().losses, self.cost_regularizer.penalty(self)]

    def get_config(self):
        cost = keras.saving.serialize_keras_object(self.cost_regularizer)
        return {**super().get_config(), "cost_regularizer": cost}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        cost = keras.saving.deserialize_keras_object(
            config.pop("cost_regularizer")
        )
        plain = cls.plain_class().from_config(config, custom_objects)
        return cost.attach(plain)


@keras.saving.register_keras_serializable(package="keras_nas")
class RegularizedFunctional(_Regularized, Functional):
    """A Functional model with a cost; made by `ExpectedFLOPs(...).attach`."""

    @classmethod
    def plain_class(cls):
        return Functional


@keras.saving.register_keras_serializable(package="keras_nas")
class RegularizedSequential(_Regularized, keras.Sequential):
    """A Sequential model with a cost; made by `ExpectedFLOPs(...).attach`."""

    @classmethod
    def plain_class(cls):
        return keras.Sequential
