"""Seeds that are a pure function of (seed, layer, step)."""

import random
import zlib

import keras
import numpy as np
from keras import ops


def layer_seed(seed, name):
    """Returns the integer seed of the layer with a name.

    Args:
        seed: Integer.
        name: String; other names draw independently.
    """
    return zlib.crc32(f"{seed}/{name}".encode()) & 0x7FFFFFFF


class StepSeedGenerator(keras.random.SeedGenerator):
    """A seed generator that moves only when it is told to.

    `keras.random.SeedGenerator` moves at every draw. This one returns the same
    seed, `[hash(seed, name), step]`, until `advance()` begins the next step.
    Its state is one variable, saved with the layer that holds it, so that a
    resumed run draws what an unbroken one would have drawn; every replica
    counts the same steps, so all replicas draw the same.

    Args:
        seed: Integer, or `None` for a random one.
        name: Name of the layer that draws; layers with the same `seed` and
            different names draw independently.

    Raises:
        ValueError: If `seed` is neither an integer nor `None`.
    """

    def __init__(self, seed, name):
        if seed is None:
            seed = random.randint(1, 10**9)
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(
                "Invalid value received for argument `seed`. Expected an "
                f"integer or None. Received: seed={seed!r}"
            )
        self.seed = int(seed)
        super().__init__(layer_seed(self.seed, name), name=f"{name}_seed")

    def advance(self):
        """Begins the next step."""
        one_step = ops.convert_to_tensor([0, 1], dtype=self.state.dtype)
        self.state.assign(ops.add(self.state, one_step))

    def next(self, ordered=True):
        return self.state.value * 1


class StepSeeded:
    """Mixin for a layer that saves its `seed_generator` with its weights."""

    def save_own_variables(self, store):
        super().save_own_variables(store)
        state = self.seed_generator.state
        store["seed_state"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        if "seed_state" in store.keys():
            self.seed_generator.state.assign(store["seed_state"])
        names = [name for name in store.keys() if name != "seed_state"]
        super().load_own_variables({name: store[name] for name in names})
