"""Presets of random search."""

import dataclasses

from experiments import width_presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSearchPreset(width_presets.WidthPreset):
    """The settings of random search besides those of searches of widths."""

    samples: int = dataclasses.field(
        default=30, metadata={"help": "How many networks are evaluated."}
    )
    sample_epochs: int = dataclasses.field(
        metadata={"help": "Epochs that each of them is trained for."}
    )
    at_least: float = dataclasses.field(
        default=0.8,
        metadata={
            "help": "The least that they cost, as a share of the budget."
        },
    )
    shared_weights: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "Train one supernet, for search_epochs, and evaluate the "
            "networks with its weights, as One-Shot does."
        },
    )
    path_dropout: float = dataclasses.field(
        default=0.0,
        metadata={
            "help": "With shared_weights, the rate at which operators of a "
            "space are dropped while the supernet is trained."
        },
    )
    recalibration_images: int = dataclasses.field(
        default=1024,
        metadata={
            "help": "With shared_weights, images for statistics of BatchNorm."
        },
    )


_SMALL = RandomSearchPreset(
    **{**width_presets.SMALL, "warm_start": False},
    samples=10,
    sample_epochs=3,
)

RANDOM_SEARCH = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(
        _SMALL, **width_presets.SMOKE, samples=2, sample_epochs=1
    ),
    "small": _SMALL,
}
