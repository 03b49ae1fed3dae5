"""Presets of retraining: the settings of the papers' trainings from scratch."""

import dataclasses

from experiments import presets
from experiments.atomnas_presets import ATOMNAS
from experiments.bignas_presets import BIGNAS
from experiments.dmasking_presets import DMASKING
from experiments.figs_presets import FIGS
from experiments.fpnas_presets import FPNAS


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainPreset(presets.TrainingPreset):
    """The settings of retraining besides the common ones."""

    image_size: int = dataclasses.field(
        default=0,
        metadata={
            "help": "Height and width that images are resized to; 0: those "
            "that the architecture, or the file of --model, has."
        },
    )
    architecture: str = dataclasses.field(
        default="",
        metadata={
            "help": "Path of the JSON file of an architecture, as every search "
            "writes it."
        },
    )
    model: str = dataclasses.field(
        default="",
        metadata={
            "help": "The network that the architecture is of, unless it is "
            "one of a search space: residual, mobile, a keras.applications "
            "name, or the path of a .keras file, with masks or without."
        },
    )
    plus: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "With a space of AtomNAS: swish and squeeze-excite, as in "
            "AtomNAS-C+."
        },
    )
    bn_momentum: float = dataclasses.field(
        default=0.99,
        metadata={
            "help": "Momentum of BatchNormalization, in networks of a space."
        },
    )


def _training_of(preset, **changes):
    """Returns how the preset of a search trains from scratch.

    Args:
        preset: A `presets.Preset`.
        **changes: Settings of a `RetrainPreset` that are others.
    """
    settings = {
        field.name: getattr(preset, field.name)
        for field in dataclasses.fields(RetrainPreset)
        if hasattr(preset, field.name)
    }
    settings["augment"] = preset.training_augment()
    settings["batch_size"] = preset.training_batch_size()
    # Those belong to a search. Architectures of spaces have a size.
    settings.update(image_size=0, model="")
    return RetrainPreset(**{**settings, **changes})


RETRAIN = {
    # The whole path in under a minute; its accuracies mean nothing.
    "smoke": _training_of(FIGS["smoke"]),
    "small": _training_of(FIGS["small"]),
    # Section 4.1 and Appendix, the retraining of all but ResNet-50.
    "figs_imagenet2012": _training_of(FIGS["one_shot_a"], image_size=224),
    "fbnet_imagenet2012": _training_of(DMASKING["imagenet2012"]),
    # The paper's augmentation is --augment=auto_augment.
    "fpnas_imagenet2012": _training_of(FPNAS["imagenet2012"]),
    # BigNAS trains nothing from scratch but for comparison; these are the
    # settings of its supernet, whose Dropout networks of a space do not have.
    # The paper's augmentation is --augment=auto_augment.
    "bignas_imagenet2012": _training_of(BIGNAS["imagenet2012"]),
    # Section 4.2 trains from scratch for 250 epochs, with twice the batch of
    # the search; the learning rate and the average go with the batch.
    "atomnas_imagenet2012": _training_of(
        ATOMNAS["imagenet2012"],
        batch_size=4096,
        learning_rate=0.256,
        ema_momentum=0.9999,
        train_epochs=250,
    ),
}
