"""Which child of a supernet the code below is running."""

import contextlib
import contextvars
import dataclasses

# Its value is that of the present thread: replicas of a strategy take turns
# in the middle of their calls.
_CHILD = contextvars.ContextVar("child", default=None)


@dataclasses.dataclass(frozen=True)
class _Child:
    indices: dict  # By the id of an `ElasticChoice`.
    is_regularized: bool


@contextlib.contextmanager
def running_child(indices, is_regularized=True):
    """Runs a supernet as one of its children, whatever was chosen before.

    Args:
        indices: List of `(choice, index)`: the index of the option that an
            `ElasticChoice` stands for, an integer or a scalar tensor. With
            integers, the other options are not even traced. A choice that
            is not in the list is as it would be without this.
        is_regularized: Boolean, whether an `ElasticDropout` drops anything.

    Example:

    >>> from keras_nas.layers import ElasticChoice, running_child
    >>> width = ElasticChoice([8, 12, 16])
    >>> with running_child([(width, 1)]):
    ...     width.index(training=True)
    1
    """
    by_id = {id(choice): index for choice, index in indices}
    token = _CHILD.set(_Child(by_id, is_regularized))
    try:
        yield
    finally:
        _CHILD.reset(token)


def index_in_child(choice):
    """Returns the index that a choice stands for in this child, or `None`."""
    child = _CHILD.get()
    return None if child is None else child.indices.get(id(choice))


def is_regularized():
    """Whether the child that is running is to be regularized."""
    child = _CHILD.get()
    return child is None or child.is_regularized
