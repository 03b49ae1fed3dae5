"""Networks from block dictionaries: what they compute, what is refused."""

import keras
import numpy as np
import pytest

from keras_nas import SplitAttention
from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import spaces
from tests.common import assert_plain
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import decide_at_random
from tests.common import inputs_for
from tests.common import macs_of
from tests.common import params_of
from tests.common import randomize
from tests.common import run

CONV = dict(type="conv", cin=3, cout=8, kernel=3, stride=2, act="hswish")
MBCONV = dict(
    type="mbconv",
    cin=8,
    cout=8,
    kernels=[3, 5],
    mid=[10, 6],
    stride=1,
    act="swish",
    residual="add",
    se_hidden=4,
)
WIDER = {**MBCONV, "cout": 12, "stride": 2, "residual": "avgpool/1x1"}
GROUPED = dict(
    type="mbconv",
    cin=8,
    cout=8,
    kernels=[3],
    mid=[16],
    stride=1,
    act="relu",
    residual=None,
    groups_pw=2,
)
SPLIT = {**MBCONV, "kernels": [5], "mid": [16], "splits": 2}
SKIP = dict(type="skip", cin=8, cout=8, stride=1)
IR_POOL = dict(type="ir_pool", cin=8, mid=16, cout=24, act="relu6")


def build(*blocks, size=9, **kwargs):
    return spaces.build_from_blocks([*blocks], (size, size, 3), 5, **kwargs)


def names_of(model, prefix):
    return {x.name for x in model.layers if x.name.startswith(prefix)}


def test_names_of_layers():
    model = build(CONV, WIDER, {**SKIP, "cin": 12, "cout": 8}, IR_POOL)
    assert names_of(model, "block0") == {
        "block0_conv",
        "block0_conv_bn",
        "block0_conv_act",
    }
    parts = ["expand3", "expand5", "depthwise3", "depthwise5"]
    both = {part + end for part in parts for end in ("", "_bn", "_act")}
    single = {
        "concat",
        "se_pool",
        "se_reduce",
        "se_expand",
        "se_scale",
        "project",
        "project_bn",
        "shortcut_pool",
        "shortcut",
        "add",
    }
    expected = {f"block1_{part}" for part in both | single}
    assert names_of(model, "block1") == expected
    assert names_of(model, "block2") == {
        "block2_conv",
        "block2_conv_bn",
        "block2_conv_act",
    }
    last = model.layers[-2:]
    assert [layer.name for layer in last] == ["pool", "logits"]


def test_names_of_layers_of_splits():
    model = build(CONV, SPLIT)
    parts = {"expand", "depthwise5_1", "depthwise5_2"}
    names = {part + end for part in parts for end in ("", "_bn", "_act")}
    names |= {"project", "project_bn", "add"}
    attention = {"sum", "pool", "reduce", "concat", "softmax", "add"}
    for split in ("_1", "_2"):
        attention |= {f"{part}{split}" for part in ("expand", "take", "scale")}
    names |= {f"se_{part}" for part in attention}
    assert names_of(model, "block1") == {f"block1_{name}" for name in names}
    assert_plain(model)
    assert model.get_layer("block1_se_reduce").activation.__name__ == "silu"
    order = [w.path.split("/")[0] for w in model.weights if "block1" in w.path]
    places = [order.index(f"block1_{n}") for n in ("depthwise5_1", "project")]
    assert places == sorted(places)


@pytest.mark.parametrize("splits", [2, 4])
def test_a_block_of_splits_is_the_layer(splits):
    model = randomize(build(CONV, {**SPLIT, "splits": splits}))
    start = model.get_layer("block1_expand_act").output
    inner = keras.Model(start, model.get_layer("block1_se_add").output)
    inputs = keras.Input(start.shape[1:])
    layer = SplitAttention(5, splits, hidden=4, activation="silu", name="x")
    twin = keras.Model(inputs, layer(inputs))
    own = {w.path.split("block1_")[1]: w for w in inner.weights}
    for weight in twin.weights:
        weight.assign(own[weight.path.split("/x_")[-1]])
    assert len(own) == len(twin.weights)
    assert_same_function(inner, twin)


def test_cost_of_splits():
    """One more depthwise convolution, and one more vector of logits."""
    costs = [
        count_cost(build(CONV, {**SPLIT, "splits": splits}, size=9)).macs
        for splits in (None, 2, 3, 4)
    ]
    more = 5 * 5 * 16 * 5 * 5 + 4 * 16
    assert np.diff(costs).tolist() == [more] * 3


