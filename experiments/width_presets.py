"""What the presets have in common of searches of a network's widths."""

import dataclasses

from experiments import presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class WidthPreset(presets.StrengthPreset):
    """The settings besides those of all experiments."""

    model: str = dataclasses.field(
        metadata={
            "help": "Network: residual, mobile, a keras.applications name, "
            "the path of a .keras file, or a space of masks: one_shot, "
            "one_shot_add, fbnet, fbnet_reduced, small_one_shot."
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
    mask_learning_rate: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "Adam's learning rate for what decides in the masks, "
            "such as logits; 0: as weights."
        },
    )
    ramp: float = dataclasses.field(
        default=0.6,
        metadata={"help": "Share of the search in which the budget falls."},
    )
    bn_momentum: float = dataclasses.field(
        default=0.99,
        metadata={
            "help": "Momentum of BatchNormalization, in the networks of a "
            "space."
        },
    )

    @property
    def space(self):
        """What is searched: the channels of the network."""
        return self.model


# The embedded data.
SMALL = {
    "model": "residual",
    "dataset": "photo_patches",
    "image_size": 16,
    "batch_size": 64,
    "augment": "flip",
    "target": 0.3,
    "channel_multiple": 1,  # Of 16 channels, multiples of 8 leave no choice.
    "search_epochs": 8,
    "train_epochs": 12,
    "learning_rate": 3e-3,
    "warm_start": True,
    "search_learning_rate": 1e-3,
    "bn_momentum": 0.9,
}

# What a smoke preset changes in a small one.
SMOKE = {
    "image_size": 8,
    "batch_size": 250,
    "search_epochs": 1,
    "train_epochs": 1,
    "mask_learning_rate": 0.1,
    "verify_samples": 8,
    "latency_runs": 20,
}

# FiGS Section 4.3 and Appendix: ResNet-50 on ImageNet.
RESNET_IMAGENET = {
    "model": "ResNet50",
    "dataset": "imagenet2012",
    "image_size": 224,
    "batch_size": 512,
    "augment": "flip_color",
    "crop": "inception",
    "target": 0.5,
    "search_epochs": 100,
    "train_epochs": 100,
    "learning_rate": 0.64,
    "search_learning_rate": 0.64,
    "decay": "exponential",
    "decay_rate": 0.2,
    "decay_epochs": 30.0,
    "epsilon": 1.0,
    "weight_decay": 1.7e-5,
    "ema_momentum": 0.9997,
}
