"""Checks a model: random weights, masks closed at random, sliced, compared.

What `tools.check_models` does with each of its models.
"""

import pathlib
import tempfile
import time
import warnings

import keras
import numpy as np

import keras_nas
from keras_nas.graph import flow_of
from keras_nas.layers import Mask

RTOL, LITERT_RTOL = 1e-5, 1e-4
_IMAGE_SIZE = 224  # Where the default input has an open size.
_BATCH_SIZE = 2


def build_model(name, **kwargs):
    """Builds a network with logits as output, at its default input size.

    A softmax of random logits saturates, and would hide differences.
    """
    build = getattr(keras.applications, name)
    kwargs = {"weights": None, "classifier_activation": None, **kwargs}
    model = build(**kwargs)
    if None in model.input_shape[1:]:
        keras.utils.clear_session()
        size = (_IMAGE_SIZE, _IMAGE_SIZE, 3)
        model = build(input_shape=size, **kwargs)
    return model


def draw_images(model, rng, number=_BATCH_SIZE):
    """Draws images of colored patches and noise, in the model's range."""
    height, width, channels = model.input_shape[1:]
    patches = rng.uniform(size=(number, 8, 8, channels))
    rows, columns = (np.arange(size) * 8 // size for size in (height, width))
    images = patches[:, rows][:, :, columns]
    images = 0.7 * images + 0.3 * rng.uniform(size=images.shape)
    images *= rng.uniform(0.1, 1.0, (number, 1, 1, channels))
    scales = (keras.layers.Rescaling, keras.layers.Normalization)
    if any(isinstance(layer, scales) for layer in _layers(model)):
        return (255.0 * images).astype("float32")
    return (2.0 * images - 1.0).astype("float32")


def randomize(model, rng):
    """Gives a model random weights.

    Scales are far from 1 and shifts far from 0, so that no mistake in folding
    them can hide.
    """
    for layer in _layers(model):
        for variable in layer.trainable_variables:
            variable.assign(_draw_weight(layer, variable, rng))
        if hasattr(layer, "adapt_mean"):  # Else its mean is in its config.
            shape = layer.adapt_mean.shape
            layer.adapt_mean.assign(rng.uniform(0.2, 0.6, shape))
            layer.adapt_variance.assign(rng.uniform(0.05, 0.2, shape))
            layer.finalize_state()


def _draw_weight(layer, variable, rng):
    shape = variable.shape
    if len(shape) > 1:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
        return rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
    if variable.name == "gamma" or type(layer).__name__ == "LayerScale":
        return rng.uniform(0.5, 1.5, shape)
    return rng.uniform(-0.5, 0.5, shape)


def set_statistics(model, rng):
    """Gives a model about the BatchNorm statistics of random images.

    With any others, activations would grow or vanish from layer to layer.
    """
    norms = [
        layer
        for layer in _layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    # Small images end as single pixels, so that many are needed.
    number = max(_BATCH_SIZE, 1024 // model.input_shape[1])
    model(draw_images(model, rng, number), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        mean = keras.ops.convert_to_numpy(layer.moving_mean)
        variance = keras.ops.convert_to_numpy(layer.moving_variance)
        # Some channels vary little, and masked ones not at all: rounding
        # errors would be blown up.
        variance = np.maximum(variance, 0.25 * variance.mean())
        shift = rng.uniform(-0.3, 0.3, mean.shape) * np.sqrt(variance)
        layer.moving_mean.assign(mean + shift)
        layer.moving_variance.assign(variance)


def close_masks(masked, rng):
    """Keeps between 0.3 and all of the channels of each mask, at random."""
    for mask in flow_of(masked).masks:
        kept = rng.uniform(size=mask.logits.shape) < rng.uniform(0.3, 1.0)
        kept[rng.integers(len(kept))] = True
        mask.logits.assign(np.where(kept, 100.0, -100.0))


def check_model(model, name, seed=0, litert=False, slicer=None):
    """Randomizes, masks, slices and compares a model; returns a row.

    Args:
        model: A model of keras.applications; its weights are replaced.
        name: String, how the row calls it.
        seed: Integer seed of all that is random.
        litert: Boolean, whether to convert the sliced model.
        slicer: Callable in place of `slice_model`, for a test of this check.

    Returns:
        Dictionary with a value for each column of the table; `"result"` is
        `"pass"`, or `"FAIL: "` and why.
    """
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    randomize(model, rng)
    set_statistics(model, rng)
    images = draw_images(model, rng)
    before = keras_nas.count_cost(model)
    start = time.perf_counter()
    masked = keras_nas.insert_masks(model, seed=seed)
    seconds = time.perf_counter() - start
    masks = flow_of(masked).masks
    for mask in masks:
        mask.logits.assign(np.full(mask.logits.shape, 100.0))
    problems = _compare(model, {"the masked model": masked}, images)[1]
    close_masks(masked, rng)
    set_statistics(masked, rng)
    start = time.perf_counter()
    sliced = (slicer or keras_nas.slice_model)(masked)
    seconds += time.perf_counter() - start

    differences, found = _compare_chain(masked, sliced, images, litert)
    wrong = find_wrong_costs(masked, sliced)
    problems += found + wrong + find_foreign_layers(sliced)
    after = keras_nas.count_cost(sliced)
    return {
        "model": name,
        "masks": len(masks),
        "params_before": before.params,
        "params_after": after.params,
        "macs_before": before.macs,
        "macs_after": after.macs,
        "difference": differences[0],
        "expected_equals_counted": "NO" if wrong else "yes",
        "litert_difference": differences[2] if litert else None,
        "seconds": seconds,
        "result": f"FAIL: {'; '.join(problems)}" if problems else "pass",
    }


def _compare_chain(masked, sliced, images, litert):
    """Compares the masked and the sliced model and the files of the latter."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sliced.keras"
        sliced.save(path)
        chain = {"the sliced model": sliced, "its .keras file": path}
        if litert:
            path = path.with_suffix(".tflite")
            chain["its LiteRT file"] = keras_nas.export_litert(sliced, path)
        return _compare(masked, chain, images)


def _compare(model, chain, images):
    """Returns the differences of neighbours, and what is wrong with them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`verify_export` compared")
        verification = keras_nas.verify_export(
            model,
            list(chain.values()),
            images,
            rtol=RTOL,
            litert_rtol=LITERT_RTOL,
            atol=0.0,
            raise_on_mismatch=False,
        )
    problems = [
        f"{name} computes {link.problem or 'something else'}, relative "
        f"difference {link.max_rel_diff:.1e}, allowed {link.rtol:.0e}"
        for name, link in zip(chain, verification.links, strict=True)
        if not link.passed
    ]
    if not verification.is_conclusive:
        problems.append("the outputs hardly depend on the images")
    return [link.max_rel_diff for link in verification.links], problems


def find_wrong_costs(masked, sliced):
    """Returns where counts and expectations differ, a list of sentences."""
    counted = keras_nas.count_cost(sliced)
    decided = keras_nas.decided_cost(masked)
    shapes = {id(v): v.shape for v in sliced.trainable_variables}
    pairs = {"params by shapes": (_sizes(shapes.values()), counted.params)}
    for part in ("macs", "pool", "kernels", "biases", "norm"):
        values = getattr(decided, part), getattr(counted, part)
        pairs[f"decided {part}"] = values
    for cost, count in (
        (keras_nas.ExpectedFLOPs(1.0), counted.macs),
        (keras_nas.ExpectedParams(1.0), counted.params),
    ):
        expected = float(cost(masked, dtype="float64"))
        pairs[type(cost).__name__] = (expected, count)
    return [
        f"{name} {value:,} but counted {count:,}"
        for name, (value, count) in pairs.items()
        if value != count
    ]


def find_foreign_layers(model):
    """Returns a sentence for each layer that is not one of Keras."""
    return [
        f"layer '{layer.name}' is a {type(layer).__name__}"
        for layer in _layers(model)
        if isinstance(layer, Mask)
        or not type(layer).__module__.startswith("keras.")
    ]


def _layers(model):
    """Lists the layers of a model, those of nested models too."""
    layers = model._flatten_layers(include_self=False)
    return [v for v in layers if not isinstance(v, keras.Model)]


def _sizes(shapes):
    return sum(int(np.prod(shape)) for shape in shapes)
