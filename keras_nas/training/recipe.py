"""Recipe: how a network is trained, as data."""

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An optimizer, its learning rates, weight decay and weight averaging.

    Args:
        learning_rate: Float, at the start.
        decay: `"cosine"`, to zero at the last step, or `"exponential"`,
            smooth, by `decay_rate` every `decay_epochs`.
        algorithm: `"adam"`, or `"sgd"`, with Nesterov momentum.
        momentum: Float, only read with SGD.
        decay_rate: Float, only read with exponential decay.
        decay_epochs: Float, only read with exponential decay.
        adam_epsilon: Float, Adam's epsilon.
        weight_decay: Float, decoupled weight decay; 0 for none. It spares
            biases, normalizations and the logits of masks.
        ema_momentum: Float, decay of the moving average of the weights that
            replaces them at the end; 0 for none.

    Raises:
        ValueError: If `decay` or `algorithm` is unknown.

    Example:

    >>> from keras_nas.training import Recipe
    >>> Recipe(1e-3).optimizer(steps=100, epochs=2).name
    'adam'
    """

    learning_rate: float
    decay: str = "cosine"
    algorithm: str = "adam"
    momentum: float = 0.9
    decay_rate: float = 0.5
    decay_epochs: float = 35.0
    adam_epsilon: float = 1e-7
    weight_decay: float = 0.0
    ema_momentum: float = 0.0

    def __post_init__(self):
        for name, known in (
            ("decay", ("cosine", "exponential")),
            ("algorithm", ("adam", "sgd")),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"{known[0]!r} or {known[1]!r}. Received: {name}={value!r}"
                )

    def schedule(self, steps, epochs):
        """Returns the learning rate of each step.

        Args:
            steps: Integer, steps of an epoch.
            epochs: Integer, epochs of the training.
        """
        schedules = keras.optimizers.schedules
        if self.decay == "cosine":
            return schedules.CosineDecay(
                self.learning_rate, max(1, steps * epochs)
            )
        return schedules.ExponentialDecay(
            self.learning_rate, self.decay_epochs * steps, self.decay_rate
        )

    def optimizer(self, steps, epochs):
        """Returns a new optimizer; arguments as in `schedule`."""
        options = {
            "learning_rate": self.schedule(steps, epochs),
            "weight_decay": self.weight_decay or None,
            "use_ema": self.ema_momentum > 0,
            "ema_momentum": self.ema_momentum or 0.99,
        }
        if self.algorithm == "adam":
            optimizer = keras.optimizers.Adam(
                epsilon=self.adam_epsilon, **options
            )
        else:
            optimizer = keras.optimizers.SGD(
                momentum=self.momentum, nesterov=True, **options
            )
        if self.weight_decay:
            optimizer.exclude_from_weight_decay(
                var_names=["bias", "gamma", "beta", "logits"]
            )
        return optimizer
