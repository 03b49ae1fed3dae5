"""Evaluating a search on data as a data set, or as a tuple of arrays."""

import keras


def evaluate_on(search, data, **kwargs):
    """Returns what a compiled search achieves, as it is now.

    Args:
        search: A compiled `keras.Model`.
        data: Data set to evaluate on, or a tuple of arrays `(x, y)` or
            `(x, y, sample_weight)`.
        **kwargs: As in `keras.Model.evaluate`, such as `steps`.

    Returns:
        Dictionary from the names of the loss and of metrics to floats.
    """
    x, y, sample_weight = data, None, None
    if isinstance(data, tuple):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return search.evaluate(
        x,
        y,
        sample_weight=sample_weight,
        return_dict=True,
        **{"verbose": 0, **kwargs},
    )
