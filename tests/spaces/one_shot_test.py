"""OneShotSpace: from operators to layers."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from keras_nas.graph import flow_of
from keras_nas.spaces import MaskedModelSpace
from keras_nas.spaces import OneShotSpace
from tests.common import assert_plain
from tests.common import decide
from tests.common import masks_of
from tests.common import randomize


def tiny(aggregator):
    return OneShotSpace(
        "tiny",
        cells=3,
        blocks=2,
        width=4,
        aggregator=aggregator,
        cells_per_stage=1,
        stem_stride=1,
        resolution=8,
    )


@functools.cache
def supernet(aggregator):
    """Returns the supernet of `tiny`, with weights that tell mistakes."""
    return randomize(tiny(aggregator).supernet(classes=5))


def images(size=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, size, size, 3)).astype("float32")


def with_masks(space, **counts):
    """Returns an architecture of some open masks; the others are closed."""
    return Architecture(space.name, {**dict.fromkeys(space.masks, 0), **counts})


def dead_cell(space):
    """Returns all but the second cell, and one block of the first."""
    decisions = {
        mask: 0 if mask.startswith(("cell2", "cell1_block1")) else n
        for mask, n in space.masks.items()
    }
    return Architecture(space.name, decisions)


@pytest.mark.parametrize("aggregator", ["concat", "add"])
def test_slices_compute_what_the_masked_supernet_does(aggregator):
    space, model = tiny(aggregator), supernet(aggregator)
    sizes = {m.name: m.logits.shape[0] for m in masks_of(model)}
    assert sizes == space.masks
    for architecture in (dead_cell(space), space.smallest()):
        channels = space.to_channels(architecture)
        decide(model, **channels.decisions)
        sliced, report = slice_model(model, channels, return_report=True)
        assert_plain(sliced)
        assert report.barriers == []
        np.testing.assert_allclose(
            np.array(sliced(images())), np.array(model(images())), atol=1e-5
        )
        cost, decided = count_cost(sliced), decided_cost(model, channels)
        assert (cost.macs, cost.params) == (decided.macs, decided.params)
    # Of three cells and two blocks each, the smallest has two and one.
    names = {layer.name.split("_")[0] for layer in sliced.layers}
    assert {"cell1", "cell3"} <= names and "cell2" not in names
    assert not any("block2" in layer.name for layer in sliced.layers)


def test_any_masks_of_a_search_are_sliced_exactly():
    space, model = tiny("concat"), supernet("concat")
    rng = np.random.default_rng(1)
    channels = {
        mask: np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.6, 1.0]))
        for mask, n in space.masks.items()
    }
    always = ["stem", "cell1", "cell2", "cell3", "head"]
    channels.update({f"{name}_mask": np.array([1, 3]) for name in always})
    decide(model, **channels)
    found = Architecture("", {m: c.tolist() for m, c in channels.items()})
    sliced = slice_model(model, found)
    np.testing.assert_allclose(
        np.array(sliced(images())), np.array(model(images())), atol=1e-5
    )
    full, less = (decided_cost(model, a) for a in (found, space.prune(found)))
    assert less.params < full.params


@pytest.mark.parametrize("aggregator", ["concat", "add"])
def test_networks_end_where_the_supernet_does(aggregator):
    space, model = tiny(aggregator), supernet(aggregator)
    flow, rng, ended = MaskedModelSpace(model), np.random.default_rng(0), []
    for share in np.linspace(0.02, 0.3, 25):
        counts = {
            mask: int(n * (rng.random() > share))
            for mask, n in space.masks.items()
        }
        ended.append(space._find_gap(counts) is not None)
        assert ended[-1] == (flow._find_gap(counts) is not None), counts
    assert 4 < sum(ended) < 21


def one_cell(aggregator):
    return OneShotSpace(
        "one", 1, 1, 6, aggregator, stem_stride=2, resolution=12
    )


def by_hand(aggregator):
    """Returns one cell with two operators and a pool, in stock layers."""

    def conv(x, name, filters, kernel=1, strides=1):
        x = layers.Conv2D(
            filters,
            kernel,
            strides,
            padding="same",
            use_bias=False,
            name=f"{name}_conv",
        )(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    def separable(x, name, filters, kernel):
        x = layers.DepthwiseConv2D(
            kernel,
            padding="same",
            use_bias=False,
            name=f"{name}_depthwise",
        )(layers.ReLU()(x))
        return conv(x, name, filters)

    block = "cell1_block1"
    inputs = keras.Input((12, 12, 3))
    x = conv(inputs, "stem", 5, 3, 2)
    mix = conv(layers.ReLU()(x), f"{block}_in", 4)
    a = separable(mix, f"{block}_sep5_1", 3, 5)
    a = separable(a, f"{block}_sep5", 2, 5)
    b = separable(mix, f"{block}_sep1x7_1", 1, (1, 7))
    b = separable(b, f"{block}_sep1x7", 2, (7, 1))
    pool = layers.MaxPooling2D(3, 1, padding="same")(mix)[..., :2]
    if aggregator == "add":
        x = layers.Add()([a, b, pool])
    else:
        x = layers.Concatenate()([a, b, pool])
        x = conv(layers.ReLU()(x), block, 6)
    x = conv(layers.ReLU()(x), "cell1", 5)
    x = layers.ReLU()(conv(layers.ReLU()(x), "head", 4))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


@pytest.mark.parametrize("aggregator", ["concat", "add"])
def test_networks_are_those_that_a_hand_writes_down(aggregator):
    space, block = one_cell(aggregator), "cell1_block1"
    counts = {
        "stem": 5,
        f"{block}_in": 4,
        f"{block}_sep5_1": 3,
        f"{block}_sep5": 2,
        f"{block}_sep1x7_1": 1,
        f"{block}_sep1x7": 2,
        f"{block}_max3": 2,
        "cell1": 5,
        "head": 4,
    }
    if aggregator == "concat":
        counts[block] = 6
    counts = {f"{name}_mask": n for name, n in counts.items()}
    model = space.build(with_masks(space, **counts), classes=3)
    hand = by_hand(aggregator)
    for layer in randomize(hand).layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    assert count_cost(model).params == count_cost(hand).params
    assert count_cost(model).macs == count_cost(hand).macs
    np.testing.assert_allclose(
        np.array(model(images(12))), np.array(hand(images(12))), atol=1e-5
    )


def test_cells_read_two_cells_and_halve_the_map():
    space = spaces.one_shot()
    places = {place.name: place for place in space._places}
    assert places["cell1_block1_in"].inputs == ("stem",)
    assert places["cell2_block1_in"].inputs == ("stem", "cell1")
    assert places["cell7_block3_in"].inputs == (
        "cell5",
        "cell6",
        "cell7_block1",
        "cell7_block2",
    )
    widths = [space.masks[f"cell{i}_mask"] for i in range(1, 9)]
    assert widths == [64, 64, 128, 128, 256, 256, 512, 512]
    small = OneShotSpace("s", 4, 1, 2, resolution=32).supernet(classes=2)
    sizes = [small.get_layer(f"cell{i}_bn").output.shape for i in range(1, 5)]
    assert [s[1] for s in sizes] == [8, 8, 4, 4]


def test_path_dropout_drops_whole_operators():
    space = one_cell("concat")
    model = space.supernet(classes=3, seed=0, path_dropout=0.5)
    plain = space.supernet(classes=3)
    drops = [x for x in model.layers if isinstance(x, layers.Dropout)]
    assert not any(isinstance(x, layers.Dropout) for x in plain.layers)
    assert [x.name for x in drops] == [
        f"{name}_drop" for name in space.operators
    ]
    ones = np.ones((4, 3, 3, 6), "float32")
    draws = []
    for _ in range(16):
        values = [np.unique(drop(ones, training=True)) for drop in drops]
        assert all(len(value) == 1 for value in values)
        draws.append([float(value[0]) for value in values])
    assert set(np.ravel(draws)) == {0.0, 2.0}
    assert len({tuple(column) for column in np.transpose(draws)}) == 7
    assert flow_of(model).barriers == []


def test_invalid_arguments_are_refused():
    for name, value in [
        ("cells", 0),
        ("width", 4.0),
        ("stem_stride", 3),
        ("aggregator", "mean"),
    ]:
        with pytest.raises(ValueError, match=f"argument `{name}`"):
            OneShotSpace("mine", **{name: value})
    with pytest.raises(ValueError, match="argument `path_dropout`"):
        one_cell("add").supernet(path_dropout=1.0)
    with pytest.raises(ValueError, match="argument `classes`"):
        one_cell("add").supernet(classes=0)
