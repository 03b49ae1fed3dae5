"""Presets of MorphNet."""

import dataclasses

from experiments import width_presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class MorphNetPreset(width_presets.WidthPreset):
    """The settings of MorphNet besides those of all searches of widths."""

    threshold: float = dataclasses.field(
        default=1e-3,
        metadata={"help": "Channels are alive whose factor is above it."},
    )
    factor: str = dataclasses.field(
        default="auto",
        metadata={
            "help": "Factors: scales of BatchNormalization (auto), or the "
            "kernels' group lasso (kernel)."
        },
    )


_SMALL = MorphNetPreset(
    **width_presets.SMALL, mask_learning_rate=0.005, threshold=0.02
)

MORPHNET = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(_SMALL, **width_presets.SMOKE),
    "small": _SMALL,
    # FiGS Section 4.3 and Appendix, which compares with it on ResNet-50.
    "imagenet2012": MorphNetPreset(**width_presets.RESNET_IMAGENET),
}
