"""What holds for every test: its seed, and how garbage is collected."""

import gc

import keras
import pytest
import tensorflow as tf


@pytest.fixture(autouse=True)
def same_seed():
    """Begins every test with the same seed, whatever ran before it."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def eagerly():
    """Traces nothing: a few steps take less time than one trace."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def pytest_collection_finish(session):
    """Exempts all objects so far, which stay, from garbage collection.

    TensorFlow's converter looks through all objects in each conversion, and
    Python does again and again while functions are traced.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
