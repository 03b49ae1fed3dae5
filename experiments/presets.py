"""Presets: all settings of an experiment, as data."""

import dataclasses

from keras_nas.training import Recipe


@dataclasses.dataclass(frozen=True)
class Preset:
    """The settings that every experiment has; flags override any of them."""

    model: str = dataclasses.field(
        metadata={
            "help": "Network: residual, mobile, a keras.applications name, or "
            "the path of a .keras file."
        }
    )
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
            "help": "Budget of multiply-adds: a share of the full network's "
            "in (0, 1], or an absolute number."
        }
    )
    search_epochs: int = dataclasses.field(
        metadata={"help": "Epochs of the search."}
    )
    train_epochs: int = dataclasses.field(
        metadata={"help": "Epochs of every training but the search."}
    )
    learning_rate: float = dataclasses.field(
        metadata={"help": "Adam's learning rate for weights."}
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

    def recipe(self):
        """Returns the training recipe."""
        names = [field.name for field in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class FiGSPreset(Preset):
    """The settings of FiGS besides the common ones."""

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
