"""What the presets of all experiments have: settings, as data."""

import dataclasses
import os

import keras_nas
from keras_nas.data.augmentation import AUGMENTATIONS
from keras_nas.data.cropping import CROPS
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import mask_scales
from keras_nas.training import Recipe

_COSTS = {
    "macs": keras_nas.ExpectedFLOPs,
    "params": keras_nas.ExpectedParams,
    "latency": keras_nas.ExpectedLatency,
}

# What flags may be, in words, and whether a value is that.
_ALLOWED = {
    "label_smoothing": ("a number in [0, 1)", lambda v: 0.0 <= v < 1.0),
    "stochastic_depth": ("a number in [0, 1)", lambda v: 0.0 <= v < 1.0),
    "distillation_weight": ("a number in [0, 1]", lambda v: 0.0 <= v <= 1.0),
    "distillation_temperature": ("a number above 0", lambda v: v > 0.0),
    "train_augment": (
        f"nothing or one of {list(AUGMENTATIONS)}",
        lambda v: v in ("", *AUGMENTATIONS),
    ),
    "crop": (f"one of {list(CROPS)}", lambda v: v in CROPS),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPreset:
    """The settings of data and training; flags override any of them."""

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
        metadata={
            "help": "Augmentation: none, flip, flip_crop, flip_color, "
            "rand_augment, or auto_augment, the policy of AutoAugment, which "
            "needs the extra 'models' to be installed."
        }
    )
    crop: str = dataclasses.field(
        default="resize",
        metadata={
            "help": "Part of an image that is resized to image_size: all of "
            "it, regardless of proportions (resize); or a random part of 8% "
            "to 100% in trainings, the central 87.5% in evaluation "
            "(inception)."
        },
    )
    train_epochs: int = dataclasses.field(
        metadata={"help": "Epochs of a training; not of a search."}
    )
    validation_freq: int = dataclasses.field(
        default=1, metadata={"help": "Epochs from one validation to the next."}
    )
    learning_rate: float = dataclasses.field(
        metadata={"help": "Learning rate of weights, at the start."}
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
    label_smoothing: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "Share of the labels' weight that is spread over all "
            "classes; not in a search."
        },
    )
    stochastic_depth: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "Probability that the last residual branch is dropped, "
            "earlier ones less often; not in a search."
        },
    )
    teacher: str = dataclasses.field(
        default="",
        metadata={
            "help": "Path of a .keras file for the same classes, which a "
            "training learns from as well; not a search."
        },
    )
    distillation_temperature: float = dataclasses.field(
        default=1.0, metadata={"help": "Temperature, with a teacher."}
    )
    distillation_weight: float = dataclasses.field(
        default=0.5, metadata={"help": "The teacher's share of the loss."}
    )
    synchronized: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "BatchNormalization over all replicas of a strategy, not "
            "over each one's part of the batch."
        },
    )
    save_freq: int = dataclasses.field(
        default=0,
        metadata={
            "help": "Batches from one checkpoint to the next within an epoch; "
            "0: after epochs only, and on SIGTERM."
        },
    )
    verify_samples: int = dataclasses.field(
        default=64, metadata={"help": "Test images that exports must match."}
    )
    latency_runs: int = dataclasses.field(
        default=200, metadata={"help": "Timed runs of each .tflite file."}
    )

    def __post_init__(self):
        for name, (expected, is_allowed) in _ALLOWED.items():
            value = getattr(self, name, None)
            if value is not None and not is_allowed(value):
                raise ValueError(
                    f"Invalid value received for flag --{name}. Expected "
                    f"{expected}. Received: {value!r}"
                )

    def training_augment(self):
        """Returns the augmentation of every training but the search."""
        return self.augment

    def training_batch_size(self):
        """Returns the images of a batch of every training but the search."""
        return self.batch_size

    def training(self):
        """Returns what is done in trainings besides the recipe, as data."""
        facts = {
            "augment": self.training_augment(),
            "crop": self.crop,
            "batch_size": self.training_batch_size(),
            "ema_momentum": self.ema_momentum,
            "label_smoothing": self.label_smoothing,
            "stochastic_depth": self.stochastic_depth,
            "teacher": self.teacher or None,
        }
        if self.teacher:
            facts["distillation_temperature"] = self.distillation_temperature
            facts["distillation_weight"] = self.distillation_weight
        return facts

    def recipe(self):
        """Returns the training recipe."""
        names = [field.name for field in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset(TrainingPreset):
    """The settings that every search has; flags override any of them."""

    train_batch_size: int = dataclasses.field(
        default=0,
        metadata={
            "help": "Images of a batch in every training but the search, if "
            "it is another number; 0: batch_size."
        },
    )
    train_augment: str = dataclasses.field(
        default="",
        metadata={
            "help": "Augmentation of every training but the search, if it is "
            "another one."
        },
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
    channel_multiple: int = dataclasses.field(
        default=8,
        metadata={
            "help": "Widths of the networks that are exported are rounded to "
            "a multiple of this, for kernels that like such; 1: not rounded."
        },
    )

    def training_augment(self):
        return self.train_augment or self.augment

    def training_batch_size(self):
        return self.train_batch_size or self.batch_size

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class StrengthPreset(Preset):
    """Settings of a method that takes a strength in place of a target."""

    strength: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "lambda, the weight of the penalty, instead of a target; "
            "0: the target decides."
        },
    )

    def budget(self, **how):
        if self.strength and not how:
            how = {"strength": self.strength}
        return super().budget(**how)

    def budget_of(self, whole, architecture):
        """Returns the regularizer that holds the target, or what was found.

        Args:
            whole: The model with masks that was searched.
            architecture: What the search has found in it.
        """
        cost = self.budget()
        if cost.target is not None:
            return cost
        scales = mask_scales(flow_of(whole), architecture)
        return self.budget(target=cost.decided(whole, scales))
