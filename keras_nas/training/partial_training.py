"""Training some variables of a model, and leaving the others."""


class PartialTraining:
    """Mixin for a `keras.Model` that trains only some of its variables.

    Put it before the model class among the bases. Layers keep their
    `trainable` flags, so that BatchNormalization still uses the statistics of
    the batch, and another model may train the other variables.
    """

    def trains(self, variable):
        """Returns whether a trainable variable is trained here."""
        raise NotImplementedError

    @property
    def trainable_variables(self):
        return [v for v in super().trainable_variables if self.trains(v)]

    @property
    def trainable_weights(self):
        return [v for v in super().trainable_weights if self.trains(v)]

    @property
    def non_trainable_variables(self):
        others = [v for v in super().trainable_variables if not self.trains(v)]
        return [*super().non_trainable_variables, *others]

    @property
    def non_trainable_weights(self):
        others = [v for v in super().trainable_weights if not self.trains(v)]
        return [*super().non_trainable_weights, *others]
