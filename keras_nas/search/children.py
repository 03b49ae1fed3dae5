"""What BigNAS does with some of its children: train, and validate."""

import keras


class ChildrenValidation(keras.callbacks.Callback):
    """Evaluates the biggest and the smallest child of a `BigNAS`.

    Args:
        validation_data: Data to evaluate on, as of `keras.Model.evaluate`.
        recalibration_data: Iterable of batches of training data.
        freq: Integer, after how many epochs.

    Raises:
        ValueError: If the data can be read only once, or cannot be read in
            batches.
    """

    def __init__(self, validation_data, recalibration_data, freq=1):
        super().__init__()
        data = recalibration_data
        if hasattr(data, "shape") or hasattr(data, "__next__"):
            raise ValueError(
                "The statistics of BatchNormalization of a child are computed "
                "from batches of training data before it is evaluated. "
                "Expected `recalibration_data`, a data set or a list of "
                "batches, that can be read several times. Received: "
                f"{type(data).__name__}"
            )
        self.validation_data, self.freq = validation_data, freq
        self.recalibration_data = recalibration_data

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.freq:
            return
        logs = {} if logs is None else logs
        search = self.model
        for name, child in (
            ("smallest_", search.smallest()),
            ("", search.biggest()),  # Last, so that it is what runs after.
        ):
            results = search.evaluate_child(
                child, self.recalibration_data, self.validation_data
            )
            logs.update({f"val_{name}{k}": v for k, v in results.items()})


def resolutions_of_children(choice, resolutions, random_children):
    """Returns the resolution at which each child is trained.

    Args:
        choice: The choice of the resolution.
        resolutions: List of some of its options, or `None` for all of them.
        random_children: Integer, how many there are. They get those between
            the largest and the smallest; if there are not as many, some
            several times, and if there are more, some evenly spread.

    Returns:
        List of indices of options: of the biggest child, of each random one,
        and of the smallest.

    Raises:
        ValueError: If the resolutions are none of the options.
    """
    options = choice.options
    if resolutions is None:
        resolutions = options
    is_list = isinstance(resolutions, (list, tuple)) and len(resolutions)
    if not is_list or any(r not in options for r in resolutions):
        raise ValueError(
            "Invalid value received for argument `resolutions`. Expected some "
            f"of {options}. Received: resolutions={resolutions!r}"
        )
    places = sorted({options.index(r) for r in resolutions})
    between = places[1:-1] or places
    step = max(1.0, len(between) / max(1, random_children))
    spread = [
        between[int(i * step) % len(between)] for i in range(random_children)
    ]
    return [places[-1], *spread, places[0]]