def test_splits_are_sliced_together():
    masked = randomize(insert_masks(build(CONV, SPLIT, size=12)))
    decide_at_random(masked, seed=1, keep=(0.5,))
    sliced, _ = assert_slices(masked)
    names = "expand", "se_expand_1", "se_expand_2"
    filters = {sliced.get_layer(f"block1_{n}").filters for n in names}
    assert len(filters) == 1 and filters.pop() < 16


def test_sizes_are_rounded_up():
    model = build(CONV, WIDER, size=9)
    assert model.get_layer("block0_conv").output.shape[1:] == (5, 5, 8)
    assert model.get_layer("block1_shortcut_pool").output.shape[1:] == (3, 3, 8)
    assert model.get_layer("block1_add").output.shape[1:] == (3, 3, 12)


def test_what_may_be_left_out():
    model = build(CONV, GROUPED)
    assert model.get_layer("block0_conv").use_bias
    assert not model.get_layer("block1_expand").use_bias
    bare = {**GROUPED, "mid": [8], "bias": True}
    model = build({**CONV, "bias": False}, bare)
    assert not model.get_layer("block0_conv").use_bias
    assert "block1_expand" not in names_of(model, "block1")
    assert model.get_layer("block1_depthwise3").use_bias
    model = build(CONV, {**bare, "expand": True})
    assert model.get_layer("block1_expand").groups == 2


@pytest.mark.parametrize(
    "changes, reduce, gate",
    [
        ({}, "silu", "sigmoid"),
        ({"se_act": "relu"}, "relu", "sigmoid"),
        (
            {"op": "ir_k5_sehsig_hs", "act": "hswish"},
            "hard_silu",
            "hard_sigmoid",
        ),
        ({"op": "ir_k5_sehsig", "se_gate": "sigmoid"}, "silu", "sigmoid"),
        ({"se_gate": "hard_sigmoid"}, "silu", "hard_sigmoid"),
    ],
)
def test_activations_of_squeeze_excite(changes, reduce, gate):
    model = build(CONV, {**MBCONV, **changes})
    layers = (
        model.get_layer("block1_se_reduce"),
        model.get_layer("block1_se_expand"),
    )
    received = [layer.activation.__name__ for layer in layers]
    assert received == [reduce, gate]
    assert [layer.filters for layer in layers] == [4, 16]


def test_identity_has_no_layers():
    assert count_cost(build(CONV, SKIP)) == count_cost(build(CONV))


def test_groups_are_shuffled():
    model = build(CONV, GROUPED)
    shuffle = keras.Model(
        model.get_layer("block1_expand_act").output,
        model.get_layer("block1_shuffle_join").output,
    )
    x = np.zeros((1, 5, 5, 16), "float32") + np.arange(16, dtype="float32")
    (y,) = run(shuffle, x)
    # The first of each group of 8, then the second of each.
    expected = [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]
    np.testing.assert_array_equal(y, np.broadcast_to(expected, y.shape))


