"""A tiny TFDS data set: another label, another size and more features."""

import pathlib

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

RAMPS = "tiny_for_tests/ramps"
TRAIN = 40  # Examples of its training split.


def ramp(height, width, blue=100):
    """Returns an image whose red grows by column and whose green by row."""
    image = np.full((height, width, 3), blue, "uint8")
    image[..., 0] = np.linspace(0, 250, width).round()
    image[..., 1] = np.linspace(0, 250, height)[:, None].round()
    return image


def prepare(folder, name, shards=1):
    """Prepares one configuration in a folder, whose path is returned."""
    config = name.split("/")[1]
    builder = TinyForTests(config=config, data_dir=folder)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=shards)
    )
    return str(folder)


def files_of(folder, split):
    """Returns the paths of the files of a split, in order."""
    return sorted(pathlib.Path(folder).glob(f"*/*/*/*-{split}.tfrecord*"))


def break_image(path, number):
    """Makes one image of a file one that cannot be decoded.

    The record around it stays a valid one, of the same length.
    """
    records = [
        bytes(x) for x in tf.data.TFRecordDataset(path).as_numpy_iterator()
    ]
    example = tf.train.Example.FromString(records[number])
    value = example.features.feature["picture"].bytes_list.value
    value[0] = value[0][:20] + b"?" * (len(value[0]) - 20)
    records[number] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def break_record(path):
    """Changes one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


class TinyForTests(tfds.core.GeneratorBasedBuilder):
    """Grey squares of two brightnesses and of unequal sizes.

    The configuration `unlabelled` publishes its test split without labels,
    `regression` has no class. That of `ramps` has colours, JPEG, and the number
    of an example as its label.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="labelled"),
        tfds.core.BuilderConfig(name="unlabelled"),
        tfds.core.BuilderConfig(name="regression"),
        tfds.core.BuilderConfig(name="ramps"),
    ]

    def _info(self):
        classes = tfds.features.ClassLabel(names=["dark", "bright"])
        if self.builder_config.name == "regression":
            classes = tfds.features.Scalar(np.int64)
        picture = tfds.features.Image(shape=(None, None, 1))
        if self.builder_config.name == "ramps":
            classes = tfds.features.ClassLabel(num_classes=62)
            picture = tfds.features.Image(
                shape=(None, None, 3), encoding_format="jpeg"
            )
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "picture": picture,
                    "brightness": classes,
                    "number": tfds.features.Scalar(np.int64),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        unlabelled = self.builder_config.name == "unlabelled"
        return {
            "train": self._generate_examples(0, TRAIN),
            "validation": self._generate_examples(TRAIN, 50),
            "test": self._generate_examples(50, 62, unlabelled),
        }

    def _generate_examples(self, start, stop, unlabelled=False):
        for number in range(start, stop):
            bright = number % 2
            shape = (6 + number % 3, 8, 1)
            picture = np.full(shape, 50 + 100 * bright, "uint8")
            label = -1 if unlabelled else bright
            if self.builder_config.name == "ramps":
                picture, label = ramp(48 + number % 3, 64, 4 * number), number
            yield (
                number,
                {
                    "picture": picture,
                    "brightness": label,
                    "number": number,
                },
            )
