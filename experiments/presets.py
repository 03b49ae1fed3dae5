"""Presets: all settings of an experiment, as data."""

import dataclasses

import keras_nas
from keras_nas.search.dmasking_nas import PAPER_DECAY
from keras_nas.training import Recipe

_COSTS = {
    "macs": keras_nas.ExpectedFLOPs,
    "params": keras_nas.ExpectedParams,
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
        metadata={"help": "What is budgeted: macs (multiply-adds) or params."},
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
        default="adam", metadata={"help": "Optimizer: adam or sgd."}
    )
    momentum: float = dataclasses.field(
        default=0.9, metadata={"help": "Nesterov momentum, with sgd."}
    )
    decay_rate: float = dataclasses.field(
        default=0.5, metadata={"help": "Factor of the exponential decay."}
    )
    decay_epochs: float = dataclasses.field(
        default=35.0, metadata={"help": "Epochs for one such factor."}
    )
    adam_epsilon: float = dataclasses.field(
        default=1e-7, metadata={"help": "Adam's epsilon."}
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

    def budget(self):
        """Returns the regularizer that holds the target.

        Raises:
            ValueError: If there is no such cost.
        """
        if self.cost not in _COSTS:
            raise ValueError(
                "Invalid value received for flag --cost. Expected one of "
                f"{list(_COSTS)}. Received: {self.cost!r}"
            )
        return _COSTS[self.cost](target=self.target)

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
    warmup_epochs: int = dataclasses.field(
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
        adam_epsilon=1.0,
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
    warmup_epochs=2,
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
        warmup_epochs=1,
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
        warmup_epochs=10,
    ),
}
