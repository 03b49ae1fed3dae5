"""The garbage collector looks seldom, and not at what has been imported."""

import gc


def pytest_collection_finish(session):
    """Exempts all objects so far, which stay, from garbage collection.

    TensorFlow and Keras alone are about a million of them. Tracing a function
    makes so many new ones that Python would look through all again and again,
    for a fifth of the time of the tests; TensorFlow's converter does so in
    each conversion.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
