"""ResolutionSubsample against the sum over resolutions, written out.

The truth takes pixels out and puts them back by multiplying with matrices of
zeros and ones, runs F as it is, and lets TensorFlow differentiate that.
"""

import contextlib
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras import ops

from keras_nas import ChannelMask
from keras_nas import FiGSMask
from keras_nas import ResolutionSubsample
from keras_nas.layers import Mask
from tests.common import assert_same_function
from tests.common import head
from tests.common import randomize
from tests.layers.layer_checks import check_serialization
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy

_SIZES = [4, 6, 9]


def images(*shape, seed=0):
    """Returns random images, by default `(4, 9, 9, 3)`."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape or (4, 9, 9, 3)).astype("float32")


def conv(filters=4, kernel=3, stride=1, **kwargs):
    return layers.Conv2D(filters, kernel, stride, padding="same", **kwargs)


def strided():
    """A convolution of stride 2; its `call` takes no `training`."""
    inputs = keras.Input((None, None, 3))
    return conv(stride=2), inputs


def normalized():
    inputs = keras.Input((None, None, 3))
    x = layers.BatchNormalization(momentum=0.7)(conv(use_bias=False)(inputs))
    return keras.Model(inputs, layers.ReLU()(x)), inputs


def classifier():
    inputs = keras.Input((None, None, 3))
    x = layers.BatchNormalization(momentum=0.7)(
        conv(stride=2, use_bias=False)(inputs)
    )
    return keras.Model(inputs, head(layers.ReLU()(x))), inputs


def noisy():
    """Masks of both kinds, one of them used twice, and dropout."""
    inputs = keras.Input((None, None, 3))
    mask = ChannelMask([1, 2, 4], temperature=1.0, seed=5, name="number")
    x = conv(use_bias=False)(inputs)
    x = mask(layers.BatchNormalization(momentum=0.7)(x))
    x = layers.Dropout(0.3, seed=3)(layers.ReLU()(x))
    x = mask(layers.DepthwiseConv2D(3, 2, padding="same")(x))
    x = FiGSMask(temperature=0.5, initial_logit=0.3, seed=6, name="some")(x)
    return keras.Model(inputs, x), inputs


_LAYERS = [strided, normalized, classifier, noisy]


def wrapped(make, sizes=_SIZES, **kwargs):
    """Returns a search around a built layer with random weights."""
    layer, inputs = make()
    layer(inputs)
    randomize(keras.Model(inputs, layer(inputs)))
    kwargs = {"temperature": 1.5, "seed": 1, "name": "search", **kwargs}
    search = ResolutionSubsample(sizes, layer, **kwargs)
    last = sizes[-1] if isinstance(sizes[-1], list) else [sizes[-1]] * 2
    search.build((None, *last, 3))
    search.logits.assign(np.linspace(0.0, 0.5, len(sizes)))
    return search


def masks_in(layer):
    return [x for x in layer._flatten_layers() if isinstance(x, Mask)]


def values_of(variables):
    """Returns copies of the values; `to_numpy` may return views."""
    return [np.array(to_numpy(variable)) for variable in variables]


def places(number, length):
    """Returns the matrix that puts `number` pixels into `length` places."""
    matrix = np.zeros((length, number), "float32")
    for i in range(number):
        matrix[i * length // number, i] = 1.0
    return matrix


def take_out(x, size):
    rows, columns = (
        places(n, length) for n, length in zip(size, x.shape[1:3], strict=True)
    )
    return tf.einsum("hi,wj,bhwc->bijc", rows, columns, x)


def put_back(y, size):
    if len(y.shape) == 2:
        return y
    rows, columns = (
        places(n, length) for n, length in zip(y.shape[1:3], size, strict=True)
    )
    return tf.einsum("hi,wj,bijc->bhwc", rows, columns, y)


def pairs(sizes):
    return [tuple(s) if isinstance(s, list) else (s, s) for s in sizes]


def explicit_sum(search, x, weights):
    """Returns the sum, of F run in turn on each resolution, in training."""
    layer, sizes = search.layer, pairs(search.resolutions)
    full = layer.compute_output_shape(x.shape)[1:3]
    run = functools.partial(layer, training=True)
    run = layer if isinstance(layer, layers.Conv2D) else run
    total = 0.0
    with contextlib.ExitStack() as stack:
        for mask in masks_in(layer):
            stack.enter_context(mask.held())
        for index, size in enumerate(sizes):
            y = run(take_out(x, size))
            total = total + weights[index] * put_back(y, full)
    return total


class Comparison:
    """One training step, and the same step by the explicit sum.

    Attributes:
        outputs, gradients, states: Pairs: of the layer, of the truth. The
            gradients are of the input, the logits, and F's weights; the
            states are F's other variables after the step.
    """

    def __init__(self, search, x, compiled=False):
        layer, x = search.layer, tf.constant(x)
        others = layer.non_trainable_variables
        before = values_of(others)

        def differentiate(compute):
            variables = [search.logits, *layer.trainable_variables]
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = compute(x)
                factors = np.random.default_rng(1).normal(size=y.shape)
                loss = tf.reduce_sum(tf.sin(y) * factors)
            values = [x, *(v.value for v in variables)]
            return y, tape.gradient(loss, values)

        def run():
            return differentiate(lambda x: search(x, training=True))

        y, gradients = (tf.function(run) if compiled else run)()
        after = values_of(others)
        seeds = [m.seed_generator.state for m in masks_in(layer)]
        for variable, value in zip(others, before, strict=True):
            if not any(variable is seed for seed in seeds):
                variable.assign(value)
        truth, expected = differentiate(
            lambda x: explicit_sum(search, x, search.weights_of_options())
        )
        self.outputs = to_numpy(y), to_numpy(truth)
        self.gradients = [
            (to_numpy(a), to_numpy(b))
            for a, b in zip(gradients, expected, strict=True)
        ]
        self.states = [
            (a, to_numpy(b)) for a, b in zip(after, others, strict=True)
        ]

    def check(self):
        close = functools.partial(
            np.testing.assert_allclose, rtol=1e-3, atol=1e-4
        )
        close(*self.outputs)
        for gradient, expected in self.gradients:
            assert np.abs(expected).max() > 1e-3
            scale = max(np.abs(expected).max(), 1.0)
            close(gradient / scale, expected / scale)
        for state, expected in self.states:
            close(state, expected)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("make", _LAYERS)
def test_a_step_is_that_of_the_explicit_sum(make, compiled):
    """Outputs, gradients and moving averages, with the same draws."""
    search = wrapped(make)
    for seed in range(2):
        Comparison(search, images(seed=seed), compiled).check()


@pytest.mark.parametrize(
    "sizes", [[[3, 4], [5, 4], [6, 8]], [2, [3, 7]], [[5, 5]]]
)
def test_sizes_that_are_not_square(sizes):
    x = images(3, *pairs(sizes)[-1], 3)
    search = wrapped(strided, sizes)
    comparison = Comparison(search, x)
    np.testing.assert_allclose(*comparison.outputs, rtol=1e-4, atol=1e-5)


def test_other_draws_in_the_next_step():
    search, x = wrapped(strided), images()
    a, b = (to_numpy(search(x, training=True)) for _ in range(2))
    assert np.abs(a - b).max() > 1e-3
    assert step_of(search) == 2


def test_masks_inside_are_drawn_once_in_a_step():
    """Not for each place, each resolution and each run of the network."""
    inputs = keras.Input((None, None, 3))
    mask = ChannelMask([2, 4], seed=0)
    x = ChannelMask([1, 4], decided_by=mask)(mask(mask(conv()(inputs))))
    search = ResolutionSubsample(_SIZES, keras.Model(inputs, x), seed=1)
    search.build((4, 9, 9, 3))

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(search(x, training=True))
        return tape.gradient(loss, mask.logits.value)

    graph = tf.function(step).get_concrete_function(images()).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("StatelessRandomUniformV2") == 2


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("make", [normalized, classifier])
def test_one_resolution_is_the_network_on_small_images(make, index, training):
    """Outputs, and gradients of the input and of weights."""
    search, size = wrapped(make), _SIZES[index]
    search.logits.assign(1e4 * (np.arange(3) == index))
    x, layer = tf.constant(images()), search.layer
    values = [v.value for v in layer.trainable_variables]
    before = values_of(layer.non_trainable_variables)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = search(x, training=training)
        for variable, value in zip(
            layer.non_trainable_variables, before, strict=True
        ):
            variable.assign(value)
        direct = layer(take_out(x, (size, size)), training=training)
        expected = put_back(direct, (9, 9))
        losses = [tf.reduce_sum(tf.sin(z)) for z in (y, expected)]
    np.testing.assert_allclose(to_numpy(y), to_numpy(expected), atol=1e-5)
    a, b = (tape.gradient(loss, [x, *values]) for loss in losses)
    for gradient, truth in zip(a, b, strict=True):
        assert np.abs(to_numpy(truth)).max() > 1e-3
        np.testing.assert_allclose(
            to_numpy(gradient), to_numpy(truth), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("index", range(3))
def test_inference_takes_the_resolution_of_the_largest_logit(index):
    search, x, size = wrapped(noisy), images(), _SIZES[index]
    search.logits.assign(1e-3 * (np.arange(3) == index))
    assert search.decision() == size
    expected = put_back(
        search.layer(take_out(x, (size, size)), training=False), (5, 5)
    )
    for y in (search(x), search(x, training=False)):
        np.testing.assert_allclose(to_numpy(y), to_numpy(expected), atol=1e-6)
    assert step_of(search) == 0
    assert not any(step_of(mask) for mask in masks_in(search.layer))


@pytest.mark.parametrize("compiled", [False, True])
def test_what_advances_in_a_step(compiled):
    """A mask once, dropout once for each resolution."""
    search, x = wrapped(noisy), tf.constant(images())
    (dropout,) = (
        layer
        for layer in search.layer.layers
        if isinstance(layer, layers.Dropout)
    )
    (start,) = values_of([dropout.seed_generator.state])

    def run():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(search(x, training=True))
        return tape.gradient(loss, search.layer.trainable_variables[0].value)

    run = tf.function(run) if compiled else run
    for step in (1, 2, 3):
        run()
        assert [step_of(m) for m in masks_in(search)] == [step] * 3
        moved = to_numpy(dropout.seed_generator.state.value) - start
        assert moved.tolist() == [0, 3 * step]


def test_a_mask_outside_and_inside_is_one_draw():
    mask = ChannelMask([1, 2, 3], temperature=1.0, seed=5)
    inner, inputs = keras.Input((None, None, 3)), keras.Input((9, 9, 3))
    network = keras.Model(inner, mask(inner))
    search = ResolutionSubsample([9], network, seed=0)
    model = keras.Model(inputs, [mask(inputs), search(inputs)])
    ones = np.ones((1, 9, 9, 3), "float32")
    for step in (1, 2):
        a, b = (to_numpy(y) for y in model(ones, training=True))
        np.testing.assert_array_equal(a, b)
        assert step_of(mask) == step


@pytest.mark.parametrize("strides, sizes", [(1, [4, 6, 9]), (2, [2, 3, 5])])
def test_output_resolutions(strides, sizes):
    search = ResolutionSubsample(_SIZES, conv(stride=strides))
    search.build((None, 9, 9, 3))
    assert search.output_resolutions == pairs(sizes)
    assert search.compute_output_shape((2, 9, 9, 3)) == (2, *[sizes[-1]] * 2, 4)
    assert search.options == _SIZES


def chain():
    """Two wrapped blocks, the second decided by the first."""
    first = wrapped(strided, name="first")
    x = inputs = keras.Input((9, 9, 3))
    x = layers.ReLU()(first(x))
    network = keras.Sequential([conv(5, name="inner"), layers.ReLU()])
    second = ResolutionSubsample(
        first.output_resolutions, network, decided_by=first, name="second"
    )
    return randomize(keras.Model(inputs, second(x)))


def test_a_chain_has_one_draw():
    model, x = chain(), images()
    first, second = (model.get_layer(name) for name in ("first", "second"))
    assert [v.name for v in model.trainable_weights] == [
        "logits",
        "kernel",
        "bias",
        "kernel",
        "bias",
    ]
    for step in (1, 2):
        y = to_numpy(model(x, training=True))
        assert step_of(first) == step
        g = to_numpy(first.weights_of_options())
        hidden = tf.nn.relu(explicit_sum(first, x, g))
        expected = 0.0
        for weight, size in zip(g, [2, 3, 5], strict=True):
            z = second.layer(take_out(hidden, (size, size)))
            expected = expected + weight * put_back(z, (5, 5))
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("index", range(3))
def test_a_decided_chain_is_the_plain_chain(index):
    """Figure 4 E: the second layer sees the pixels next to each other."""
    model, x = chain(), images()
    first, second = (model.get_layer(name) for name in ("first", "second"))
    first.logits.assign(1e4 * (np.arange(3) == index))
    assert second.decision() == [[2, 2], [3, 3], [5, 5]][index]
    small = take_out(x, [_SIZES[index]] * 2)
    expected = put_back(second.layer(tf.nn.relu(first.layer(small))), (5, 5))
    for training in (False, True):
        y = to_numpy(model(x, training=training))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_equal_sizes_are_allowed_where_another_decides():
    first = ResolutionSubsample([7, 8], conv(stride=4), seed=0)
    first.build((None, 8, 8, 3))
    assert first.output_resolutions == [(2, 2), (2, 2)]
    second = ResolutionSubsample(
        first.output_resolutions, conv(), decided_by=first
    )
    second.build((None, 2, 2, 4))
    assert second.decision() == [2, 2]


def test_channels_first():
    layer = layers.Rescaling(2.0)
    search = ResolutionSubsample(
        [[2, 3], [5, 4]], layer, data_format="channels_first", seed=0
    )
    x = images(2, 3, 5, 4)
    y = to_numpy(search(x, training=True))
    g = to_numpy(search.weights_of_options())
    moved = np.moveaxis(x, 1, 3)
    small = put_back(take_out(moved, (2, 3)), (5, 4))
    expected = 2.0 * (g[0] * to_numpy(small) + g[1] * moved)
    np.testing.assert_allclose(np.moveaxis(y, 1, 3), expected, rtol=1e-5)
    assert search.output_resolutions == [(2, 3), (5, 4)]


def test_comes_back_from_json():
    check_serialization(
        ResolutionSubsample([4, [6, 8]], conv(), temperature=0.5, seed=3)
    )


def shared_masks():
    """Two wrapped models in which one mask and its follower are."""
    mask = ChannelMask([2, 4], temperature=1.0, seed=5, name="number")
    wrapped_models = []
    for channels, stride in ((3, 2), (4, 1)):
        inputs = keras.Input((None, None, channels))
        x = mask(conv(stride=stride)(inputs))
        follower = ChannelMask([1, 4], decided_by=mask)
        x = follower(layers.DepthwiseConv2D(3, padding="same")(x))
        wrapped_models.append(keras.Model(inputs, x))
    inputs = keras.Input((9, 9, 3))
    first = ResolutionSubsample(_SIZES, wrapped_models[0], seed=0, name="first")
    x = layers.ReLU()(first(inputs))
    second = ResolutionSubsample(
        first.output_resolutions,
        wrapped_models[1],
        decided_by=first,
        name="second",
    )
    return randomize(keras.Model(inputs, second(x)))


@pytest.mark.parametrize("make", [chain, shared_masks])
def test_saved_and_loaded(make, tmp_path):
    """The same function and draws, also from a file of what was loaded."""
    model, x = make(), images()
    model.get_layer("first").logits.assign([0.0, 0.3, 0.2])
    model(x, training=True)
    models = [model]
    for number in range(2):
        path = tmp_path / f"{number}.keras"
        models[-1].save(path)
        models.append(keras.models.load_model(path))
    for loaded in models[1:]:
        assert_same_function(model, loaded)
        assert loaded.count_params() == model.count_params()
        assert len(loaded.trainable_weights) == len(model.trainable_weights)
        assert step_of(loaded.get_layer("first")) == 1
    for _ in range(2):
        y, *others = (to_numpy(m(x, training=True)) for m in models)
        for other in others:
            np.testing.assert_array_equal(y, other)


def test_loaded_masks_decide_together(tmp_path):
    shared_masks().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    masks = [m for m in masks_in(loaded) if isinstance(m, ChannelMask)]
    leaders = {id(m.leader()): m.leader() for m in masks}
    (leader,) = leaders.values()
    leader.logits.assign([1.0, 0.0])
    assert sorted({m.decision() for m in masks}) == [1, 2]


def test_works_in_fit():
    search = wrapped(noisy)
    inputs = keras.Input((9, 9, 3))
    x = layers.GlobalAveragePooling2D()(search(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    before = values_of(model.trainable_weights)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    history = model.fit(
        images(), np.ones((4, 2)), batch_size=2, epochs=2, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
    for variable, value in zip(model.trainable_weights, before, strict=True):
        assert np.abs(to_numpy(variable) - value).max() > 0, variable.path
    assert [step_of(m) for m in masks_in(model)] == [4] * 3
    assert np.isfinite(model.predict(images(), verbose=0)).all()
    assert step_of(search) == 4


def test_an_unbuilt_layer_is_built_for_all_resolutions():
    for sizes, built in (
        ([[4, 6], [8, 6]], (None, None, 6, 3)),
        ([8], (None, 8, 8, 3)),
    ):
        layer = keras.Sequential([conv(), layers.ReLU()])
        last = pairs(sizes)[-1]
        y = ResolutionSubsample(sizes, layer)(keras.Input((*last, 3)))
        assert y.shape == (None, *last, 4)
        assert layer.input_shape == built


def test_losses_of_weights_are_kept():
    regularizer = keras.regularizers.L2(0.5)
    search = ResolutionSubsample([4, 9], conv(kernel_regularizer=regularizer))
    search(images(), training=True)
    (loss,) = search.losses
    kernel = to_numpy(search.layer.kernel)
    np.testing.assert_allclose(loss, 0.5 * (kernel**2).sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_only_the_output_is_in_low_precision(dtype):
    layer = keras.Sequential(
        [
            conv(dtype=f"mixed_{dtype}"),
            layers.BatchNormalization(momentum=0.7, dtype=f"mixed_{dtype}"),
        ]
    )
    search = ResolutionSubsample(
        _SIZES, layer, seed=0, name="a", dtype=f"mixed_{dtype}"
    )
    exact = ResolutionSubsample(_SIZES, conv(), seed=0, name="a")
    exact(images(), training=True)
    for training in (True, False):
        y = search(images(), training=training)
        assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert {v.dtype for v in search.weights} == {"float32"}
    np.testing.assert_array_equal(search.sample(), exact.sample())
    assert (to_numpy(layer.layers[1].moving_variance) != 1.0).all()


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        8,
        None,
        "48",
        [8, 4],
        [8, 8],
        [0, 8],
        [-8, 8],
        [4.0, 8],
        [True, 8],
        [[4, 4, 4], [8, 8, 8]],
        [[4, 8], [8, 4]],
        [[4], [8]],
        ["4", "8"],
        [None, 8],
    ],
)
def test_resolutions_that_do_not_increase(sizes):
    with pytest.raises(ValueError, match="argument `resolutions`"):
        ResolutionSubsample(sizes, conv())


def test_decreasing_sizes_where_another_decides():
    leader = ResolutionSubsample([4, 8], conv())
    with pytest.raises(ValueError, match="argument `resolutions`"):
        ResolutionSubsample([4, 2], conv(), decided_by=leader)


@pytest.mark.parametrize("layer", [None, "conv", ops.relu, layers.Conv2D])
def test_something_else_than_a_layer(layer):
    with pytest.raises(ValueError, match="argument `layer`. Expected a layer"):
        ResolutionSubsample([8], layer)


@pytest.mark.parametrize("shape", [(8, 8, 3), (9, 8, 3), (9, 3), (9, 9, 9, 3)])
def test_inputs_of_another_size(shape):
    search = ResolutionSubsample([4, 9], conv(), name="search")
    with pytest.raises(ValueError, match="last of the resolutions of 'search'"):
        search(keras.Input(shape))


def two_outputs():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, [inputs, 2.0 * inputs])


@pytest.mark.parametrize(
    "make", [two_outputs, functools.partial(layers.Reshape, (-1, 3))]
)
def test_layers_that_do_not_return_one_image_or_vector(make):
    search = ResolutionSubsample([4, 9], make(), name="search")
    with pytest.raises(ValueError, match="must return one tensor"):
        search(keras.Input((9, 9, 3)))


def test_another_number_of_resolutions_than_the_leader():
    leader = ResolutionSubsample([4, 9], conv(), name="leader")
    follower = ResolutionSubsample([9], conv(), decided_by=leader)
    with pytest.raises(ValueError, match="'leader', which is not built yet"):
        follower(keras.Input((9, 9, 3)))
    leader(keras.Input((9, 9, 3)))
    with pytest.raises(ValueError, match="as many options. Expected 2"):
        ResolutionSubsample([9], conv(), decided_by=leader)(
            keras.Input((9, 9, 3))
        )


@pytest.mark.parametrize("decision", [5, "4", [4, 4], True, None])
def test_decisions_that_are_no_option(decision):
    search = ResolutionSubsample([4, 9], conv(), name="search")
    search.build((None, 9, 9, 3))
    assert search.scale_of(4).tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"mask 'search'.*\[4, 9\]"):
        search.scale_of(decision)


def test_other_data_formats_are_refused():
    with pytest.raises(ValueError, match="argument `data_format`.*'NCHW'"):
        ResolutionSubsample([4, 8], keras.layers.Identity(), data_format="NCHW")
