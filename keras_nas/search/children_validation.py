"""How good children are, in a training."""

import keras


class ChildrenValidation(keras.callbacks.Callback):
    """Evaluates the `validated_children` of a `SupernetModel`.

    Args:
        validation_data: Data to evaluate on, as of `keras.Model.evaluate`.
        recalibration_data: Iterable of batches of training data.
        freq: Integer, after how many epochs.
        **kwargs: As of `keras.Model.evaluate`.

    Raises:
        ValueError: If the data can be read only once, or cannot be read in
            batches.
    """

    def __init__(self, validation_data, recalibration_data, freq=1, **kwargs):
        super().__init__()
        data = recalibration_data
        if type(freq) is not int or freq < 1:
            raise ValueError(
                "Invalid value received for argument `validation_freq`. "
                f"Expected a positive integer. Received: {freq!r}"
            )
        if hasattr(validation_data, "__next__"):
            raise ValueError(
                "Invalid value received for argument `validation_data`. "
                "Expected data that can be read several times, once for each "
                f"child. Received: {type(validation_data).__name__}"
            )
        if hasattr(data, "shape") or hasattr(data, "__next__"):
            raise ValueError(
                "The statistics of BatchNormalization of a child are computed "
                "from batches of training data before it is evaluated. "
                "Expected `recalibration_data`, a data set or a list of "
                "batches, that can be read several times. Received: "
                f"{type(data).__name__}"
            )
        self.validation_data, self.freq = validation_data, freq
        self.recalibration_data, self.arguments = recalibration_data, kwargs

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.freq:
            return
        logs = {} if logs is None else logs
        search = self.model
        for name, child in search.validated_children().items():
            results = search.evaluate_child(
                child,
                self.recalibration_data,
                self.validation_data,
                **self.arguments,
            )
            logs.update({f"val_{name}{k}": v for k, v in results.items()})
