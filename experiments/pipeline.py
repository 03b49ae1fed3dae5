"""What the stages of all experiments do: train, export, verify, write.

Search, training and test use disjoint splits.
"""

import dataclasses
import functools
import itertools
import os
import sys
import time

import keras
import numpy as np

from experiments import retraining
from keras_nas import count_cost
from keras_nas import data
from keras_nas import export
from keras_nas import report
from keras_nas import spaces
from keras_nas.training import SmoothedCrossentropy
from keras_nas.training import find_strategy


@dataclasses.dataclass
class Context:
    """What the stages of one experiment share."""

    run: object
    preset: object
    seed: int
    data: object
    strategy: object
    load: object
    teacher: object = None

    def at(self, image_size, **kwargs):
        """Returns the same context with other images.

        Args:
            image_size: Integer, the size that images are resized to.
            **kwargs: Of `keras_nas.data.load`.
        """
        if image_size == self.data.input_shape[0] and not kwargs:
            return self
        data = self.load(image_size=image_size, **kwargs)
        return dataclasses.replace(self, data=data)

    def network(self):
        """Returns the full network, with the same weights at every call."""
        keras.utils.set_random_seed(self.seed)
        with self.strategy.scope():
            return spaces.find_network(
                self.preset.model, self.data.input_shape, self.data.num_classes
            )

    def loss(self, model, label_smoothing=0.0):
        """Returns the loss for a model of logits or of probabilities.

        Args:
            model: A Keras model, or the `Distiller` of one.
            label_smoothing: Float; the searches have none, since what they
                decide by it is the likelihood of the labels.
        """
        from_logits = True
        if not isinstance(model, keras.distillation.Distiller):
            last = getattr(model.layers[-1], "activation", None)
            from_logits = last is not keras.activations.softmax
        if label_smoothing:
            return SmoothedCrossentropy(label_smoothing, from_logits)
        return keras.losses.SparseCategoricalCrossentropy(from_logits)

    def callbacks(self, name):
        """Returns the callbacks of a training: logs for TensorBoard."""
        return [keras.callbacks.TensorBoard(self.run.path("logs", name))]

    def test_accuracy(self, model):
        """Returns the accuracy on the test split, in [0, 1]."""
        if not model.compiled:
            model.compile(loss=self.loss(model), metrics=["accuracy"])
        test = self.at(model.input_shape[1]).data.test
        return float(model.evaluate(test, verbose=0)[1])


def open_context(run, preset, flags):
    """Returns the `Context` of a run, with its data loaded."""
    load = functools.partial(
        data.load,
        preset.dataset,
        batch_size=preset.batch_size,
        data_dir=flags.data_dir,
        seed=flags.seed,
        augment=preset.augment,
        download=flags.download,
    )
    datasets = load(image_size=preset.image_size)
    strategy = find_strategy(flags.strategy)
    teacher = None
    if preset.teacher:
        with strategy.scope():
            teacher = retraining.load_teacher(preset.teacher, datasets)
    return Context(run, preset, flags.seed, datasets, strategy, load, teacher)


def progress():
    """Returns Keras's `verbose`: bars on a terminal, lines in a file."""
    return 1 if sys.stdout.isatty() else 2


def train(context, model, name):
    """Trains a model on the training split and saves it.

    Args:
        context: The `Context`.
        model: A Keras model, trained in place, on images of its input size.
        name: Name of the training; the model becomes `<name>.keras`.

    Returns:
        Dictionary with `fit_seconds` and what `facts` returns.
    """
    preset, augment = context.preset, {}
    if preset.train_augment not in ("", preset.augment):
        augment = {"augment": preset.train_augment}
    context = context.at(model.input_shape[1], **augment)
    epochs = preset.train_epochs
    steps = context.data.steps("train")
    with context.strategy.scope():
        trained = retraining.for_training(context, model)
        trained.compile(
            preset.recipe().optimizer(steps, epochs),
            context.loss(trained, preset.label_smoothing),
            metrics=["accuracy"],
        )
    history = fit(
        trained,
        context.data.train,
        epochs=epochs,
        callbacks=context.callbacks(name),
        validation_data=context.data.validation,
        validation_freq=preset.validation_freq,
    )
    with context.strategy.scope():
        # Of Keras alone, so that the file loads where keras_nas is missing.
        model.compile(loss=context.loss(model), metrics=["accuracy"])
    result = {"fit_seconds": history.seconds, **facts(context, model)}
    print(f"{name}: test accuracy {result['test_accuracy']:.1%}", flush=True)
    context.run.save_model(model, f"{name}.keras")
    return result


