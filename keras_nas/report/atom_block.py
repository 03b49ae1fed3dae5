"""The atomic blocks that one block of a network kept of those it had."""

import dataclasses
import numbers


@dataclasses.dataclass(frozen=True)
class AtomBlock:
    """Counts of the atomic blocks of one block, by kernel size.

    An atomic block is one channel of a block's depthwise convolution, with
    what leads to it and from it; all of a block are added up, whatever their
    kernel size.

    Args:
        name: String, the name in tables and pictures.
        kept: Dictionary from the kernel size to the number of atomic blocks
            that are alive; a kernel size that is missing has none.
        total: Dictionary from the kernel size to the number that there were
            before the search.
        has_shortcut: Boolean, whether the block adds its input to its output.
            A block that does not must keep some to let anything through.

    Raises:
        ValueError: If a count cannot be one, if more are kept than there
            were, or if there were none.

    Example:

    >>> from keras_nas.report import AtomBlock
    >>> AtomBlock("block_1", {3: 40, 5: 8}, {3: 48, 5: 48}).has_shortcut
    True
    """

    name: str
    kept: dict
    total: dict
    has_shortcut: bool = True

    def __post_init__(self):
        for field in ("total", "kept"):
            _check_counts(field, getattr(self, field))
        if not sum(self.total.values()):
            raise ValueError(
                "Invalid value received for argument `total`. Expected at "
                f"least one atomic block. Received: total={self.total!r}."
            )
        for size, kept in self.kept.items():
            if kept > self.total.get(size, 0):
                raise ValueError(
                    "Invalid value received for argument `kept`. Expected at "
                    "most as many atomic blocks of each kernel size as "
                    f"total={self.total!r} has. Received: kept={self.kept!r}."
                )

    @property
    def num_kept(self):
        """Integer, the atomic blocks of all kernel sizes that are alive."""
        return sum(self.kept.values())

    @property
    def num_total(self):
        """Integer, the atomic blocks of all kernel sizes that there were."""
        return sum(self.total.values())


def check_blocks(blocks):
    """Returns the blocks as a list.

    Args:
        blocks: Sequence of `AtomBlock`, at least one.

    Raises:
        ValueError: If there are none, or one is something else.
    """
    blocks = list(blocks)
    if not blocks or not all(isinstance(block, AtomBlock) for block in blocks):
        raise ValueError(
            "Invalid value received for argument `blocks`. Expected at least "
            f"one `AtomBlock`. Received: blocks={blocks!r}."
        )
    return blocks


def kernel_sizes(blocks):
    """Returns the kernel sizes that any of the blocks had, the least first.

    Args:
        blocks: List of `AtomBlock`.
    """
    sizes = (
        size for block in blocks for size, total in block.total.items() if total
    )
    return sorted(set(sizes))


def _check_counts(field, counts):
    is_dict = isinstance(counts, dict)
    if not is_dict or not all(
        _is_count(size) and size > 0 and _is_count(count)
        for size, count in counts.items()
    ):
        raise ValueError(
            f"Invalid value received for argument `{field}`. Expected a "
            "dictionary from the kernel size, an integer above 0, to a number "
            "of atomic blocks, an integer that is not negative. Received: "
            f"{field}={counts!r}."
        )


def _is_count(value):
    is_integer = isinstance(value, numbers.Integral)
    return is_integer and not isinstance(value, bool) and value >= 0
