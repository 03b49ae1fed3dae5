"""Chooses the TFDS splits of a search and keeps the test split apart."""

ROLES = ("search", "train", "validation", "test")
EVALUATED = ("validation", "test")

_FOREIGN_SPLITS = {
    "search": "train[:45%]",
    "train": "train[45%:90%]",
    "validation": "train[90%:]",
}


def default_splits(info, is_labelled=lambda split: True):
    """Chooses four disjoint splits of a prepared data set.

    Args:
        info: `tfds.core.DatasetInfo` of a prepared data set.
        is_labelled: Function that says whether a split has labels.

    Returns:
        Dictionary from role to TFDS split string: splits named like the
        roles where the data set has all four; otherwise three parts of
        `train`, and `test`, or `validation` where `test` is missing or
        published without labels. A role that nothing fits is left out.

    Example:

    >>> from keras_nas.data.builders import find_builder
    >>> default_splits(find_builder("photo_patches").info)["search"]
    'search'
    """
    if all(role in info.splits for role in ROLES):
        return {role: role for role in ROLES}
    splits = dict(_FOREIGN_SPLITS) if "train" in info.splits else {}
    for split in ("test", "validation"):
        if split in info.splits and is_labelled(split):
            splits["test"] = split
            break
    return splits


def complete_splits(info, chosen, defaults):
    """Completes and checks the splits that a user chose.

    Args:
        info: `tfds.core.DatasetInfo` of a prepared data set.
        chosen: Dictionary from role to TFDS split string, or `None`.
        defaults: Dictionary with the splits of the roles not chosen.

    Returns:
        Dictionary from each of the four roles to its TFDS split string.

    Raises:
        ValueError: If a role is unknown or has no split, if a split does not
            exist or is empty, or if `test` shares an example with another.

    Example:

    >>> from keras_nas.data.builders import find_builder
    >>> info = find_builder("photo_patches").info
    >>> chosen = {"train": "search+train"}
    >>> complete_splits(info, chosen, default_splits(info))["train"]
    'search+train'
    """
    chosen = {} if chosen is None else chosen
    if not isinstance(chosen, dict):
        raise _error("Expected a dictionary", chosen)
    splits = defaults | chosen
    if unknown := sorted(set(chosen) - set(ROLES)):
        raise _error(f"Expected the keys {list(ROLES)}", chosen, unknown)
    if missing := [role for role in ROLES if role not in splits]:
        raise _error(
            f"Expected a TFDS split string for each of {missing}, for which "
            f"`{info.name}` has no default; its splits are "
            f"{sorted(info.splits)}",
            chosen,
        )
    ranges = {role: _ranges(info, splits[role], chosen) for role in ROLES}
    for role in ROLES[:-1]:
        if _overlap(ranges[role], ranges["test"]):
            raise _error(
                "Expected a test split that shares no example with the "
                f"others, but {role}={splits[role]!r} and "
                f"test={splits['test']!r} overlap",
                chosen,
            )
    return {role: splits[role] for role in ROLES}


def _ranges(info, split, chosen):
    if not isinstance(split, str):
        raise _error(f"Expected TFDS split strings, not {split!r}", chosen)
    try:
        instructions = info.splits[split].file_instructions
    except (ValueError, KeyError) as error:
        raise _error(
            f"Expected TFDS split strings of `{info.name}`, made from "
            f"{sorted(info.splits)}, but {split!r} cannot be read ({error})",
            chosen,
        ) from error
    ranges = [
        (item.filename, item.skip, item.skip + _taken(item))
        for item in instructions
    ]
    if not any(stop > start for _, start, stop in ranges):
        raise _error(
            f"Expected splits with examples, but {split!r} has none", chosen
        )
    return ranges


def _taken(instruction):
    if instruction.take < 0:
        return instruction.examples_in_shard - instruction.skip
    return instruction.take


def _overlap(left, right):
    return any(
        a_file == b_file and a_start < b_stop and b_start < a_stop
        for a_file, a_start, a_stop in left
        for b_file, b_start, b_stop in right
    )


def _error(expected, chosen, unknown=None):
    keys = f" with the unknown keys {unknown}" if unknown else ""
    return ValueError(
        "Invalid value received for argument `splits`. "
        f"{expected}. Received: splits={chosen!r}{keys}."
    )
