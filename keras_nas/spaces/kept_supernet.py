"""A supernet that is read many times, and made once."""

import contextlib
import random


class KeptSupernet:
    """Makes supernets, and keeps the last one.

    Args:
        make: Function of `classes` and keyword arguments that returns a model.
    """

    def __init__(self, make):
        self._make = make
        self._key = self._model = None

    def get(self, classes, **kwargs):
        """Returns a supernet, the same one while the arguments are.

        It is for reading. Making one leaves the seeds that Keras draws as
        they are, so that what is made next does not depend on whether it was
        there already.

        Args:
            classes: Integer, the number of logits.
            **kwargs: Of the function.
        """
        key = (classes, *sorted(kwargs.items()))
        if self._key != key:
            with _random_state_kept():
                self._model = self._make(classes, **kwargs)
            self._key = key
        return self._model


@contextlib.contextmanager
def _random_state_kept():
    state = random.getstate()  # From which Keras draws seeds.
    try:
        yield
    finally:
        random.setstate(state)
