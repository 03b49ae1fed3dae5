"""What the stages of all experiments do: train, export, verify, write.

Search, training and test use disjoint splits.
"""

import dataclasses
import functools

import keras
import tensorflow as tf

from experiments import fitting
from experiments import flags as common_flags
from experiments import retraining
from keras_nas import count_cost
from keras_nas import data
from keras_nas import report
from keras_nas import spaces
from keras_nas.training import SmoothedCrossentropy
from keras_nas.training import worker_of
from keras_nas.training.single_trace import make_variables

_EVALUATED = 512  # Images of a batch where nothing is trained.


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

    @property
    def worker(self):
        """Which process of the strategy this is, and of how many."""
        return worker_of(self.strategy)

    @property
    def input_context(self):
        """What `stream` of data needs to know of it, or `None`."""
        index, number = self.worker
        if number == 1:
            return None
        replicas = self.strategy.num_replicas_in_sync
        return tf.distribute.InputContext(number, index, replicas)

    def alone(self):
        """Returns the context of what each process of several computes for
        itself."""
        if self.worker[1] == 1:
            return self
        alone = tf.distribute.get_strategy()
        return dataclasses.replace(self, strategy=alone)

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

    def images(self, split):
        """Returns the number of images of an epoch of training."""
        return self.data.steps(split) * self.data.batch_size

    def callbacks(self, name):
        """Returns the callbacks of a training: logs for TensorBoard."""
        if not self.run.is_chief:
            return []
        return [keras.callbacks.TensorBoard(self.run.path("logs", name))]

    def test_accuracy(self, model):
        """Returns the accuracy on the test split, in [0, 1]."""
        if not model.compiled:
            model.compile(loss=self.loss(model), metrics=["accuracy"])
        test = self.at(model.input_shape[1]).data.test
        return float(model.evaluate(test, verbose=0)[1])


def open_context(run, preset, flags):
    """Returns the `Context` of a run, with its data loaded."""
    strategy = common_flags.strategy_of(flags)  # Before anything else.
    data.check_augmentation(preset.training_augment(), preset.crop)
    load = functools.partial(
        data.load,
        preset.dataset,
        batch_size=preset.batch_size,
        data_dir=flags.data_dir,
        seed=flags.seed,
        augment=preset.augment,
        crop=preset.crop,
        download=flags.download,
    )
    datasets = load(image_size=preset.image_size)
    teacher = None
    if preset.teacher:
        with strategy.scope():
            teacher = retraining.load_teacher(preset.teacher, datasets)
    return Context(run, preset, flags.seed, datasets, strategy, load, teacher)


def train(context, model, name):
    """Trains a model on the training split and saves it.

    It goes on where it was interrupted.

    Args:
        context: The `Context`.
        model: A Keras model, trained in place, on images of its input size.
        name: Name of the training; the model becomes `<name>.keras`.

    Returns:
        Dictionary with `fit_seconds` and what `facts` returns.
    """
    preset, changes = context.preset, {}
    if preset.training_augment() != preset.augment:
        changes["augment"] = preset.training_augment()
    if preset.training_batch_size() != preset.batch_size:
        changes["batch_size"] = preset.training_batch_size()
    context = context.at(model.input_shape[1], **changes)
    epochs = preset.train_epochs
    steps = context.data.steps("train")
    with context.strategy.scope():
        trained = retraining.for_training(context, model)
        trained.compile(
            preset.recipe().optimizer(steps, epochs),
            context.loss(trained, preset.label_smoothing),
            metrics=["accuracy"],
        )
        # One trace, not two.
        make_variables(trained, context.data.stream("train"))
    history = fitting.fit_resumable(
        context, trained, context.data, "train", name, epochs
    )
    with context.strategy.scope():
        # Of Keras alone, so that the file loads where keras_nas is missing.
        model.compile(loss=context.loss(model), metrics=["accuracy"])
    result = {"fit_seconds": history.seconds, **facts(context, model)}
    print(f"{name}: test accuracy {result['test_accuracy']:.1%}", flush=True)
    context.run.save(model, f"{name}.keras")
    return result


def first_images(data, split, images):
    """Returns batches of images of a split, the same at every iteration.

    Args:
        data: `keras_nas.data.Datasets`.
        split: Name of the split.
        images: Integer, how many of them, if it has as many.
    """
    images = min(images, data.steps(split) * data.batch_size)
    batches = data.stream(split).unbatch().take(images).batch(_EVALUATED)
    number = tf.data.experimental.assert_cardinality(batches_of(images))
    return batches.apply(number).cache()


def batches_of(images):
    """Returns how many batches `first_images` makes of so many images."""
    return -(-images // _EVALUATED)


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