def test_a_block_computes_what_its_formula_says():
    """1x1 kernels on one position, so that it is matrices and vectors."""
    block = {**MBCONV, "act": "relu", "kernels": [1, 3]}
    model = randomize(build({**CONV, "cout": 8, "stride": 1}, block, size=1))
    inner = keras.Model(
        model.get_layer("block0_conv_act").output,
        model.get_layer("block1_add").output,
    )
    x = np.random.default_rng(0).normal(size=(2, 1, 1, 8)).astype("float32")

    def weights(name):
        return model.get_layer(f"block1_{name}").get_weights()

    def normalized(v, name):
        gamma, beta, mean, variance = weights(f"{name}_bn")
        return (v - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    relu, v = (lambda v: np.maximum(v, 0.0)), x[:, 0, 0]
    branches = []
    for kernel in (1, 3):
        expand = weights(f"expand{kernel}")[0][0, 0]
        u = relu(normalized(v @ expand, f"expand{kernel}"))
        center = kernel // 2  # All that zero padding leaves.
        u = u * weights(f"depthwise{kernel}")[0][center, center, :, 0]
        branches.append(relu(normalized(u, f"depthwise{kernel}")))
    u = np.concatenate(branches, -1)
    reduce, reduce_bias = weights("se_reduce")
    expand, expand_bias = weights("se_expand")
    gate = relu(u @ reduce[0, 0] + reduce_bias) @ expand[0, 0] + expand_bias
    u = u / (1.0 + np.exp(-gate))
    expected = v + normalized(u @ weights("project")[0][0, 0], "project")
    (y,) = run(inner, x)
    np.testing.assert_allclose(y[:, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_pooled_shortcut_averages():
    model = build(CONV, {**WIDER, "cout": 8}, size=8)
    pool = keras.Model(
        model.get_layer("block0_conv_act").output,
        model.get_layer("block1_shortcut_pool").output,
    )
    x = np.arange(128, dtype="float32").reshape(1, 4, 4, 8)
    expected = x.reshape(1, 2, 2, 2, 2, 8).mean((2, 4))
    np.testing.assert_allclose(run(pool, x)[0], expected)
    # Nothing to convolve where the channels stay.
    assert "block1_shortcut" not in names_of(model, "block1")


def test_a_shortcut_may_have_a_kernel_where_the_channels_stay():
    pooled = {**WIDER, "cout": 8}
    plain = count_cost(build(CONV, pooled, size=8))
    for stride, names in (
        (1, {"block1_shortcut"}),
        (2, {"block1_shortcut", "block1_shortcut_pool"}),
    ):
        block = {**pooled, "stride": stride, "shortcut_conv": True}
        model = build(CONV, block, size=8)
        assert names_of(model, "block1_shortcut") == names
        layer = model.get_layer("block1_shortcut")
        assert tuple(layer.kernel.shape) == (1, 1, 8, 8) and not layer.use_bias
    cost = count_cost(model)
    assert (cost.macs, cost.params) == (plain.macs + 256, plain.params + 64)
    for value in (False, None):
        model = build(CONV, {**pooled, "shortcut_conv": value}, size=8)
        assert count_cost(model) == plain


def test_pool_of_a_head():
    pooled = build(CONV, IR_POOL)
    flat = build(CONV, {**IR_POOL, "flatten": True})
    assert pooled.layers[-2].name == "pool"
    assert flat.layers[-2].name == "block1_flatten"
    assert count_cost(pooled).pool == 25 * 16 + 24
    assert count_cost(flat).pool == 25 * 16
    flat.set_weights(pooled.get_weights())
    x = inputs_for(flat)
    np.testing.assert_allclose(run(flat, x)[0], run(pooled, x)[0], rtol=1e-6)


def test_plain_and_counted():
    model = build(CONV, MBCONV, WIDER, {**IR_POOL, "cin": 12})
    assert_plain(model)
    cost = count_cost(model)
    assert (cost.macs, cost.params) == (macs_of(model), params_of(model))
    again = keras.Model.from_config(model.get_config())
    assert count_cost(again) == cost
    assert run(model, inputs_for(model))[0].shape == (2, 5)


def test_grouped_network_runs():
    model = build(CONV, {**GROUPED, "residual": "add"})
    assert np.isfinite(run(model, inputs_for(model))[0]).all()


def test_each_kernel_size_can_be_sliced_on_its_own():
    model = build(CONV, MBCONV, {**WIDER, "act": "relu"}, size=12)
    masked = randomize(insert_masks(model))
    decide_at_random(masked, seed=1, keep=(0.5,))
    sliced, _ = assert_slices(masked)
    for block in (1, 2):
        filters = [
            sliced.get_layer(f"block{block}_expand{kernel}").filters
            for kernel in (3, 5)
        ]
        assert filters[0] < 10 and filters[1] < 6


def test_names_and_normalization_are_passed_on():
    model = build(CONV, name="mine", momentum=0.9, epsilon=1e-5)
    norm = model.get_layer("block0_conv_bn")
    assert (model.name, norm.momentum, norm.epsilon) == ("mine", 0.9, 1e-5)


def without(block, key):
    return {k: v for k, v in block.items() if k != key}


@pytest.mark.parametrize(
    "block, field, expected, received",
    [
        ([], "type", "a dictionary", r"\[\]"),
        ({**CONV, "type": "pool"}, "type", "'conv' or 'mbconv'", "'pool'"),
        ({**CONV, "type": ["conv"]}, "type", "'conv'", r"\['conv'\]"),
        (without(CONV, "type"), "type", "'conv'", "None"),
        (without(CONV, "stride"), "stride", "positive integer", "nothing"),
        ({**CONV, "strides": 1}, "'strides'", "'stride'", "'strides'"),
        ({**CONV, 3: 1}, "3", "'stride'", "3"),
        ({**SKIP, "act": "relu"}, "'act'", "'stride'", "'act'"),
        ({**CONV, "cout": 0}, "cout", "positive integer", "0"),
        ({**CONV, "cout": 8.0}, "cout", "positive integer", "8.0"),
        ({**CONV, "cout": True}, "cout", "positive integer", "True"),
        ({**CONV, "bias": None}, "bias", "true or false", "None"),
        ({**CONV, "act": "print"}, "act", "'relu'", "print"),
        ({**CONV, "act": print}, "act", "'relu'", "<built-in"),
        ({**CONV, "cin": 3}, "cin", "8, the channels so far", "3"),
        ({**MBCONV, "kernels": []}, "kernels", "list of positive", r"\[\]"),
        ({**MBCONV, "kernels": 3}, "kernels", "list of positive", "3"),
        ({**MBCONV, "kernels": [3, 3]}, "kernels", "different", r"\[3, 3\]"),
        ({**MBCONV, "mid": [8]}, "mid", "one number for each", r"\[8\]"),
        ({**MBCONV, "mid": [8, "8"]}, "mid", "list of positive", r"\[8, '8'\]"),
        ({**GROUPED, "expand": False}, "mid", r"\[8\], which is", r"\[16\]"),
        ({**GROUPED, "groups_pw": 3}, "groups_pw", "a divisor", "3"),
        ({**MBCONV, "stride": 2}, "residual", "'avgpool/1x1'", "'add'"),
        ({**MBCONV, "cout": 9}, "residual", "'avgpool/1x1'", "'add'"),
        ({**MBCONV, "residual": "sum"}, "residual", "None or 'add'", "sum"),
        ({**MBCONV, "se_gate": "tanh"}, "se_gate", "'sigmoid'", "tanh"),
        ({**SPLIT, "splits": 1}, "splits", "an integer >= 2", "1"),
        ({**SPLIT, "splits": 2.0}, "splits", "an integer >= 2", "2.0"),
        ({**MBCONV, "splits": 2}, "kernels", "one kernel", r"\[3, 5\]"),
        ({**SPLIT, "groups_pw": 2}, "groups_pw", "1 with splits", "2"),
        (without(SPLIT, "se_hidden"), "se_hidden", "channels inside", "None"),
        (
            {**SPLIT, "se_gate": "sigmoid"},
            "se_gate",
            "nothing with splits",
            "sigmoid",
        ),
        ({**SPLIT, "se_act": "relu"}, "se_act", "'swish', the act", "relu"),
        ({**GROUPED, "se_act": "tanh"}, "se_act", "'hswish' or", "tanh"),
        ({**MBCONV, "se_hidden": 0}, "se_hidden", "positive integer", "0"),
        ({**WIDER, "shortcut_conv": 1}, "shortcut_conv", "true or false", "1"),
        (
            {**WIDER, "shortcut_conv": False},
            "shortcut_conv",
            "true where cin and cout differ",
            "False",
        ),
        (
            {**MBCONV, "shortcut_conv": True},
            "shortcut_conv",
            "nothing with the residual 'add'",
            "True",
        ),
        (
            {**GROUPED, "shortcut_conv": False},
            "shortcut_conv",
            "nothing with the residual None",
            "False",
        ),
    ],
)
def test_blocks_that_do_not_fit_are_refused(block, field, expected, received):
    message = (
        rf"field {field} of blocks\[1\]\. Expected .*{expected}.*"
        rf"Received: {received}"
    )
    with pytest.raises(ValueError, match=message):
        build({**CONV, "cin": 3}, block)


def test_a_body_alone_is_refused_with_a_hint():
    with pytest.raises(ValueError, match=r"cin of blocks\[0\].*3.*stem"):
        build(MBCONV)


def test_nothing_may_follow_a_flat_block():
    head = {**IR_POOL, "flatten": True}
    with pytest.raises(ValueError, match=r"flatten of blocks\[2\]"):
        build(CONV, head, {**SKIP, "cin": 24})


@pytest.mark.parametrize("blocks", [None, [], CONV, "conv"])
def test_what_is_no_list_is_refused(blocks):
    with pytest.raises(ValueError, match="argument `blocks`.*list"):
        spaces.build_from_blocks(blocks, (8, 8, 3))


@pytest.mark.parametrize(
    "shape", [(8, 8), (None, None, 3), (8, 8, 3, 1), 8, (8, 0, 3), None]
)
def test_other_input_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="argument `input_shape`"):
        spaces.build_from_blocks([CONV], shape)


@pytest.mark.parametrize("classes", [0, None, 2.0])
def test_other_numbers_of_classes_are_refused(classes):
    with pytest.raises(ValueError, match="argument `classes`"):
        spaces.build_from_blocks([CONV], (8, 8, 3), classes)


@pytest.mark.parametrize("kind", ["skip", "conv"])
def test_subsamples_before_a_convolution_of_one_position(kind):
    # Its gradient with strides has broken TensorFlow's memory.
    block = {"type": kind, "cin": 3, "cout": 8, "stride": 2}
    if kind == "conv":
        block |= {"kernel": 1, "act": "relu"}
    model = spaces.build_from_blocks([block], (7, 8, 3), 5)
    conv = model.get_layer("block0_conv")
    assert conv.strides == (1, 1)
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype("float32")
    expected = keras.ops.conv(x, conv.kernel, strides=2, padding="same")
    found = keras.Model(model.inputs, conv.output)(x)
    np.testing.assert_allclose(found, expected, atol=1e-6)
