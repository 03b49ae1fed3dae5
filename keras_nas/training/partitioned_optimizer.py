"""One optimizer for the masks, another one for everything else."""

import keras


class PartitionedOptimizer(keras.optimizers.Optimizer):
    """Gives some variables an optimizer of their own, in stock `fit`.

    Architecture variables and weights live on different scales: the papers
    train them with different optimizers or learning rates. `learning_rate` and
    `iterations` are those of `optimizer`. Callbacks of Keras that know of
    several optimizers, as `LearningRateScheduler` does, set and log the
    learning rates of both, each by its name.

    Args:
        optimizer: The optimizer of all other variables.
        special_optimizer: The optimizer of the special variables.
        special_variables: List of those variables.
    """

    def __init__(self, optimizer, special_optimizer, special_variables):
        super().__init__(learning_rate=0.0, name="partitioned")
        self.optimizer = keras.optimizers.get(optimizer)
        self.special_optimizer = keras.optimizers.get(special_optimizer)
        self._special = {id(v) for v in special_variables}

    def is_special(self, variable):
        """Whether `special_optimizer` trains a variable."""
        return id(variable) in self._special

    def _split(self, values, variables):
        pairs = list(zip(values, variables, strict=True))
        special = [p for p in pairs if self.is_special(p[1])]
        others = [p for p in pairs if not self.is_special(p[1])]
        return (
            (self.optimizer, others),
            (self.special_optimizer, special),
        )

    def build(self, variables):
        for optimizer, pairs in self._split(variables, variables):
            if not optimizer.built:
                optimizer.build([v for _, v in pairs])
        self._trainable_variables = list(variables)
        self.built = True

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        if not self.built:
            self.build(trainable_variables)
        for optimizer, pairs in self._split(grads, trainable_variables):
            if pairs:
                optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.iterations

    def finalize_variable_values(self, var_list):
        for optimizer, pairs in self._split(var_list, var_list):
            optimizer.finalize_variable_values([v for _, v in pairs])

    @property
    def variables(self):
        return self.optimizer.variables + self.special_optimizer.variables

    @property
    def optimizers(self):
        """Both optimizers, as `keras.callbacks.SwapEMAWeights` asks for."""
        return [self.optimizer, self.special_optimizer]

    @property
    def iterations(self):
        return self.optimizer.iterations

    @property
    def learning_rate(self):
        return self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.optimizer.learning_rate = value

    def get_config(self):
        raise NotImplementedError(
            "A PartitionedOptimizer belongs to the model whose variables it "
            "was given. Save the weights with `save_weights`, or the sliced "
            "model with `model.save`."
        )
