"""Presets of FiGS.

Those of the One-Shot space and FBNet's have the paper's strengths. The authors'
library counts kernels as one per parameter, but two FLOPs per multiply-add, and
its penalty has the gradient of coefficient * sum(p_in) * sum(p_out), as that of
`ExpectedParams` and `ExpectedFLOPs` has. These count one per multiply-add. So
what the paper prints for size is the strength here, and what it prints for
FLOPs is half of it: 2e-9 is --strength=4e-9. That the paper's runs were made
with that library is likely, not printed. `ExpectedParams` also counts the two
parameters of a channel in BatchNormalization.

A stronger penalty needs fewer epochs. The paper stops early (Table 4), for
about 2 million parameters with

    --preset=one_shot_a --strength=7e-7     71.8% in 100 epochs
    --preset=one_shot_a --strength=1.2e-6 --search_epochs=40      71.5%
    --preset=one_shot_a --strength=2e-6 --search_epochs=20        70.4%

and for about 5 million with

    --preset=one_shot_c --strength=3e-7     76.4% in 100 epochs
    --preset=one_shot_c --strength=5e-7 --search_epochs=40        76.2%
    --preset=one_shot_c --strength=9e-7 --search_epochs=20        75.8%

where the numbers are the paper's. None of these presets have been run here.
"""

import dataclasses

from experiments import width_presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class FiGSPreset(width_presets.WidthPreset):
    """The settings of FiGS besides those of all searches of widths."""

    temperature: float = dataclasses.field(
        default=1e-3, metadata={"help": "tau of the logistic-sigmoid masks."}
    )
    initial_logit: float = dataclasses.field(
        default=2.5, metadata={"help": "Logits at the start."}
    )


_SMALL = FiGSPreset(
    **width_presets.SMALL, temperature=0.5, mask_learning_rate=0.05
)

# FiGS, Section 4.1 and Appendix. The target is not read.
_ONE_SHOT = FiGSPreset(
    model="one_shot",
    dataset="imagenet2012",
    image_size=224,
    batch_size=512,
    train_batch_size=1024,
    augment="flip_color",
    crop="inception",
    target=1.0,
    cost="params",
    channel_multiple=1,
    search_epochs=100,
    train_epochs=400,
    learning_rate=3.2,
    search_learning_rate=1.6,
    decay="exponential",
    decay_rate=0.5,
    decay_epochs=35.0,
    epsilon=1.0,
    weight_decay=1.7e-5,
    ema_momentum=0.9997,
    bn_momentum=0.9997,
)
_FBNET = dataclasses.replace(_ONE_SHOT, model="fbnet_reduced", cost="macs")

FIGS = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": dataclasses.replace(_SMALL, **width_presets.SMOKE),
    "small": _SMALL,
    "imagenet2012": FiGSPreset(**width_presets.RESNET_IMAGENET),
    # Table 1.
    "one_shot_a": dataclasses.replace(_ONE_SHOT, strength=1.2e-6),
    "one_shot_b": dataclasses.replace(_ONE_SHOT, strength=5e-7),
    "one_shot_c": dataclasses.replace(_ONE_SHOT, strength=3e-7),
    # Appendix; two FLOPs are one multiply-add.
    "fbnet_b": dataclasses.replace(_FBNET, strength=2 * 2e-9),
    "fbnet_c": dataclasses.replace(_FBNET, strength=2 * 1.3e-9),
}
