"""Selection: a network that was chosen for a budget."""

import dataclasses

from keras_nas.spaces.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class Selection:
    """The best network that a search has found within a budget.

    Attributes:
        architecture: An `Architecture`; `space.build` takes it.
        accuracy: Float, as it was evaluated.
        cost: Float, what the budget is on.
        budget: Float, the most that it may cost.
        macs: Integer, its multiply-adds.
        params: Integer, its trained parameters.
    """

    architecture: Architecture
    accuracy: float
    cost: float
    budget: float
    macs: int
    params: int
