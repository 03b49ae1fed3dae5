"""Proof that exported artifacts compute the same as the model."""

import contextlib
import math
import os
import warnings

import keras
import numpy as np

from keras_nas.export._artifacts import KerasArtifact
from keras_nas.export._artifacts import load_artifact
from keras_nas.export._checks import check_model
from keras_nas.export._samples import Samples
from keras_nas.export.verification import ExportMismatchError
from keras_nas.export.verification import Link
from keras_nas.export.verification import Verification


def verify_export(
    model,
    path,
    samples,
    *,
    rtol=5e-5,
    litert_rtol=1e-4,
    atol=1e-7,
    raise_on_mismatch=True,
):
    """Proves that artifacts compute the same as a model, on real samples.

    All samples go through the model and through every artifact; neighbours in
    the chain are compared. A difference counts relative to the largest output
    of the reference, so that the tolerance means the same for logits,
    probabilities and feature maps. A warning says so when the outputs hardly
    depend on the samples, as those of an untrained classifier with softmax:
    then agreement proves little.

    Args:
        model: Built Keras model, the reference.
        path: One artifact or a sequence of them, the further members of the
            chain. Each is a Keras model, or the path of a `.keras` file, of a
            SavedModel folder or of a `.tflite` file.
        samples: Array of shape `(samples, ...)` with at least one row; for
            several inputs a list in the order of `model.inputs` or a
            dictionary by their names.
        rtol: Float, the tolerance between artifacts that Keras or TensorFlow
            computes. Rounding alone, in another order of summation, moves
            the logits of a MobileNetV2 by 5e-6, or 2e-5 with large BatchNorm
            scales.
        litert_rtol: Float, the tolerance where one of the two is a `.tflite`
            file, whose kernels sum in another order.
        atol: Float, an absolute difference that is always tolerated.
        raise_on_mismatch: Boolean. `False` returns a failed `Verification`
            instead of raising.

    Returns:
        A `Verification`, with one `Link` per pair of neighbours.

    Raises:
        ExportMismatchError: If a difference is too large, an output is not a
            number, or the outputs have other shapes. It is a `ValueError`.
        FileNotFoundError: If there is nothing at a path.
        ValueError: If an argument is not what is described here.

    Example:

    >>> import os, tempfile
    >>> import keras, numpy as np
    >>> from keras_nas.export import export_litert, verify_export
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> path = os.path.join(tempfile.mkdtemp(), "model.tflite")
    >>> path = export_litert(model, path)
    >>> samples = np.random.default_rng(0).normal(size=(8, 4))
    >>> verify_export(model, [model, path], samples).passed
    True
    """
    check_model(model)
    _check_tolerances(rtol=rtol, litert_rtol=litert_rtol, atol=atol)
    is_single = isinstance(path, (str, os.PathLike, keras.Model))
    chain = [path] if is_single else list(path)
    if not chain:
        raise ValueError(
            "Invalid value received for argument `path`. Expected at least "
            f"one artifact. Received: path={path!r}."
        )
    samples = Samples(samples, model)
    artifacts = [KerasArtifact(model), *map(load_artifact, chain)]
    for artifact in artifacts:
        if isinstance(artifact, KerasArtifact):
            samples.learn_names(artifact.model)
    with _full_float32():
        outputs = [artifact.run(samples) for artifact in artifacts]
    links = []
    for index in range(len(chain)):
        pair = artifacts[index : index + 2]
        is_litert = any(artifact.is_litert for artifact in pair)
        links.append(
            _compare(
                [artifact.label for artifact in pair],
                outputs[index : index + 2],
                litert_rtol if is_litert else rtol,
                atol,
            )
        )
    spread = _output_spread(outputs[0])
    verification = Verification(tuple(links), len(samples), spread)
    if raise_on_mismatch and not verification.passed:
        raise ExportMismatchError(verification)
    if not verification.is_conclusive:
        warnings.warn(
            "`verify_export` compared outputs that hardly depend on the "
            f"samples (spread {spread:.0e} of the largest output), which "
            "proves little. Pass a trained model and varied samples.",
            stacklevel=2,
        )
    return verification


def _check_tolerances(**tolerances):
    for name, value in tolerances.items():
        is_number = isinstance(value, (int, float))
        if not is_number or not math.isfinite(value) or value < 0:
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected a "
                f"finite number, not negative. Received: {name}={value!r}."
            )


@contextlib.contextmanager
def _full_float32():
    """Keeps GPUs from rounding float32 products to TensorFloat-32."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    config = tf.config.experimental
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)


def _compare(labels, outputs, rtol, atol):
    problem = _find_problem(labels, outputs)
    if problem:
        return Link(*labels, math.nan, math.nan, None, rtol, False, problem)
    differences = []
    passed = True
    for reference, candidate in zip(*outputs, strict=True):
        absolute, relative = _differences(reference, candidate)
        differences.append((absolute, relative))
        passed = passed and (relative <= rtol or absolute <= atol)
    absolute, relative = map(max, zip(*differences, strict=True))
    agreement = _top1_agreement(*outputs)
    return Link(*labels, absolute, relative, agreement, rtol, passed)


def _find_problem(labels, outputs):
    shapes = [[output.shape for output in side] for side in outputs]
    if shapes[0] != shapes[1]:
        return f"outputs of shapes {shapes[0]} and {shapes[1]}"
    for label, side in zip(labels, outputs, strict=True):
        for index, output in enumerate(side):
            rows = np.isnan(output.astype("float64"))
            if rows.any():
                rows = rows.reshape(len(rows), -1).any(axis=1).sum()
                return f"NaN in output {index} of {label}, {rows} samples"
    return ""


def _differences(reference, candidate):
    reference = reference.astype("float64")
    candidate = candidate.astype("float64")
    # Infinities that agree differ by 0, not by NaN.
    same = reference == candidate
    with np.errstate(invalid="ignore"):
        absolute = np.where(same, 0.0, np.abs(reference - candidate))
    absolute = float(absolute.max(initial=0.0))
    if not absolute:
        return 0.0, 0.0
    finite = np.abs(reference[np.isfinite(reference)])
    scale = float(finite.max(initial=0.0))
    return absolute, absolute / scale if scale else math.inf


def _output_spread(outputs):
    if len(outputs[0]) < 2:
        return None
    spreads = []
    for output in outputs:
        output = output.astype("float64")
        scale = np.abs(output).max(initial=0.0)
        if np.isfinite(scale):
            span = np.ptp(output, axis=0).max(initial=0.0)
            spreads.append(float(span / scale) if scale else 0.0)
    return max(spreads, default=None)


def _top1_agreement(references, candidates):
    agreements = [
        float((reference.argmax(-1) == candidate.argmax(-1)).mean())
        for reference, candidate in zip(references, candidates, strict=True)
        if reference.ndim == 2 and reference.shape[1] > 1
    ]
    return min(agreements, default=None)
