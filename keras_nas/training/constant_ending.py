"""A learning rate that follows a schedule until it is small."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_nas")
class ConstantEnding(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that does not fall below a floor.

    With an exponential decay it is the "exponentially decaying with constant
    ending" of BigNAS, whose floor is 5% of the rate at the start.

    Args:
        schedule: The `LearningRateSchedule` of the steps before.
        floor: Float, the least rate.

    Reference:
        BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage
        Models, Section 3.1 and Figure 2b.

    Example:

    >>> import keras
    >>> from keras_nas.training import ConstantEnding
    >>> decay = keras.optimizers.schedules.ExponentialDecay(0.8, 10, 0.5)
    >>> schedule = ConstantEnding(decay, floor=0.1)
    >>> [round(float(schedule(step)), 2) for step in (0, 10, 20, 30, 90)]
    [0.8, 0.4, 0.2, 0.1, 0.1]
    """

    def __init__(self, schedule, floor):
        self.schedule = schedule
        self.floor = float(floor)

    def __call__(self, step):
        return ops.maximum(self.schedule(step), self.floor)

    def get_config(self):
        serialize = keras.optimizers.schedules.serialize
        return {"schedule": serialize(self.schedule), "floor": self.floor}

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["floor"])
