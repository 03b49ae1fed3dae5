"""What is compared: entries, and the settings that all of them share."""

import dataclasses

from experiments import atomnas
from experiments import bignas_budget
from experiments import comparison
from experiments import dmasking
from experiments import figs
from experiments import fpnas
from experiments import morphnet
from experiments import random_search


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparePreset:
    """The settings of a comparison; flags override any of them."""

    base: str = dataclasses.field(
        metadata={"help": "Name of the methods' own presets to begin with."}
    )
    dataset: str = dataclasses.field(
        default="photo_patches",
        metadata={"help": "photo_patches (embedded) or any TFDS name."},
    )
    image_size: int = dataclasses.field(
        metadata={"help": "Height and width of images, that of the spaces."}
    )
    batch_size: int = dataclasses.field(metadata={"help": "Images of a batch."})
    targets: tuple = dataclasses.field(
        metadata={
            "help": "Budgets, each for every method: multiply-adds that a "
            "network may have; up to 1, the share of the largest one of its "
            "space."
        }
    )
    seeds: int = dataclasses.field(
        default=2, metadata={"help": "How many seeds, from --seed on."}
    )
    methods: str = dataclasses.field(
        default="",
        metadata={
            "help": "Names of methods with commas between them; by default "
            "all. Baselines of their spaces come along."
        },
    )
    train_epochs: int = dataclasses.field(
        metadata={"help": "Epochs of every retraining."}
    )
    learning_rate: float = dataclasses.field(
        default=3e-3, metadata={"help": "Adam's, in every retraining."}
    )
    latency_runs: int = dataclasses.field(
        default=200, metadata={"help": "Timed runs of each .tflite file."}
    )

    def training(self):
        """Returns the settings of every retraining."""
        return {
            "train_epochs": self.train_epochs,
            "learning_rate": self.learning_rate,
            "algorithm": "adam",
            "decay": "cosine",
            "constant_ending": 0.0,
            "weight_decay": 0.0,
            "validation_freq": self.train_epochs + 1,  # The test tells.
        }

    def entries(self):
        """Returns the entries to compare, by budgets and families.

        Raises:
            ValueError: If `methods` names one that is not there, or there are
                no `targets`.
        """
        if not self.targets:
            raise ValueError(
                "Invalid value received for flag --targets. Expected numbers "
                "above 0 with commas between them. Received: none"
            )
        entries = [e for t in self.targets for e in _entries(self, float(t))]
        if not self.methods:
            return entries
        wanted = {name.strip().lower() for name in self.methods.split(",")}
        known = {e.name: None for e in entries if not e.is_baseline}
        unknown = wanted - {name.lower() for name in known}
        if unknown:
            raise ValueError(
                "Invalid value received for flag --methods. Expected some of "
                f"{', '.join(known)}. Received: {', '.join(sorted(unknown))}"
            )
        families = {e.family for e in entries if e.name.lower() in wanted}
        return [
            e
            for e in entries
            if e.name.lower() in wanted
            or (e.is_baseline and e.family in families)
        ]


# By family and method: the small presets, for other numbers of epochs.
_SHORT = {
    ("residual network", "Random search"): {"samples": 8, "sample_epochs": 2},
    ("one_shot", "FiGS"): {"search_epochs": 6},
    ("one_shot", "One-Shot"): {"search_epochs": 6},
    ("mbconv", "DMaskingNAS"): {
        "search_epochs": 6,
        "weights_epochs": 1,
        "temperature_decay": 0.49,
    },
    ("fp_nas", "FP-NAS"): {
        "search_epochs": 16,
        "search_warmup_epochs": 6,
        "joint_epoch": 8,
    },
    ("big_nas", "BigNAS"): {
        "search_epochs": 8,
        "decay_epochs": 6.4,
        "mutations": 10,
    },
    ("atom_nas", "AtomNAS"): {"search_epochs": 20, "ramp": 1 / 10},
}


def _entries(preset, target):
    in_space = {"model": f"{preset.base}_one_shot", "warm_start": False}
    shared = {"shared_weights": True, "path_dropout": 0.1}
    widths = (
        ("FiGS", figs.FiGS(), {}),
        ("MorphNet", morphnet.MorphNet(), {}),
        ("Random search", random_search.RandomSearch(), {}),
    )
    operators = (
        ("FiGS", figs.FiGS(), in_space),
        ("One-Shot", random_search.RandomSearch(), {**in_space, **shared}),
    )
    budgets = {"budgets": (target,)}
    return [
        *_family(preset, target, "residual network", *widths),
        *_family(preset, target, "one_shot", *operators),
        *_family(
            preset,
            target,
            "mbconv",
            ("DMaskingNAS", dmasking.DMaskingNAS(), {}),
        ),
        *_family(
            preset, target, "fp_nas", ("FP-NAS", fpnas.FPNASExperiment(), {})
        ),
        *_family(
            preset,
            target,
            "big_nas",
            ("BigNAS", bignas_budget.BigNASForBudget(), budgets),
        ),
        *_family(
            preset, target, "atom_nas", ("AtomNAS", atomnas.AtomNAS(), {})
        ),
    ]


def _family(preset, target, family, *methods):
    """Returns the entries of some methods, and their narrowed network."""
    shared = {
        "dataset": preset.dataset,
        "image_size": preset.image_size,
        "batch_size": preset.batch_size,
        "target": target,
        "latency_runs": preset.latency_runs,
        "channel_multiple": 1,
    }
    entries = []
    for name, method, settings in methods:
        if preset.base == "small":
            settings = {**_SHORT.get((family, name), {}), **settings}
        own = method.presets[preset.base]
        own = dataclasses.replace(own, **shared, **settings)
        entries.append(comparison.Entry(name, family, method, own))
    baseline = dataclasses.replace(
        entries[0], name=comparison.BASELINE, is_baseline=True
    )
    return [*entries, baseline]


PRESETS = {
    # The whole path in minutes; its accuracies mean nothing.
    "smoke": ComparePreset(
        base="smoke",
        image_size=8,
        batch_size=250,
        targets=(0.5,),
        seeds=1,
        train_epochs=1,
        latency_runs=20,
    ),
    "small": ComparePreset(
        base="small",
        image_size=16,
        batch_size=64,
        targets=(750_000,),
        train_epochs=8,
    ),
}
