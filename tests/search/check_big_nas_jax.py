"""BigNAS under JAX, compiled; run by `big_nas_processes_test.py`.

    KERAS_BACKEND=jax python -m tests.search.check_big_nas_jax

prints, as JSON, what the training came to.
"""

import json
import sys

import keras
import numpy as np

import keras_nas


def main():
    space = keras_nas.spaces.smoke_big_nas()
    keras.utils.set_random_seed(0)
    model = space.supernet(3, execution="masked", zero_gamma=False, seed=0)
    search = keras_nas.search.BigNAS(model, random_children=1)
    search.compile(
        keras.optimizers.SGD(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=True,
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 8, 8, 3)).astype("float32")
    y = rng.integers(0, 3, len(x))
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    history = search.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    moved = [
        float(np.abs(keras.ops.convert_to_numpy(v) - old).max())
        for v, old in zip(model.trainable_variables, before, strict=True)
    ]
    architecture = space.sample(seed=1)
    child = search.export_model(architecture, [x])
    size = architecture.decisions["resolution"]
    small = keras.ops.image.resize(x, (size, size), interpolation="bicubic")
    small = small if size != 8 else x
    difference = child.predict(np.asarray(small), verbose=0) - model.predict(
        x, verbose=0
    )
    results = {
        "backend": keras.backend.backend(),
        "loss": history["loss"] + history["children_loss"],
        "moved": min(moved),
        "steps": [
            int(choice.seed_generator.state.value[1])
            for choice in search._sandwich.choices.values()
        ],
        "difference": float(np.abs(difference).max()),
    }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
