"""What experiments hand over: files, timed, and proven to be the same."""

import itertools
import os

import keras
import numpy as np

from keras_nas import export


def export_stage(context, names):
    """Writes and times a .tflite of each network, and the SavedModel.

    Args:
        context: The `Context`.
        names: Names of the networks' `.keras` files, without suffix. The
            first is the result and gets a SavedModel.

    Returns:
        Dictionary from the name to `tflite_bytes` and `latency_ms`.
    """
    facts = {}
    for name in names:
        saved_model = None if facts else "saved_model"
        facts[name] = export_files(context, name, saved_model)
    return facts


def export_files(context, name, saved_model=None):
    """Writes and times the .tflite of a network, and perhaps a SavedModel.

    Args:
        context: The `Context`.
        name: Name of the network's `.keras` file in the run's folder, without
            suffix.
        saved_model: Name of the folder of the SavedModel, or `None`.

    Returns:
        Dictionary with `tflite_bytes` and `latency_ms`.
    """
    run = context.run
    path = run.path(f"{name}.keras")
    model = keras.models.load_model(path, compile=False)
    path = run.path(f"{name}.tflite")
    export.export_litert(model, path, overwrite=True)
    if saved_model is not None:
        export.export_saved_model(model, run.path(saved_model), overwrite=True)
    latency = export.benchmark_litert(
        path, num_threads=1, num_runs=context.preset.latency_runs
    )
    return {
        "tflite_bytes": os.path.getsize(path),
        "latency_ms": latency.median_ms,
        "latency": latency.as_dict(),
    }


def samples(context, model):
    """Returns test images of a model's size, as many as the preset says."""
    context = context.at(model.input_shape[1])
    batches = itertools.chain.from_iterable(
        images.numpy() for images, _ in context.data.test
    )
    return np.stack(
        list(itertools.islice(batches, context.preset.verify_samples))
    )


def verify(context, chains):
    """Proves that the models and files of each chain compute the same.

    Args:
        context: The `Context`.
        chains: Dictionary from a title to a list of models and paths, the
            first a Keras model.

    Returns:
        Dictionary with `links`, a list, and `text`.

    Raises:
        keras_nas.export.ExportMismatchError: If they do not.
    """
    links, texts = [], []
    for title, (first, *rest) in chains.items():
        images = samples(context, first)
        verification = export.verify_export(first, rest, images)
        links.extend(
            {"chain": title, **link} for link in verification.as_dict()["links"]
        )
        texts.append(f"{title}\n{verification}")
        print(texts[-1], flush=True)
    return {"links": links, "text": "\n\n".join(texts)}
