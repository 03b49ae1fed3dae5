"""The sizes of maps for each resolution, against networks of that size."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import ExpectedFLOPs
from keras_nas import ResolutionSubsample
from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas.graph import ChannelFlow
from tests.common import assert_slices
from tests.common import choose
from tests.common import decide
from tests.common import mask
from tests.common import randomize


def image(size=8, channels=3):
    return keras.Input((size, size, channels))


def wrap(layer, sizes=(4, 5, 8), leader=None, name="r", **kwargs):
    return ResolutionSubsample(
        list(sizes), layer, decided_by=leader, seed=0, name=name, **kwargs
    )


def conv(filters=4, kernel=3, **kwargs):
    kwargs = {"padding": "same", **kwargs}
    return layers.Conv2D(filters, kernel, **kwargs)


def flow_to(outputs, inputs):
    return ChannelFlow(keras.Model(inputs, outputs))


def part(*steps):
    return keras.Sequential(list(steps))


def after(start, *steps):
    """Applies layers, one after the other."""
    for step in steps:
        start = step(start)
    return start


@pytest.mark.parametrize(
    "layer, sizes",
    [
        (conv(), [4, 5, 8]),
        (conv(strides=2), [2, 3, 4]),
        (conv(padding="valid"), [2, 3, 6]),
        (conv(padding="valid", strides=2), [1, 2, 3]),
        (layers.MaxPooling2D(2), [2, 2, 4]),
        (layers.MaxPooling2D(2, padding="same"), [2, 3, 4]),
        (layers.UpSampling2D(2), [8, 10, 16]),
        (layers.Cropping2D(1), [2, 3, 6]),
        (layers.Resizing(3, 3), [3, 3, 3]),
        (part(conv(strides=2), layers.ZeroPadding2D(1)), [4, 5, 6]),
    ],
    ids=lambda v: v.name if hasattr(v, "name") else None,
)
def test_sizes_of_what_a_layer_returns(layer, sizes):
    inputs = image()
    flow = flow_to(wrap(layer)(inputs), inputs)
    (output,) = flow.outputs
    assert flow.resolutions.sizes(output, 1) == sizes
    assert flow.resolutions.sizes(output, 2) == sizes
    assert flow.graph.wraps[0].layer.output_resolutions == [
        (size, size) for size in sizes
    ]


def test_heights_and_widths_differ():
    inputs = keras.Input((8, 6, 3))
    pairs = [(4, 3), (5, 6), (8, 6)]
    flow = flow_to(wrap(conv(strides=(2, 1)), pairs)(inputs), inputs)
    (output,) = flow.outputs
    assert flow.resolutions.sizes(output, 1) == [2, 3, 4]
    assert flow.resolutions.sizes(output, 2) == [3, 6, 6]
    assert flow.resolutions.sizes(output, 3) == [4, 4, 4]


def test_a_chain_of_wraps():
    inputs = image()
    first = wrap(conv(strides=2))
    x = layers.ReLU()(first(inputs))
    second = wrap(conv(strides=2), first.output_resolutions, first, "s")
    flow = flow_to(second(x), inputs)
    (output,) = flow.outputs
    assert flow.resolutions.mask is first
    assert flow.resolutions.sizes(output, 1) == [1, 2, 2]


def test_channels_first():
    inputs = keras.Input((3, 8, 8))
    steps = dict(data_format="channels_first")
    layer = conv(strides=2, **steps)
    flow = flow_to(wrap(layer, **steps)(inputs), inputs)
    (output,) = flow.outputs
    assert flow.resolutions.sizes(output, 1) == [4, 4, 4]
    assert flow.resolutions.sizes(output, 3) == [2, 3, 4]


@pytest.mark.parametrize("size", [4, 5, 8])
def test_inputs_that_are_not_wrapped_keep_their_size(size):
    a, b = image(), image()
    x = after(a, wrap(part(conv(), layers.GlobalAveragePooling2D())))
    y = after(b, conv(5), layers.GlobalAveragePooling2D())
    model = keras.Model([a, b], layers.Concatenate()([x, y]))
    sliced, _ = assert_slices(choose(randomize(model), r=size))
    assert sliced.input_shape == [(None, size, size, 3), (None, 8, 8, 3)]


def test_two_inputs_of_one_wrap_are_both_resized():
    a, b = image(), image()
    shared = wrap(part(conv(), layers.GlobalAveragePooling2D()))
    model = keras.Model([a, b], layers.Concatenate()([shared(a), shared(b)]))
    sliced, _ = assert_slices(choose(randomize(model), r=5))
    assert sliced.input_shape == [(None, 5, 5, 3)] * 2


def test_a_wrapped_part_that_a_mask_removes():
    inputs = image()
    x = wrap(part(conv(), layers.GlobalAveragePooling2D()))(inputs)
    model = keras.Model(inputs, layers.Dense(2)(mask("m")(x)))
    sliced, _ = assert_slices(choose(decide(randomize(model), m=[]), r=5))
    assert count_cost(sliced).macs <= 5 * 5 * 27 + 2


# What must not be, and what the error says.


def refused(match, outputs, inputs):
    with pytest.raises(ValueError, match=match):
        flow_to(outputs, inputs)


def test_two_independent_choices():
    inputs = image()
    first = wrap(conv())
    x = wrap(layers.GlobalAveragePooling2D(), name="s")(first(inputs))
    refused(r"\['r', 's'\].*Pass the first one.*`decided_by`", x, inputs)


def test_a_wrap_that_does_not_read_the_input():
    inputs = keras.Input((8 * 8 * 3,))
    x = after(inputs, layers.Dense(192), layers.Reshape((8, 8, 3)))
    two = layers.Add()([x, x])
    refused("'r'.*does not read the model's input", wrap(conv())(two), inputs)


@pytest.mark.parametrize(
    "outside",
    [
        conv(),
        layers.GlobalAveragePooling2D(),
        layers.MaxPooling2D(1, strides=2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_mixes_pixels_must_be_wrapped(outside):
    inputs = image()
    first = wrap(conv())
    x = outside(layers.ReLU()(first(inputs)))
    refused(f"'{outside.name}'.*Wrap it, with `decided_by` 'r'", x, inputs)


def test_what_mixes_pixels_of_the_input_must_be_wrapped():
    """Beside a wrap it would see all pixels, and the chosen ones in a slice."""
    inputs = image()
    x = after(inputs, wrap(part(conv(), layers.GlobalAveragePooling2D())))
    y = layers.GlobalAveragePooling2D(name="beside")(inputs)
    refused("'beside'", layers.Concatenate()([x, y]), inputs)


def test_what_mixes_pixels_before_the_first_wrap():
    inputs = image()
    x = conv(3, name="before")(inputs)
    refused("'before'", wrap(conv())(x), inputs)


def test_single_pixels_around_wraps_are_allowed():
    inputs = image()
    x = layers.Conv2D(4, 1, name="before")(layers.Rescaling(2.0)(inputs))
    first = wrap(conv(strides=2))
    y = layers.Conv2D(5, 1, name="between")(first(x))
    pool = layers.GlobalAveragePooling2D()
    y = wrap(pool, first.output_resolutions, first, "s")(y)
    model = randomize(keras.Model(inputs, y))
    for size, small in ((4, 2), (5, 3), (8, 4)):
        assert_slices(choose(model, r=size))
        macs = size**2 * 3 * 4 + small**2 * (9 * 4 * 4 + 4 * 5)
        assert ExpectedFLOPs(1.0).decided(model) == macs


def test_followers_with_other_sizes():
    inputs = image()
    first = wrap(conv(strides=2))
    x = wrap(conv(), (1, 3, 4), first, "s")(first(inputs))
    refused("input of 4 pixels, 's' would read.*output_resolutions", x, inputs)


def test_flatten_needs_a_fixed_size():
    inputs = image()
    with pytest.raises(ValueError):
        flow_to(wrap(part(conv(), layers.Flatten()))(inputs), inputs)


def test_a_model_for_one_size_is_refused():
    fixed = image()
    inner = keras.Model(fixed, conv()(fixed), name="inner")
    with pytest.raises(ValueError, match="'inner'.*images of any size"):
        wrap(inner)(image())


def test_a_wrap_inside_of_a_wrap():
    inner = wrap(conv(3), (4, 8), name="inner")
    inside = image(8)
    outer_part = keras.Model(inside, inner(inside))
    inputs = image()
    outer = wrap(outer_part, (8,), name="outer")
    refused("'inner' is inside of 'outer'", outer(inputs), inputs)


def test_masks_are_inserted_before_wrapping():
    inputs = image()
    model = keras.Model(inputs, wrap(part(conv(), conv()))(inputs))
    with pytest.raises(ValueError, match="Insert masks into the layers first"):
        insert_masks(model)


def test_a_map_of_unknown_size_says_which_layer():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, conv(name="open")(inputs))
    with pytest.raises(ValueError, match="'open'.*spatial size"):
        count_cost(model)


def test_effective_sizes_are_weighted_one_by_one():
    """Eq. 6: a product of mean sizes, which is not the mean of areas."""
    inputs = image()
    model = keras.Model(inputs, wrap(conv(strides=2))(inputs))
    search = model.layers[-1]
    g = keras.ops.convert_to_numpy(search.weights_of_options())
    size = g @ [2, 3, 4]
    cost = float(ExpectedFLOPs(1.0)(model))
    np.testing.assert_allclose(cost, size**2 * 27 * 4, rtol=1e-5)
    assert abs(size**2 - g @ [4, 9, 16]) > 0.1
