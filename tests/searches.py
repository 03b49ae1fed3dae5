"""The five searches, small, for what all of them have to do.

Each is a function that returns a compiled search; `fit` trains any of them on
batches of which each epoch has others, so that a training that is resumed
shows whether it goes on where it was.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keras_nas
from keras_nas.training import Checkpoint
from tests.elastic import supernet_of
from tests.fp_nas import elastic_model
from tests.fp_nas import elastic_search

EPOCHS, STEPS, BATCH = 4, 3, 8
_FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _network(mask):
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 3))
    x = layers.Conv2D(12, 3, use_bias=False)(x)
    x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.ReLU()(mask(x))
    x = layers.Conv2D(5, 1, use_bias=False)(x)
    x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def _compiled(search):
    search.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        _FROM_LOGITS,
        metrics=["accuracy"],
        mask_optimizer=keras.optimizers.SGD(0.5),
    )
    return search


def figs():
    mask = keras_nas.FiGSMask(temperature=0.5, seed=3, name="mask")
    cost = keras_nas.ExpectedFLOPs(target=0.5)
    return _compiled(keras_nas.search.FiGS(_network(mask), cost))


def dmasking():
    mask = keras_nas.ChannelMask([3, 6, 12], seed=3, name="mask")
    cost = keras_nas.ExpectedFLOPs(target=0.5)
    search = keras_nas.search.DMaskingNAS(_network(mask), cost, warmup_epochs=1)
    return _compiled(search)


def atom_nas():
    mask = keras_nas.AtomicBlockScale(
        momentum=0.9, threshold=0.05, seed=3, name="mask"
    )
    search = keras_nas.search.AtomNAS(
        _network(mask), keras_nas.ExpectedFLOPs(target=0.5), ramp=0.5
    )
    search.compile(
        keras.optimizers.RMSprop(0.01, momentum=0.9, epsilon=1e-3),
        _FROM_LOGITS,
        metrics=["accuracy"],
        mask_optimizer=keras.optimizers.SGD(0.05),
    )
    return search


def big_nas():
    space = keras_nas.spaces.smoke_big_nas()
    search = keras_nas.search.BigNAS(
        supernet_of(space, synchronized=True),
        random_children=1,
        weight_decay=0.01,
    )
    search.compile(
        keras.optimizers.SGD(0.05), _FROM_LOGITS, metrics=["accuracy"]
    )
    return search


def fp_nas():
    # Its replicas cannot share the statistics of a batch.
    return elastic_search(
        elastic_model(with_norm=False, regularizer="l2"),
        warmup_epochs=1,
        joint_epoch=2,
        likelihood_temperature=4.0,
    )


SEARCHES = {
    build.__name__: build
    for build in (figs, dmasking, fp_nas, big_nas, atom_nas)
}


def batches(search, epoch, seed=0):
    """Returns an endless data set that begins with an epoch."""
    shape = search.model.input_shape[1:]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(BATCH * STEPS, *shape)).astype("float32")
    y = rng.integers(0, search.model.output_shape[-1], len(x))

    def numbered(number):
        index = tf.cast(number % STEPS, "int32") * BATCH
        images = x[: len(x)] + 0.1 * tf.cast(number, "float32")
        size = (BATCH, *shape)
        return (
            tf.reshape(images[index : index + BATCH], size),
            tf.reshape(tf.constant(y)[index : index + BATCH], (BATCH,)),
        )

    return tf.data.Dataset.counter(epoch * STEPS).map(numbered)


def fit(search, *callbacks, **kwargs):
    """Trains a search; the last callback may be a `Checkpoint`."""
    epoch = 0
    if callbacks and isinstance(callbacks[-1], Checkpoint):
        epoch = callbacks[-1].epoch
    if isinstance(search, keras_nas.search.DMaskingNAS):
        kwargs["architecture_data"] = lambda number: (
            batches(search, number, seed=1)
            .take(STEPS)
            .apply(tf.data.experimental.assert_cardinality(STEPS))
        )
    elif isinstance(search, keras_nas.search.FPNAS):
        kwargs["architecture_data"] = batches(search, epoch, seed=1)
    elif isinstance(search, keras_nas.search.AtomNAS):
        kwargs["recalibration_data"] = batches(search, 0).take(STEPS)
    return search.fit(
        batches(search, epoch),
        steps_per_epoch=STEPS,
        epochs=EPOCHS,
        callbacks=list(callbacks),
        **{"verbose": 0, **kwargs},
    )


def state(search):
    """Returns all variables that a training has, by their numbers."""
    optimizers = getattr(search, "optimizers", lambda: [search.optimizer])()
    slots = [v for optimizer in optimizers for v in optimizer.variables]
    return [keras.ops.convert_to_numpy(v) for v in [*search.variables, *slots]]
