"""Recipe: how a network is trained, as data."""

import dataclasses

import keras

from keras_nas.training.constant_ending import ConstantEnding
from keras_nas.training.warm_up import WarmUp


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An optimizer, its learning rates, weight decay and weight averaging.

    Args:
        learning_rate: Float, at the start.
        decay: `"cosine"`, to zero at the last step, or `"exponential"`,
            smooth, by `decay_rate` every `decay_epochs`.
        algorithm: `"adam"`, `"sgd"`, with Nesterov momentum, or `"rmsprop"`,
            with momentum and with epsilon inside of the root.
        momentum: Float, not read with Adam.
        decay_rate: Float, only read with exponential decay.
        decay_epochs: Float, only read with exponential decay.
        staircase: Boolean, whether the exponential decay is in steps, one
            each `decay_epochs`.
        constant_ending: Float in [0, 1], the share of `learning_rate` below
            which the learning rate does not fall; 0.05 in BigNAS.
        warmup_epochs: Float, epochs in front, in which the learning rate
            rises in a line from `warmup_start`. They are part of the decay.
        warmup_start: Float.
        epsilon: Float, that of Adam or RMSprop.
        weight_decay: Float, decoupled weight decay; 0 for none. It spares
            biases, normalizations and the logits of masks.
        ema_momentum: Float, decay of the moving average of the weights that
            replaces them at the end; 0 for none.

    Raises:
        ValueError: If `decay` or `algorithm` is unknown, or
            `constant_ending` is no share.

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
    staircase: bool = False
    constant_ending: float = 0.0
    warmup_epochs: float = 0.0
    warmup_start: float = 0.0
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    ema_momentum: float = 0.0

    def __post_init__(self):
        for name, known in (
            ("decay", ("cosine", "exponential")),
            ("algorithm", ("adam", "sgd", "rmsprop")),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"one of {known}. Received: {name}={value!r}"
                )
        if not 0.0 <= self.constant_ending <= 1.0:
            raise ValueError(
                "Invalid value received for argument `constant_ending`. "
                "Expected a share of the learning rate, from 0 to 1. "
                f"Received: constant_ending={self.constant_ending!r}"
            )

    def schedule(self, steps, epochs):
        """Returns the learning rate of each step.

        Args:
            steps: Integer, steps of an epoch.
            epochs: Integer, epochs of the training.
        """
        schedules = keras.optimizers.schedules
        if self.decay == "cosine":
            schedule = schedules.CosineDecay(
                self.learning_rate, max(1, steps * epochs)
            )
        else:
            schedule = schedules.ExponentialDecay(
                self.learning_rate,
                self.decay_epochs * steps,
                self.decay_rate,
                self.staircase,
            )
        if self.constant_ending:
            floor = self.constant_ending * self.learning_rate
            schedule = ConstantEnding(schedule, floor)
        if not self.warmup_epochs:
            return schedule
        return WarmUp(schedule, self.warmup_epochs * steps, self.warmup_start)

    def optimizer(self, steps, epochs):
        """Returns a new optimizer; arguments as in `schedule`."""
        options = {
            "learning_rate": self.schedule(steps, epochs),
            "weight_decay": self.weight_decay or None,
            "use_ema": self.ema_momentum > 0,
            "ema_momentum": self.ema_momentum or 0.99,
        }
        if self.algorithm == "adam":
            optimizer = keras.optimizers.Adam(epsilon=self.epsilon, **options)
        elif self.algorithm == "rmsprop":
            optimizer = keras.optimizers.RMSprop(
                momentum=self.momentum, epsilon=self.epsilon, **options
            )
        else:
            optimizer = keras.optimizers.SGD(
                momentum=self.momentum, nesterov=True, **options
            )
        if self.weight_decay:
            optimizer.exclude_from_weight_decay(
                var_names=["bias", "gamma", "beta", "logits", "factor"]
            )
        return optimizer
