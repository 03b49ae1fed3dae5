"""Presets of FP-NAS."""

import dataclasses

from experiments import presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class FPNASPreset(presets.Preset):
    """The settings of FP-NAS besides the common ones."""

    space: str = dataclasses.field(
        metadata={
            "help": "Search space: a space of FP-NAS, such as small_fp_nas or "
            "fp_nas_f."
        }
    )
    search_learning_rate: float = dataclasses.field(
        metadata={"help": "SGD's learning rate for weights in the search."},
    )
    logits_learning_rate: float = dataclasses.field(
        default=0.016,
        metadata={"help": "Adam's learning rate for the distribution."},
    )
    search_warmup_epochs: int = dataclasses.field(
        metadata={
            "help": "Epochs of the search in which only weights are trained."
        }
    )
    samples_per_nat: float = dataclasses.field(
        default=0.25,
        metadata={
            "help": "lambda: networks that are drawn in a step, over the "
            "entropy of their distribution."
        },
    )
    samples: int = dataclasses.field(
        default=0,
        metadata={
            "help": "Networks that are drawn in every step, as in PARSEC; 0: "
            "by the entropy."
        },
    )
    distribution: str = dataclasses.field(
        default="mixed",
        metadata={
            "help": "Distribution over networks: factorized, joint, or mixed, "
            "which is factorized until joint_epoch."
        },
    )
    joint_epoch: int = dataclasses.field(
        metadata={
            "help": "theta: the epoch that begins with the joint distribution."
        }
    )
    cost_weight: float = dataclasses.field(
        default=0.3,
        metadata={"help": "beta: weight of the costs above the target."},
    )
    likelihood_temperature: float = dataclasses.field(
        default=1.0,
        metadata={
            "help": "What log likelihoods of a batch are divided by before "
            "networks are weighed by them; 0: the number of its images."
        },
    )
    execution: str = dataclasses.field(
        default="sliced",
        metadata={
            "help": "sliced: compute only what a network has; masked: compute "
            "all channels, with static shapes."
        },
    )
    bn_momentum: float = dataclasses.field(
        default=0.99, metadata={"help": "Momentum of BatchNormalization."}
    )
    recalibration_images: int = dataclasses.field(
        metadata={
            "help": "Training images to compute the statistics of BatchNorm "
            "of a network from."
        },
    )


_SMALL = FPNASPreset(
    space="small_fp_nas",
    dataset="photo_patches",
    image_size=16,
    batch_size=64,
    augment="flip",
    target=0.3,
    channel_multiple=1,
    search_epochs=32,
    train_epochs=12,
    validation_freq=4,
    learning_rate=3e-3,
    search_learning_rate=0.1,
    logits_learning_rate=0.05,
    search_warmup_epochs=12,
    joint_epoch=16,
    bn_momentum=0.9,
    recalibration_images=1024,
)

# Section 5.1. Batches are those of the search, of 8 GPUs, in the retraining,
# too, where the paper has 64 GPUs and a learning rate of 0.2. It does not print
# the weight decays, the momentum of the weights' SGD, nor the rates of label
# smoothing, stochastic depth and averages.
_PAPER = FPNASPreset(
    space="fp_nas_f",
    dataset="imagenet2012",
    image_size=128,
    batch_size=2048,
    augment="flip",
    crop="inception",
    train_augment="rand_augment",
    target=60e6,
    channel_multiple=8,
    search_epochs=315,
    train_epochs=420,
    validation_freq=5,
    search_learning_rate=0.8,
    search_warmup_epochs=45,
    joint_epoch=80,
    algorithm="rmsprop",
    learning_rate=0.025,
    epsilon=1e-3,
    decay="exponential",
    decay_rate=0.9875,
    decay_epochs=1.0,
    staircase=True,
    weight_decay=1e-5,
    ema_momentum=0.9999,
    label_smoothing=0.1,
    stochastic_depth=0.2,
    recalibration_images=32768,
)

FPNAS = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(
        _SMALL,
        space="smoke_fp_nas",
        image_size=8,
        batch_size=250,
        search_epochs=3,
        search_warmup_epochs=1,
        joint_epoch=2,
        train_epochs=1,
        validation_freq=3,
        recalibration_images=250,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL,
    # The search of the paper is on 100 classes of ImageNet.
    "imagenet100": dataclasses.replace(_PAPER, dataset="imagenet100"),
    "imagenet2012": _PAPER,
}
