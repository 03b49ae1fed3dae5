"""BigNAS on several replicas; run by `big_nas_processes_test.py`.

    python -m tests.search.check_big_nas_replicas REPLICAS

prints, as JSON, what the training came to.
"""

import json
import sys

import keras
import numpy as np

import keras_nas
from tests.elastic import choices_of
from tests.elastic import supernet_of
from tests.replicas import mirrored


def main(replicas):
    strategy = mirrored(replicas)
    with strategy.scope():
        model = supernet_of(keras_nas.spaces.smoke_big_nas(), synchronized=True)
        search = keras_nas.search.BigNAS(
            model, random_children=1, weight_decay=0.01
        )
        search.compile(
            keras.optimizers.SGD(0.05),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 8, 8, 3)).astype("float32")
    y = rng.integers(0, 3, len(x))
    history = search.fit(
        x, y, batch_size=8, epochs=2, shuffle=False, verbose=0
    ).history
    results = {
        "history": history,
        "steps": [
            int(choice.seed_generator.state.numpy()[1])
            for choice in choices_of(model).values()
        ],
        "weights": [
            float(np.abs(keras.ops.convert_to_numpy(w)).sum())
            for w in model.weights
        ],
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
