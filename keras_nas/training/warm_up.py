"""A learning rate that rises before it follows a schedule."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_nas")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose first steps are replaced by a line from below.

    Args:
        schedule: The `LearningRateSchedule` of all later steps.
        steps: Float, the number of steps in which the rate rises to what the
            schedule has at their end.
        start: Float, the rate of step 0.

    Example:

    >>> import keras
    >>> from keras_nas.training import WarmUp
    >>> decay = keras.optimizers.schedules.ExponentialDecay(0.8, 10, 1.0)
    >>> schedule = WarmUp(decay, steps=4, start=0.4)
    >>> [round(float(schedule(step)), 2) for step in (0, 1, 4, 10)]
    [0.4, 0.5, 0.8, 0.8]
    """

    def __init__(self, schedule, steps, start=0.0):
        self.schedule = schedule
        self.steps = float(steps)
        self.start = float(start)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        end = self.schedule(ops.cast(self.steps, "float32"))
        rising = self.start + (end - self.start) * step / self.steps
        return ops.where(step < self.steps, rising, self.schedule(step))

    def get_config(self):
        serialize = keras.optimizers.schedules.serialize
        return {
            "schedule": serialize(self.schedule),
            "steps": self.steps,
            "start": self.start,
        }

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["steps"], config["start"])
