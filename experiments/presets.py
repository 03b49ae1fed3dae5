"""Presets: all settings of an experiment, as data."""

import dataclasses
import os

import keras_nas
from keras_nas.search.dmasking_nas import PAPER_DECAY
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class FiGSPreset(Preset):
    """The settings of FiGS besides the common ones."""

    model: str = dataclasses.field(
        metadata={
            "help": "Network: residual, mobile, a keras.applications name, or "
            "the path of a .keras file."
        }
    )
    warm_start: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "Search from the trained full network, instead of from "
            "its initial weights."
        },
    )
    inherit_weights: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "Train the network that was found, and the narrowed one "
            "beside it, from the full network's weights, instead of from "
            "scratch."
        },
    )
    search_learning_rate: float = dataclasses.field(
        default=1e-3,
        metadata={"help": "Adam's learning rate for weights in the search."},
    )
    temperature: float = dataclasses.field(
        default=1e-3, metadata={"help": "tau of the logistic-sigmoid masks."}
    )
    initial_logit: float = dataclasses.field(
        default=2.5, metadata={"help": "Logits at the start."}
    )
    mask_learning_rate: float = dataclasses.field(
        default=0.0,
        metadata={"help": "Adam's learning rate for logits; 0: as weights."},
    )
    ramp: float = dataclasses.field(
        default=0.6,
        metadata={"help": "Share of the search in which the budget falls."},
    )

    @property
    def space(self):
        """What is searched: the channels of the network."""
        return self.model


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtomNASPreset(Preset):
    """The settings of AtomNAS besides the common ones."""

    space: str = dataclasses.field(
        metadata={
            "help": "Supernet: a space of AtomNAS, such as small_atom_nas or "
            "atom_nas_c, or any network that --model of experiments.figs "
            "takes."
        }
    )
    strength: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "lambda, the weight of the penalty, instead of a target; "
            "0: the target decides."
        },
    )
    normalization: str = dataclasses.field(
        default="mean",
        metadata={"help": "Costs have mean 1 (mean) or add up to 1 (sum)."},
    )
    cost_aware: bool = dataclasses.field(
        default=True,
        metadata={"help": "Penalize blocks by their costs, or all alike."},
    )
    ramp: float = dataclasses.field(
        default=25 / 350,
        metadata={
            "help": "Share of the search in which the strength rises, or the "
            "budget falls."
        },
    )
    threshold: float = dataclasses.field(
        default=1e-3,
        metadata={"help": "Factors up to this are those of dead blocks."},
    )
    average_momentum: float = dataclasses.field(
        default=0.9999, metadata={"help": "beta, of the factors' average."}
    )
    mask_learning_rate: float = dataclasses.field(
        default=0.0,
        metadata={"help": "Learning rate of the factors; 0: as weights."},
    )
    min_dead_cost: float = dataclasses.field(
        default=0.01,
        metadata={
            "help": "Delta: the share of the full cost that dead blocks must "
            "have for them to be cut out."
        },
    )
    recalibration_images: int = dataclasses.field(
        default=131072,
        metadata={
            "help": "Training images to compute the statistics of BatchNorm "
            "from, before each validation; 0: as they are."
        },
    )
    bn_momentum: float = dataclasses.field(
        default=0.99, metadata={"help": "Momentum of BatchNormalization."}
    )

    def budget(self, **how):
        if self.strength and not how:
            how = {"strength": self.strength}
        return super().budget(**how)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DMaskingPreset(Preset):
    """The settings of DMaskingNAS besides the common ones."""

    space: str = dataclasses.field(
        metadata={
            "help": "Search space: one of keras_nas.spaces.space_names(), "
            "such as small_mbconv or fbnet_v2_f."
        }
    )
    search_learning_rate: float = dataclasses.field(
        metadata={"help": "SGD's learning rate for weights in the search."},
    )
    mask_learning_rate: float = dataclasses.field(
        default=0.01, metadata={"help": "Adam's learning rate for logits."}
    )
    mask_weight_decay: float = dataclasses.field(
        default=0.0, metadata={"help": "Decoupled weight decay of logits."}
    )
    weights_epochs: int = dataclasses.field(
        default=10, metadata={"help": "Epochs in which only weights train."}
    )
    temperature: float = dataclasses.field(
        default=5.0, metadata={"help": "tau of the Gumbel-softmax, at first."}
    )
    temperature_decay: float = dataclasses.field(
        default=PAPER_DECAY, metadata={"help": "Factor of tau, each epoch."}
    )
    ramp: float = dataclasses.field(
        default=0.6,
        metadata={
            "help": "Share of the masks' training in which the budget falls."
        },
    )
    bn_momentum: float = dataclasses.field(
        default=0.99, metadata={"help": "Momentum of BatchNormalization."}
    )


