"""A tiny TFDS data set: another label, another size and more features."""

import numpy as np
import tensorflow_datasets as tfds


class TinyForTests(tfds.core.GeneratorBasedBuilder):
    """Grey squares of two brightnesses and of unequal sizes.

    The configuration `unlabelled` publishes its test split without labels,
    `regression` has no class.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="labelled"),
        tfds.core.BuilderConfig(name="unlabelled"),
        tfds.core.BuilderConfig(name="regression"),
    ]

    def _info(self):
        classes = tfds.features.ClassLabel(names=["dark", "bright"])
        if self.builder_config.name == "regression":
            classes = tfds.features.Scalar(np.int64)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "picture": tfds.features.Image(shape=(None, None, 1)),
                    "brightness": classes,
                    "number": tfds.features.Scalar(np.int64),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        unlabelled = self.builder_config.name == "unlabelled"
        return {
            "train": self._generate_examples(0, 40),
            "validation": self._generate_examples(40, 50),
            "test": self._generate_examples(50, 62, unlabelled),
        }

    def _generate_examples(self, start, stop, unlabelled=False):
        for number in range(start, stop):
            bright = number % 2
            shape = (6 + number % 3, 8, 1)
            yield (
                number,
                {
                    "picture": np.full(shape, 50 + 100 * bright, "uint8"),
                    "brightness": -1 if unlabelled else bright,
                    "number": number,
                },
            )
