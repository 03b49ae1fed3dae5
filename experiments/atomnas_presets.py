"""Presets of AtomNAS."""

import dataclasses

from experiments import presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtomNASPreset(presets.StrengthPreset):
    """The settings of AtomNAS besides the common ones."""

    space: str = dataclasses.field(
        metadata={
            "help": "Supernet: a space of AtomNAS, such as small_atom_nas or "
            "atom_nas_c, or any network that --model of experiments.figs "
            "takes."
        }
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


_SMALL = AtomNASPreset(
    space="small_atom_nas",
    dataset="photo_patches",
    image_size=16,
    batch_size=64,
    augment="flip",
    target=0.3,
    channel_multiple=1,
    search_epochs=40,
    train_epochs=40,
    validation_freq=5,  # Epochs of two seconds are short.
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
        _SMALL,
        space="smoke_atom_nas",
        image_size=8,
        batch_size=250,
        search_epochs=3,
        train_epochs=1,
        validation_freq=1,
        ramp=0.5,
        recalibration_images=250,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL,
    # AtomNAS-C, Section 4.1; lambda of A is 1.8e-4, that of B 1.2e-4.
    "imagenet2012": AtomNASPreset(
        space="atom_nas_c",
        dataset="imagenet2012",
        image_size=224,
        batch_size=2048,
        augment="flip",
        crop="inception",
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
