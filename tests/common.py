"""What the tests of graph, costs and slicing share."""

import keras
import numpy as np
from keras import layers

from keras_nas import Architecture
from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedParams
from keras_nas import LogisticSigmoidMask
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from keras_nas.graph import flow_of
from keras_nas.layers import Mask
from keras_nas.layers import subsample

# As XLA_FLAGS: JAX spends most of a test in compiling small operations.
FAST_COMPILATION = (
    "--xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true"
)

COST_PARTS = ("macs", "pool", "kernels", "biases", "norm")


def mask(name=None, **kwargs):
    """Returns a mask with a fixed seed."""
    return LogisticSigmoidMask(name=name, seed=0, **kwargs)


def masks_of(model):
    """Returns the mask layers of a model, those of nested models too."""
    return flow_of(model).masks


def randomize(model, seed=0):
    """Gives every layer but the masks random weights; returns the model.

    Scales are far from 1, shifts far from 0, variances positive, so that no
    mistake in folding them can hide.
    """
    rng = np.random.default_rng(seed)
    skipped = {id(v) for m in masks_of(model) for v in m.variables}
    for variable in model.weights:
        if id(variable) in skipped:
            continue
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        value = rng.normal(0.0, 1.0 / np.sqrt(fan_in), variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, variable.shape)
        elif len(variable.shape) == 1:
            value = rng.uniform(-1.0, 1.0, variable.shape)
        variable.assign(value)
    return model


def decide(model, **kept):
    """Sets the logits to +-100: `decide(model, mask_name=[0, 2])`."""
    for layer in masks_of(model):
        if layer.name in kept:
            channels = layer.logits.shape[0]
            on = np.isin(np.arange(channels), kept[layer.name])
            layer.logits.assign(np.where(on, 100.0, -100.0))
    return model


def decide_at_random(model, seed=0, keep=(0.0, 0.5, 0.8, 1.0)):
    """Sets the logits to +-100, at one of the rates `keep` in each mask."""
    rng = np.random.default_rng(seed)
    for layer in masks_of(model):
        on = rng.random(layer.logits.shape[0]) < rng.choice(keep)
        layer.logits.assign(np.where(on, 100.0, -100.0))
    return model


def deciders_of(model):
    """Returns the mask layers that decide, not those that follow one."""
    return [m for m in masks_of(model) if m.leaders()[0] is m]


def choose(model, **options):
    """Decides on one option: `choose(model, mask_name="k5")`.

    Logits are so far apart that the Gumbel-softmax is exactly 0 and 1.
    """
    for layer in deciders_of(model):
        if layer.name in options:
            chosen = layer.options.index(options.pop(layer.name))
            layer.logits.assign(1e4 * np.eye(len(layer.options))[chosen])
    assert not options, f"no masks of these names: {options}"
    return model


def choose_at_random(model, seed=0, keep=(0.0, 0.5, 0.8, 1.0)):
    """As `decide_at_random`, also for masks that choose one option."""
    rng = np.random.default_rng(seed)
    for layer in deciders_of(model):
        if layer.decides_each_channel:
            on = rng.random(layer.logits.shape[0]) < rng.choice(keep)
            layer.logits.assign(np.where(on, 100.0, -100.0))
        else:
            choose(
                model,
                **{layer.name: layer.options[rng.integers(len(layer.options))]},
            )
    return model


def architecture_of(model):
    """Returns the decisions of a model's masks."""
    decisions = {m.name: m.decision() for m in deciders_of(model)}
    return Architecture(model.name, decisions)


def two_convolutions(size, channels, classes):
    """Returns a plain network of two convolutions of so many channels."""
    block = dict(type="conv", kernel=3, stride=1, act="relu", bias=False)
    blocks = [{**block, "cin": n, "cout": channels} for n in (3, channels)]
    return spaces.build_from_blocks(blocks, (size, size, 3), classes)


def inputs_for(model, batch=2, seed=0):
    """Returns random inputs, in the structure that the model takes."""
    rng = np.random.default_rng(seed)
    is_sequential = isinstance(model, keras.Sequential)
    return keras.tree.map_structure(
        lambda t: rng.normal(size=(batch, *t.shape[1:])).astype("float32"),
        model.inputs[0] if is_sequential else model.input,
    )


def run(model, inputs):
    """Returns the outputs at inference as a list of arrays."""
    outputs = keras.tree.flatten(model(inputs, training=False))
    return [keras.ops.convert_to_numpy(output) for output in outputs]


