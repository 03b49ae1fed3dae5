"""Images a second that the input pipeline gives, and that a step takes.

    python -m tools.benchmark_input --json rows.json
    python -m tools.benchmark_input --jpegs 1000 --crop inception \\
        --augment flip_color --image_size 224 --model "" --json rows.json

Batches for training, from the stream of a data set; training steps of the small
preset's network on one batch that is held in memory; and the same steps on the
pipeline's batches. They are measured in turn in one run, so many batches of
each in a turn. The first says how much the pipeline can give while nothing else
runs, the ratio of the last two what it costs a training: on CPUs both want the
same cores, so that their seconds add up, while a GPU leaves the cores to the
pipeline.

With `--jpegs`, the data are so many JPEGs of 500 x 375 pixels, as ImageNet's
are on average, cut from the embedded photographs at random places and sizes,
and prepared as a TFDS data set in a temporary folder. `--model=""` leaves out
the steps.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.figs_presets import FIGS
from keras_nas import data
from keras_nas import spaces
from keras_nas.data.augmentation import AUGMENTATIONS
from keras_nas.data.cropping import CROPS
from keras_nas.data.photographs import PHOTOGRAPHS
from keras_nas.data.photographs import read_photograph
from tools import option_benchmarks as shared

SIZE = (375, 500)
_SMALLEST = 0.3  # Share of a photograph's shorter side that is cut out.


class JpegsOfPhotographs(tfds.core.GeneratorBasedBuilder):
    """JPEGs cut from the embedded photographs, which are their classes.

    Args:
        count: Integer, how many there are for training.
        **kwargs: Of the base class.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, count=1000, **kwargs):
        self.count = count
        super().__init__(**kwargs)

    def _info(self):
        image = tfds.features.Image(
            shape=(None, None, 3), encoding_format="jpeg"
        )
        names = [photograph.name for photograph in PHOTOGRAPHS]
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": image,
                    "label": tfds.features.ClassLabel(names=names),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        return {
            "train": self._generate_examples(self.count, seed=0),
            "test": self._generate_examples(len(PHOTOGRAPHS), seed=1),
        }

    def _generate_examples(self, count, seed):
        random = np.random.default_rng(seed)
        pixels = [read_photograph(photograph) for photograph in PHOTOGRAPHS]
        for number in range(count):
            label = number % len(pixels)
            image = _cut(pixels[label], random)
            yield number, {"image": image, "label": label}


def _cut(pixels, random):
    """Returns a random part of a photograph, in the size of the JPEGs."""
    fits = min(pixels.shape[i] / SIZE[i] for i in (0, 1))
    scale = fits * random.uniform(_SMALLEST, 1.0)
    height, width = (int(scale * side) for side in SIZE)
    top, left = (
        random.integers(pixels.shape[i] - side + 1)
        for i, side in enumerate((height, width))
    )
    part = pixels[top : top + height, left : left + width]
    part = tf.image.resize(part, SIZE, antialias=True)
    return tf.image.convert_image_dtype(part, tf.uint8, saturate=True).numpy()


def measure(datasets, model, batches, turns):
    """Measures in turn; returns plain data.

    Args:
        datasets: `keras_nas.data.Datasets`.
        model: Compiled Keras model, or `None`.
        batches: Integer, batches of each measurement in a turn.
        turns: Integer.
    """
    stream = iter(datasets.stream("train"))
    fixed = next(stream)
    for _ in range(datasets.steps("train")):  # What is cached then is.
        next(stream)

    def step(batch):
        model.train_on_batch(*batch)  # Waits for the loss.

    kinds = {"input": lambda: next(stream)}
    if model is not None:
        kinds["step"] = lambda: step(fixed)
        kinds["training"] = lambda: step(next(stream))
        for _ in range(3):
            step(fixed)
    seconds = {kind: [] for kind in kinds}
    for _ in range(turns):
        for _ in range(batches):  # Those that were read ahead.
            next(stream)
        for kind, function in kinds.items():
            start = time.perf_counter()
            for _ in range(batches):
                function()
            seconds[kind].append(time.perf_counter() - start)
    images = batches * datasets.batch_size
    rows = [
        {
            "kind": kind,
            "images_per_second": images / statistics.median(times),
            "slowest": images / max(times),
            "fastest": images / min(times),
        }
        for kind, times in seconds.items()
    ]
    results = {"rows": rows}
    if model is not None:
        results["input_over_step"] = _ratios(seconds["step"], seconds["input"])
        results["training_over_step"] = _ratios(
            seconds["step"], seconds["training"]
        )
    return results


