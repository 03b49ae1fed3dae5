"""Presets of DMaskingNAS."""

import dataclasses

from experiments import presets
from keras_nas.search.dmasking_nas import PAPER_DECAY


@dataclasses.dataclass(frozen=True, kw_only=True)
class DMaskingPreset(presets.Preset):
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


_SMALL = DMaskingPreset(
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
        _SMALL,
        space="smoke_mbconv",
        image_size=8,
        batch_size=250,
        search_epochs=2,
        train_epochs=1,
        weights_epochs=1,
        verify_samples=8,
        latency_runs=20,
    ),
    "small": _SMALL,
    # DMaskingNAS, Section 4.1, which refers to FBNet's training; but on all
    # classes, where the paper takes a tenth of them.
    "imagenet2012": DMaskingPreset(
        space="fbnet_v2_f",
        dataset="imagenet2012",
        image_size=224,
        batch_size=256,
        augment="flip",
        crop="inception",
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
