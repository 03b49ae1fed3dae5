"""Presets of BigNAS."""

import dataclasses

from experiments import presets

COSTS = ("macs", "params", "memory", "latency")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BigNASPreset(presets.Preset):
    """The settings of BigNAS besides the common ones."""

    space: str = dataclasses.field(
        metadata={
            "help": "Search space: a space of BigNAS, such as small_big_nas "
            "or big_nas."
        }
    )
    image_size: int = dataclasses.field(
        metadata={
            "help": "Height and width of the patches, from which images of "
            "all resolutions are resized."
        }
    )
    budgets: tuple = dataclasses.field(
        metadata={
            "help": "Budgets of the cost, of each of which a network is "
            "selected: shares of the biggest network's in (0, 1], or absolute "
            "numbers above 1."
        }
    )
    target: float = dataclasses.field(
        metadata={
            "help": "The one of the budgets whose network is model.keras; all "
            "others are in family/."
        }
    )
    cost: str = dataclasses.field(
        default="macs",
        metadata={
            "help": "What is budgeted: macs (multiply-adds), params, memory "
            "(bytes of parameters and activations) or latency (milliseconds, "
            "measured on this machine)."
        },
    )
    weight_decay: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "Weight of half of the squares of all kernels in the loss "
            "of the supernet. Networks trained from scratch have none."
        },
    )
    dropout: float = dataclasses.field(
        metadata={"help": "Rate of Dropout in the supernet."}
    )
    random_children: int = dataclasses.field(
        default=2,
        metadata={
            "help": "N of the sandwich rule: random networks in each step, "
            "besides the biggest and the smallest."
        },
    )
    zero_gamma: bool = dataclasses.field(
        default=True,
        metadata={
            "help": "Begin with scales of 0 in the last BatchNorm of blocks."
        },
    )
    regularize: str = dataclasses.field(
        default="biggest",
        metadata={
            "help": "Apply weight decay and Dropout to the biggest network "
            "only (biggest), or to all."
        },
    )
    distillation: bool = dataclasses.field(
        default=True,
        metadata={
            "help": "Networks learn from the biggest one's predictions, "
            "instead of from labels."
        },
    )
    execution: str = dataclasses.field(
        default="sliced",
        metadata={
            "help": "sliced: compute only what a network has; masked: compute "
            "all, with static shapes."
        },
    )
    train_resolutions: tuple = dataclasses.field(
        default=(),
        metadata={
            "help": "Resolutions that the supernet is trained at; none given: "
            "all of the space."
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
    selection: str = dataclasses.field(
        default="coarse_to_fine",
        metadata={
            "help": "How networks are selected: coarse_to_fine or evolution."
        },
    )
    selection_split: str = dataclasses.field(
        default="search",
        metadata={
            "help": "Images that networks are selected on: search, which no "
            "weights are trained on, or train, as in the paper."
        },
    )
    selection_images: int = dataclasses.field(
        metadata={
            "help": "So many of them at most, the same for all networks, not "
            "augmented."
        }
    )
    mutations: int = dataclasses.field(
        default=100,
        metadata={
            "help": "With coarse_to_fine: mutations of a skeleton that are "
            "evaluated for each budget."
        },
    )
    mutation_probability: float = dataclasses.field(
        default=0.2,
        metadata={
            "help": "With coarse_to_fine: probability of each decision to "
            "change."
        },
    )
    population: int = dataclasses.field(
        default=50,
        metadata={"help": "With evolution: networks of a generation."},
    )
    generations: int = dataclasses.field(
        default=10,
        metadata={"help": "With evolution: generations after the first."},
    )
    scratch: bool = dataclasses.field(
        default=True,
        metadata={
            "help": "Train the selected networks from scratch, too, for "
            "comparison."
        },
    )

    def recipe(self):
        """Returns the training recipe, without a weight decay.

        That of the supernet is a part of its loss.
        """
        return dataclasses.replace(super().recipe(), weight_decay=0.0)

    def absolute(self, budget, biggest):
        """Returns a budget as a number of the cost.

        Args:
            budget: Number, one of `budgets`.
            biggest: Number, the cost of the biggest network.
        """
        return budget if budget > 1 else budget * biggest


def name_of(budget):
    """Returns the name of the network that is selected for a budget.

    Args:
        budget: Number, one of `BigNASPreset.budgets`.
    """
    return f"{budget:.10g}"


_SMALL = BigNASPreset(
    space="small_big_nas",
    dataset="photo_patches",
    image_size=16,
    batch_size=64,
    augment="flip",
    budgets=(0.1, 0.2, 0.35, 0.6),
    target=0.35,
    channel_multiple=1,  # Not read: widths are those of the space.
    search_epochs=20,
    train_epochs=20,
    validation_freq=5,
    learning_rate=3e-3,
    decay="exponential",
    decay_rate=0.05,
    decay_epochs=16.0,  # 0.05 at 80% of the training, constant from there.
    constant_ending=0.05,
    weight_decay=1e-5,
    dropout=0.1,
    bn_momentum=0.9,
    recalibration_images=1024,
    selection_images=2048,
    mutations=20,
)

BIGNAS = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(
        _SMALL,
        space="smoke_big_nas",
        image_size=8,
        batch_size=250,
        budgets=(0.5, 0.8),
        target=0.5,
        search_epochs=2,
        train_epochs=1,
        validation_freq=2,
        decay_epochs=1.6,
        recalibration_images=250,
        selection_images=250,
        mutations=2,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL,
    # Sections 4.1, 4.2 and 4.4 and Appendix B. The paper does not say how many
    # epochs there are (360 here), nor the warm-up's length, nor how many
    # images are used for statistics and selection; its augmentation is
    # --augment=auto_augment. The selection goes through 256 pixels as well.
    "imagenet2012": BigNASPreset(
        space="big_nas",
        dataset="imagenet2012",
        image_size=224,
        batch_size=4096,
        augment="flip",
        crop="inception",
        budgets=(242e6, 418e6, 659e6, 1040e6),
        target=242e6,
        channel_multiple=1,
        search_epochs=360,
        train_epochs=360,
        algorithm="rmsprop",
        momentum=0.9,
        epsilon=1e-3,
        learning_rate=0.256,
        decay="exponential",
        decay_rate=0.97,
        decay_epochs=2.4,
        constant_ending=0.05,
        warmup_epochs=5,
        weight_decay=1e-5,
        dropout=0.2,
        execution="masked",
        synchronized=True,
        train_resolutions=(192, 224, 288, 320),
        recalibration_images=4096,
        selection_split="train",
        selection_images=8192,
        scratch=False,
    ),
}