def _ratios(seconds, others):
    """Returns the quartiles of images a second, others over these."""
    pairs = zip(seconds, others, strict=True)
    return statistics.quantiles([a / b for a, b in pairs], n=4)


def _load(flags, folder):
    name = flags.dataset
    if flags.jpegs:
        name = JpegsOfPhotographs.name
        builder = JpegsOfPhotographs(count=flags.jpegs, data_dir=folder)
        builder.download_and_prepare()
    return data.load(
        name,
        splits={"train": "train", "search": "train"} if flags.jpegs else None,
        image_size=flags.image_size,
        batch_size=flags.batch_size,
        data_dir=folder if flags.jpegs else flags.data_dir,
        crop=flags.crop,
        augment=flags.augment,
    )


def _network(flags, datasets):
    if not flags.model:
        return None
    keras.utils.set_random_seed(0)
    model = spaces.find_network(
        flags.model, datasets.input_shape, datasets.num_classes
    )
    optimizer = FIGS["small"].recipe().optimizer(datasets.steps("train"), 1)
    model.compile(optimizer, shared.make_loss())
    return model


def print_results(results):
    """Prints what `measure` returns as a readable table."""
    for row in results["rows"]:
        print(
            f"{row['kind']:>8}: {row['images_per_second']:8,.0f} images a "
            f"second ({row['slowest']:,.0f} to {row['fastest']:,.0f})"
        )
    for kind in ("input", "training"):
        if f"{kind}_over_step" in results:
            low, middle, high = results[f"{kind}_over_step"]
            print(
                f"{kind} over step: {middle:.2f} times as many (quartiles "
                f"{low:.2f} {high:.2f})"
            )


def _parse(arguments):
    small = FIGS["small"]
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--dataset", default=small.dataset)
    parser.add_argument("--data_dir", help="folder of TFDS data sets")
    parser.add_argument(
        "--jpegs", type=int, default=0, help="so many JPEGs instead"
    )
    parser.add_argument("--image_size", type=int, default=small.image_size)
    parser.add_argument("--batch_size", type=int, default=small.batch_size)
    parser.add_argument("--crop", default=small.crop, choices=CROPS)
    parser.add_argument(
        "--augment", default=small.augment, choices=AUGMENTATIONS
    )
    parser.add_argument("--model", default=small.model)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    flags = parser.parse_args(arguments)
    if flags.turns < 2:
        parser.error("--turns must be at least 2, for quartiles")
    if flags.batches < 1:
        parser.error("--batches must be at least 1")
    return flags


def main(arguments=None):
    flags = _parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        datasets = _load(flags, folder)
        results = measure(
            datasets, _network(flags, datasets), flags.batches, flags.turns
        )
    print_results(results)
    facts = shared.facts()
    source = f"{flags.jpegs} JPEGs" if flags.jpegs else flags.dataset
    shared.print_facts(
        f"{source} at {flags.image_size} pixels, batch {flags.batch_size}, "
        f"crop {flags.crop}, augment {flags.augment}, "
        f"{flags.turns} turns of {flags.batches} batches",
        facts,
    )
    if flags.json:
        shared.write_json(flags.json, flags, **results, **facts)


if __name__ == "__main__":
    main()
