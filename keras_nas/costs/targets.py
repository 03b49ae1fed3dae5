"""Targets: budgets as shares of the full cost, or absolute numbers."""


def resolve_target(target, full, smallest, cost):
    """Returns a budget as an absolute number.

    Args:
        target: A share in (0, 1], or a number above 1, which is whole where
            the cost counts.
        full: The full cost.
        smallest: The smallest cost that can be reached.
        cost: The `ExpectedCost`, for its `counts` and `text`.

    Raises:
        ValueError: If the target is neither, or not between the two costs.
    """
    is_real = isinstance(target, (int, float)) and not isinstance(target, bool)
    is_share = is_real and 0 < target <= 1
    is_number = is_real and target > 1
    if is_number and cost.counts:
        is_number = float(target).is_integer()
    if not (is_share or is_number):
        kind = "a whole number" if cost.counts else "a number above 1"
        raise ValueError(
            "Invalid value received for argument `target`. Expected a share "
            f"of the full cost in (0, 1], such as 0.5, or {kind}, such as "
            f"{cost.text(full / 2)}. Received: target={target!r}"
        )
    budget = target * full if is_share else target
    if not smallest <= budget <= full:
        raise ValueError(
            "Invalid value received for argument `target`. Expected a budget "
            f"between {cost.text(smallest)}, which is left when every mask is "
            f"closed, and {cost.text(full)}, the full cost. Received: "
            f"target={target!r}, which is {cost.text(budget)} and out of "
            "reach. Put masks at more places for less."
        )
    return budget
