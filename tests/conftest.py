"""Every test begins with the same seed, whatever ran before it."""

import keras
import pytest


@pytest.fixture(autouse=True)
def same_seed():
    keras.utils.set_random_seed(0)
