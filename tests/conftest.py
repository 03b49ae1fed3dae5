"""The garbage collector looks seldom, and not at what has been imported."""

import gc


def pytest_collection_finish(session):
    """Exempts all objects so far, which stay, from garbage collection.

    TensorFlow's converter looks through all objects in each conversion, and
    Python does again and again while functions are traced.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
