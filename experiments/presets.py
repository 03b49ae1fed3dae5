"""What the presets of all experiments have: settings, as data."""

import dataclasses
import os

import keras_nas
from keras_nas.training import Recipe

_COSTS = {
    "macs": keras_nas.ExpectedFLOPs,
    "params": keras_nas.ExpectedParams,
    "latency": keras_nas.ExpectedLatency,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """The settings that every experiment has; flags override any of them."""

    dataset: str = dataclasses.field(
        metadata={"help": "photo_patches (embedded) or any TFDS name."}
    )
    image_size: int = dataclasses.field(
        metadata={"help": "Height and width that images are resized to."}
    )
    batch_size: int = dataclasses.field(
        metadata={"help": "Images of a batch, over all replicas."}
    )
    augment: str = dataclasses.field(
        metadata={"help": "Augmentation: none, flip or flip_crop."}
    )
    target: float = dataclasses.field(
        metadata={
            "help": "Budget of the cost: a share of the full network's in "
            "(0, 1], or an absolute number."
        }
    )
    cost: str = dataclasses.field(
        default="macs",
        metadata={
            "help": "What is budgeted: macs (multiply-adds), params or "
            "latency (microseconds)."
        },
    )
    latency_table: str = dataclasses.field(
        default="",
        metadata={
            "help": "With --cost=latency: the JSON file of a latency table, as "
            "python -m tools.measure_latency writes it."
        },
    )
    search_epochs: int = dataclasses.field(
        metadata={"help": "Epochs of the search."}
    )
    train_epochs: int = dataclasses.field(
        metadata={"help": "Epochs of every training but the search."}
    )
    validation_freq: int = dataclasses.field(
        default=1, metadata={"help": "Epochs from one validation to the next."}
    )
    learning_rate: float = dataclasses.field(
        metadata={"help": "Learning rate of weights, at the start."}
    )
    channel_multiple: int = dataclasses.field(
        default=8,
        metadata={
            "help": "Widths of the networks that are exported are rounded to "
            "a multiple of this, for kernels that like such; 1: not rounded."
        },
    )
    decay: str = dataclasses.field(
        default="cosine",
        metadata={"help": "Learning rate decay: cosine or exponential."},
    )
    algorithm: str = dataclasses.field(
        default="adam", metadata={"help": "Optimizer: adam, sgd or rmsprop."}
    )
    momentum: float = dataclasses.field(
        default=0.9,
        metadata={"help": "Momentum, of Nesterov with sgd, and with rmsprop."},
    )
    decay_rate: float = dataclasses.field(
        default=0.5, metadata={"help": "Factor of the exponential decay."}
    )
    decay_epochs: float = dataclasses.field(
        default=35.0, metadata={"help": "Epochs for one such factor."}
    )
    staircase: bool = dataclasses.field(
        default=False,
        metadata={"help": "Exponential decay in steps of decay_epochs."},
    )
    constant_ending: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "Share of learning_rate below which the learning rate "
            "does not fall; 0.05 in BigNAS."
        },
    )
    warmup_epochs: float = dataclasses.field(
        default=0.0,
        metadata={"help": "Epochs in which the learning rate rises first."},
    )
    warmup_start: float = dataclasses.field(
        default=0.0, metadata={"help": "Learning rate that it rises from."}
    )
    epsilon: float = dataclasses.field(
        default=1e-7, metadata={"help": "Epsilon of adam or rmsprop."}
    )
    weight_decay: float = dataclasses.field(
        default=0.0, metadata={"help": "Decoupled weight decay."}
    )
    ema_momentum: float = dataclasses.field(
        default=0.0, metadata={"help": "Moving average of weights; 0: none."}
    )
    verify_samples: int = dataclasses.field(
        default=64, metadata={"help": "Test images that exports must match."}
    )
    latency_runs: int = dataclasses.field(
        default=200, metadata={"help": "Timed runs of each .tflite file."}
    )

    def budget(self, **how):
        """Returns the regularizer that holds the target.

        Args:
            **how: `target=` or `strength=`, for others than the preset's.

        Raises:
            ValueError: If there is no such cost, or no latency table.
        """
        if self.cost not in _COSTS:
            raise ValueError(
                "Invalid value received for flag --cost. Expected one of "
                f"{list(_COSTS)}. Received: {self.cost!r}"
            )
        kwargs = {}
        if self.cost == "latency":
            kwargs["table"] = self._read_table()
        return _COSTS[self.cost](**(how or {"target": self.target}), **kwargs)

    def _read_table(self):
        path = self.latency_table
        if not os.path.isfile(path):
            raise ValueError(
                "Invalid value received for flag --latency_table. Expected, "
                "with --cost=latency, the JSON file of a latency table. "
                f"Received: {path!r}, where there is none. Write one with "
                "python -m tools.measure_latency."
            )
        return keras_nas.LatencyTable.load(path)

    def recipe(self):
        """Returns the training recipe."""
        names = [field.name for field in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self, name) for name in names})
