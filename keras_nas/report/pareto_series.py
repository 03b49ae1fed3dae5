"""Networks that belong together in a picture of accuracy against cost."""

import dataclasses
import math
import numbers


@dataclasses.dataclass(frozen=True)
class ParetoSeries:
    """Costs and accuracies of networks of one kind.

    Args:
        name: String, the name in the legend.
        costs: Sequence of numbers, not negative, one for each network, such as
            multiply-adds or milliseconds; all series of a picture have the
            same cost.
        accuracies: Sequence of floats in [0, 1], one for each network.
        is_line: Boolean, whether the networks are few and stand out: they
            are marked and connected, by rising cost. Others are small dots.

    Raises:
        ValueError: If there are no networks, or a number cannot be one.

    Example:

    >>> from keras_nas.report import ParetoSeries
    >>> ParetoSeries("selected", [200, 400], [0.76, 0.78], is_line=True).costs
    (200.0, 400.0)
    """

    name: str
    costs: tuple
    accuracies: tuple
    is_line: bool = False

    def __post_init__(self):
        for field, limit in {"costs": math.inf, "accuracies": 1.0}.items():
            values = tuple(getattr(self, field))
            if not values or not all(_is_up_to(limit, x) for x in values):
                kind = "shares in [0, 1]" if limit == 1.0 else "costs, >= 0"
                raise ValueError(
                    f"Invalid value received for argument `{field}`. Expected "
                    f"at least one number, all of them finite {kind}. "
                    f"Received: {field}={str(values)[:200]}"
                )
            object.__setattr__(self, field, tuple(map(float, values)))
        if len(self.costs) != len(self.accuracies):
            raise ValueError(
                "Invalid value received for argument `accuracies`. Expected "
                f"one for each of the {len(self.costs)} costs. Received: "
                f"{len(self.accuracies)} accuracies"
            )

    def points(self):
        """Returns pairs of cost and accuracy, by rising cost."""
        return sorted(zip(self.costs, self.accuracies, strict=True))


def _is_up_to(limit, value):
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value) and 0.0 <= value <= limit