def fit(model, data, **kwargs):
    """Fits a model, or a search, and notes how long that took.

    Args:
        model: A compiled `keras.Model`.
        data: `tf.data.Dataset`.
        **kwargs: Of `model.fit`.

    Returns:
        The `History`, with `seconds`.
    """
    start = time.perf_counter()
    history = model.fit(
        data,
        shuffle=False,  # The pipeline does it.
        verbose=progress(),
        **kwargs,
    )
    history.seconds = time.perf_counter() - start
    return history


def facts(context, model):
    """Returns what results say of a network.

    Returns:
        Dictionary with `macs`, `params`, `input_size` and `test_accuracy`.
    """
    cost = count_cost(model)
    return {
        "macs": cost.macs,
        "params": cost.params,
        "input_size": model.input_shape[1],
        "test_accuracy": context.test_accuracy(model),
    }


def from_scratch(context, model):
    """Returns the same network with fresh weights."""
    keras.utils.set_random_seed(context.seed)
    with context.strategy.scope():
        return keras.models.clone_model(model)


def export_stage(context, names):
    """Writes and times a .tflite of each network, and the SavedModel.

    Args:
        context: The `Context`.
        names: Names of the networks' `.keras` files, without suffix. The
            first is the result and gets a SavedModel.

    Returns:
        Dictionary from the name to `tflite_bytes` and `latency_ms`.
    """
    facts = {}
    for name in names:
        saved_model = None if facts else "saved_model"
        facts[name] = export_files(context, name, saved_model)
    return facts


def export_files(context, name, saved_model=None):
    """Writes and times the .tflite of a network, and perhaps a SavedModel.

    Args:
        context: The `Context`.
        name: Name of the network's `.keras` file in the run's folder, without
            suffix.
        saved_model: Name of the folder of the SavedModel, or `None`.

    Returns:
        Dictionary with `tflite_bytes` and `latency_ms`.
    """
    run = context.run
    path = run.path(f"{name}.keras")
    model = keras.models.load_model(path, compile=False)
    path = run.path(f"{name}.tflite")
    export.export_litert(model, path, overwrite=True)
    if saved_model is not None:
        export.export_saved_model(model, run.path(saved_model), overwrite=True)
    latency = export.benchmark_litert(
        path, num_threads=1, num_runs=context.preset.latency_runs
    )
    return {
        "tflite_bytes": os.path.getsize(path),
        "latency_ms": latency.median_ms,
        "latency": latency.as_dict(),
    }


def samples(context, model):
    """Returns test images of a model's size, as many as the preset says."""
    context = context.at(model.input_shape[1])
    batches = itertools.chain.from_iterable(
        images.numpy() for images, _ in context.data.test
    )
    return np.stack(
        list(itertools.islice(batches, context.preset.verify_samples))
    )


def verify(context, chains):
    """Proves that the models and files of each chain compute the same.

    Args:
        context: The `Context`.
        chains: Dictionary from a title to a list of models and paths, the
            first a Keras model.

    Returns:
        Dictionary with `links`, a list, and `text`.

    Raises:
        keras_nas.export.ExportMismatchError: If they do not.
    """
    links, texts = [], []
    for title, (first, *rest) in chains.items():
        images = samples(context, first)
        verification = export.verify_export(first, rest, images)
        links.extend(
            {"chain": title, **link} for link in verification.as_dict()["links"]
        )
        texts.append(f"{title}\n{verification}")
        print(texts[-1], flush=True)
    return {"links": links, "text": "\n\n".join(texts)}


def write_results(context, method, stages, target):
    """Writes `results.json`, last of all: with it the run is finished."""
    preset, full, retrained = context.preset, stages["full"], stages["retrain"]
    found = stages["search"] if method.trains_to_the_end else retrained
    environment = report.environment()
    results = {
        "method": method.name,
        "space": preset.space,
        "dataset": preset.dataset,
        "seed": context.seed,
        "cost": preset.cost,
        "target": target,
        "macs": found["macs"],
        "params": found["params"],
        "input_size": found["input_size"],
        "test_accuracy": found["test_accuracy"],
        "full_macs": full["macs"],
        "full_params": full["params"],
        "full_test_accuracy": full["test_accuracy"],
        "width_multiplier": {
            key: stages["width_multiplier"][key]
            for key in ("macs", "params", "test_accuracy")
        },
        "search_seconds": stages["search"]["seconds"],
        "retrain_seconds": retrained["seconds"],
        "litert_latency_ms": stages["export"]["model"]["latency_ms"],
        "tflite_bytes": stages["export"]["model"]["tflite_bytes"],
        "training": preset.training(),
        "verify": stages["verify"]["links"],
        **method.results(context, stages),
        **environment,
    }
    context.run.write_json(context.run.path("results.json"), results)
    return results