_SMALL = FiGSPreset(
    model="residual",
    dataset="photo_patches",
    image_size=16,
    batch_size=64,
    augment="flip",
    target=0.3,
    channel_multiple=1,  # Of 16 channels, multiples of 8 leave no choice.
    search_epochs=8,
    train_epochs=12,
    learning_rate=3e-3,
    warm_start=True,
    search_learning_rate=1e-3,
    temperature=0.5,
    mask_learning_rate=0.05,
)

FIGS = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(
        _SMALL,
        image_size=8,
        batch_size=250,
        search_epochs=1,
        train_epochs=1,
        mask_learning_rate=0.1,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL,
    # FiGS Section 4.3 and Appendix: ResNet-50 on ImageNet.
    "imagenet2012": FiGSPreset(
        model="ResNet50",
        dataset="imagenet2012",
        image_size=224,
        batch_size=512,
        augment="flip_crop",
        target=0.5,
        search_epochs=100,
        train_epochs=100,
        learning_rate=0.64,
        search_learning_rate=0.64,
        decay="exponential",
        decay_rate=0.2,
        decay_epochs=30.0,
        epsilon=1.0,
        weight_decay=1.7e-5,
        ema_momentum=0.9997,
    ),
}

_SMALL_DMASKING = DMaskingPreset(
    space="small_mbconv",
    dataset="photo_patches",
    image_size=16,
    batch_size=64,
    augment="flip",
    target=0.3,
    channel_multiple=1,
    search_epochs=12,
    train_epochs=12,
    learning_rate=3e-3,
    search_learning_rate=0.1,
    mask_learning_rate=0.05,
    weights_epochs=2,
    temperature_decay=0.7,
    bn_momentum=0.9,
)

DMASKING = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(
        _SMALL_DMASKING,
        space="smoke_mbconv",
        image_size=8,
        batch_size=250,
        search_epochs=2,
        train_epochs=1,
        weights_epochs=1,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL_DMASKING,
    # DMaskingNAS, Section 4.1, which refers to FBNet's training; but on all
    # classes, where the paper takes a tenth of them.
    "imagenet2012": DMaskingPreset(
        space="fbnet_v2_f",
        dataset="imagenet2012",
        image_size=224,
        batch_size=256,
        augment="flip_crop",
        target=0.3,
        channel_multiple=8,
        search_epochs=90,
        train_epochs=360,
        algorithm="sgd",
        learning_rate=0.1,
        search_learning_rate=0.1,
        weight_decay=1e-4,
        mask_learning_rate=0.01,
        mask_weight_decay=5e-4,
        weights_epochs=10,
    ),
}

_SMALL_ATOMNAS = AtomNASPreset(
    space="small_atom_nas",
    dataset="photo_patches",
    image_size=16,
    batch_size=64,
    augment="flip",
    target=0.3,
    channel_multiple=1,
    search_epochs=40,
    train_epochs=40,
    learning_rate=3e-3,
    # Two epochs, in which factors fall by about 1 / 100 a step, so that their
    # jitter around 0 is of that size.
    ramp=1 / 20,
    threshold=0.02,
    average_momentum=0.9,
    mask_learning_rate=0.02,
    min_dead_cost=0.1,
    recalibration_images=512,
    bn_momentum=0.9,
)

ATOMNAS = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(
        _SMALL_ATOMNAS,
        space="smoke_atom_nas",
        image_size=8,
        batch_size=250,
        search_epochs=3,
        train_epochs=1,
        ramp=0.5,
        recalibration_images=250,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL_ATOMNAS,
    # AtomNAS-C, Section 4.1; lambda of A is 1.8e-4, that of B 1.2e-4.
    "imagenet2012": AtomNASPreset(
        space="atom_nas_c",
        dataset="imagenet2012",
        image_size=224,
        batch_size=2048,
        augment="flip_crop",
        target=1.0,
        strength=1e-4,
        channel_multiple=1,
        search_epochs=350,
        train_epochs=350,
        algorithm="rmsprop",
        epsilon=1e-3,
        learning_rate=0.128,
        warmup_epochs=5,
        warmup_start=0.016,
        decay="exponential",
        decay_rate=0.97,
        decay_epochs=2.4,
        staircase=True,
        weight_decay=1e-5,
        ema_momentum=0.99995,
        average_momentum=0.99995,
        min_dead_cost=1 / 1521,
    ),
}
