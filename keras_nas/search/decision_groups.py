"""Which decisions there are, and which are made together."""

import math

LARGEST_TABLE = 10**6


def check_decisions(decisions):
    """Returns how many options each decision has.

    Args:
        decisions: Dictionary from names to lists of options, or to numbers.

    Raises:
        ValueError: If it is something else, or empty.
    """
    is_dictionary = isinstance(decisions, dict) and decisions
    numbers = {}
    for name, options in decisions.items() if is_dictionary else ():
        is_list = isinstance(options, (list, tuple))
        numbers[name] = len(options) if is_list else options
    if numbers and all(type(n) is int and n > 0 for n in numbers.values()):
        return numbers
    raise ValueError(
        "Invalid value received for argument `decisions`. Expected a "
        "dictionary from the names of decisions to lists of options, or to "
        f"how many there are. Received: decisions={str(decisions)[:200]}"
    )


def check_groups(groups, decisions):
    """Returns groups with all decisions in them.

    Args:
        groups: Dictionary from names to the names of decisions, or `None`.
        decisions: Dictionary from the names of decisions to how many options
            they have. One in no group becomes a group of its own.

    Raises:
        ValueError: If groups share a decision, name one that is not there,
            are empty, have too many combinations of options, or the name of a
            decision that is in no group.
    """
    groups = {name: tuple(inside) for name, inside in (groups or {}).items()}
    grouped = [name for inside in groups.values() for name in inside]
    unknown = sorted(set(grouped) - set(decisions))
    repeated = sorted({name for name in grouped if grouped.count(name) > 1})
    empty = [name for name, inside in groups.items() if not inside]
    taken = sorted((set(groups) & set(decisions)) - set(grouped))
    if taken:
        raise ValueError(
            "Invalid value received for argument `groups`. Expected no group "
            "of the name of a decision that is in no group, since that is a "
            f"group of its own. Received groups called {taken}"
        )
    if unknown or repeated or empty:
        raise ValueError(
            "Invalid value received for argument `groups`. Expected groups of "
            "decisions, each in one group at most. Received groups without a "
            f"decision: {empty}; decisions that are in several: {repeated}; "
            f"that are not there: {unknown}. The decisions are: "
            f"{list(decisions)}"
        )
    alone = [name for name in decisions if name not in set(grouped)]
    groups.update({name: (name,) for name in alone})
    for name, inside in groups.items():
        size = math.prod(decisions[d] for d in inside)
        if size > LARGEST_TABLE:
            raise ValueError(
                "Invalid value received for argument `groups`. Expected at "
                f"most {LARGEST_TABLE:,} combinations of options in a group, "
                f"since each has a logit. Received: {size:,} in group "
                f"'{name}' of {list(inside)}. Divide it into smaller groups."
            )
    return groups
