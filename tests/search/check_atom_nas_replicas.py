"""AtomNAS on several replicas; run by `atom_nas_processes_test.py`.

    python -m tests.search.check_atom_nas_replicas REPLICAS

prints, as JSON, what the search came to.
"""

import json
import sys

import keras
import numpy as np
from keras import layers

import keras_nas
from tests.replicas import mirrored


def _model():
    inputs = x = keras.Input((6, 6, 3))
    x = layers.Conv2D(12, 3, use_bias=False)(x)
    x = layers.BatchNormalization(synchronized=True)(x)
    x = keras_nas.AtomicBlockScale(momentum=0.9, threshold=0.05)(x)
    x = layers.Conv2D(5, 1, use_bias=False)(layers.ReLU()(x))
    x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def main(replicas):
    strategy = mirrored(replicas)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        search = keras_nas.search.AtomNAS(
            _model(), keras_nas.ExpectedFLOPs(target=0.5), ramp=0.5
        )
        search.compile(
            keras.optimizers.RMSprop(0.01, momentum=0.9, epsilon=1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            mask_optimizer=keras.optimizers.SGD(0.05),
        )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6, 6, 3)).astype("float32")
    y = rng.integers(0, 3, len(x))
    history = search.fit(
        x,
        y,
        batch_size=16,
        epochs=4,
        shuffle=False,
        validation_data=(x, y),
        verbose=0,
    ).history
    weights = [keras.ops.convert_to_numpy(w) for w in search.model.weights]
    results = {
        "architecture": search.architecture().decisions,
        "history": history,
        "weights": [float(np.abs(w).sum()) for w in weights],
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