def assert_same_function(a, b, rtol=1e-5):
    """Two models agree on random inputs, relative to the largest output."""
    inputs = inputs_for(a)
    for x, y in zip(run(a, inputs), run(b, inputs), strict=True):
        assert x.shape == y.shape
        scale = max(np.abs(x).max(), 1.0)
        np.testing.assert_allclose(x / scale, y / scale, rtol=0, atol=rtol)


def assert_same_on_subsampled(model, sliced, rtol=1e-5):
    """A sliced model computes of small images what the model does of large.

    Maps are compared at the pixels that `subsample` takes.
    """

    def small(values, like):
        sizes = [
            (v.shape, tuple(t.shape)) for v, t in zip(values, like, strict=True)
        ]
        return [
            v if old[1:] == new[1:] else np.array(subsample(v, new[1:3]))
            for v, (old, new) in zip(values, sizes, strict=True)
        ]

    inputs = inputs_for(model)
    flat = small(keras.tree.flatten(inputs), keras.tree.flatten(sliced.input))
    packed = keras.tree.pack_sequence_as(sliced.input, flat)
    expected = small(run(model, inputs), keras.tree.flatten(sliced.output))
    for x, y in zip(expected, run(sliced, packed), strict=True):
        assert x.shape == y.shape
        scale = max(np.abs(x).max(), 1.0)
        np.testing.assert_allclose(x / scale, y / scale, rtol=0, atol=rtol)


def assert_plain(model):
    """A model has no layer that is not one of Keras."""
    for layer in model._flatten_layers():
        assert not isinstance(layer, Mask)
        assert type(layer).__module__.startswith("keras."), layer


def assert_expected_equals_counted(model, sliced):
    """The expected cost of a decided model is the count of the sliced one.

    The count is checked in turn against the kernels and output shapes of the
    sliced model.
    """
    counted = count_cost(sliced)
    assert counted.macs == macs_of(sliced)
    assert counted.params == params_of(sliced)
    decided = decided_cost(model)
    for part in COST_PARTS:
        assert getattr(decided, part) == getattr(counted, part), part
    for cost, count in (
        (ExpectedFLOPs(1.0), counted.macs),
        (ExpectedParams(1.0), counted.params),
    ):
        # float32 would hold every integer up to 2**24 only.
        assert float(cost(model, dtype="float64")) == count


def assert_slices(model):
    """Slices a decided model and checks all that must hold; returns both.

    Returns:
        `(sliced, report)`.
    """
    sliced, report = slice_model(model, return_report=True)
    assert_plain(sliced)
    assert_same_on_subsampled(model, sliced)
    assert_expected_equals_counted(model, sliced)
    return sliced, report


def params_of(model):
    """Counts trained parameters by their shapes."""
    sizes = {id(v): np.prod(v.shape) for v in model.trainable_variables}
    return int(sum(sizes.values()))


def macs_of(model):
    """Counts multiply-adds by kernels and the shapes that layers return."""
    total = 0
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, layers.MultiHeadAttention):
            total += sum(_attention_macs(layer, n) for n in _calls(layer))
            continue
        if isinstance(layer, layers.SeparableConv2D | layers.SeparableConv1D):
            kernels = [layer.depthwise_kernel, layer.pointwise_kernel]
        elif getattr(layer, "kernel", None) is not None:
            kernels = [layer.kernel]
        else:
            continue
        weights = sum(int(np.prod(kernel.shape)) for kernel in kernels)
        for node in _calls(layer):
            tensors = node.output_tensors
            if "Transpose" in type(layer).__name__:
                tensors = node.input_tensors
            shape = tensors[0].shape
            first = getattr(layer, "data_format", None) == "channels_first"
            spatial = shape[2:] if first else shape[1:-1]
            if layer.name.endswith("channels_first"):
                spatial = shape[2:]
            total += weights * int(np.prod(spatial))
    return total


def _calls(layer):
    return layer._inbound_nodes


def _attention_macs(layer, node):
    """Counts q, k, v and output projections, and two products of matrices."""
    query, value = (t.shape for t in node.input_tensors[:2])
    heads, width = layer.num_heads, layer.key_dim
    each = heads * width
    projections = query[1] * 2 * query[2] * each + value[1] * 2 * (
        value[2] * each
    )
    return projections + 2 * query[1] * value[1] * each


def conv_block(x, filters, name, kernel=3, stride=1, **kwargs):
    """Convolution without bias, BatchNorm, mask `{name}_mask`, ReLU."""
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        name=name,
        **kwargs,
    )(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    x = mask(f"{name}_mask")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def head(x, classes=3, name="classifier"):
    """Global average pool and Dense."""
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(classes, name=name)(x)
