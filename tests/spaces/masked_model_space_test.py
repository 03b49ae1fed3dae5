"""MaskedModelSpace: any model with masks, and the ResNets of FiGS."""

import keras
import numpy as np
import pytest

import keras_nas
from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import spaces
from keras_nas.spaces import MaskedModelSpace
from tests.common import decide
from tests.common import randomize


@pytest.fixture(scope="module")
def space():
    model = spaces.mobile_network(
        (8, 8, 3), 5, rows=((8, 2, 2), (12, 1, 1)), stem=4, head=16, expansion=2
    )
    return MaskedModelSpace(keras_nas.insert_masks(model), "mine")


def test_decisions_are_those_of_the_masks(space):
    assert space.masks["stage1_block1_expand_conv_mask"] == 8
    assert space.masks["head_conv_mask"] == 16
    assert space.operators == {}


def test_each_mask_draws_its_own_width(space):
    shares = []
    for seed in range(40):
        decisions = space.sample(seed).decisions
        assert decisions == space.sample(seed).decisions
        shares.append([decisions[m] / n for m, n in space.masks.items()])
    shares = np.array(shares)
    assert shares.min() >= 0.25 - 1 / 8 and shares.max() == 1.0
    assert 0.55 < shares.mean() < 0.7
    assert np.abs(np.corrcoef(shares[:, -1], shares[:, 0])[0, 1]) < 0.5


def test_costs_are_those_of_the_networks(space):
    picks = [
        space.smallest(),
        space.sample(0),
        space.mutate(space.biggest(), 1),
    ]
    macs, params = space.costs(picks)
    for architecture, *count in zip(picks, macs, params, strict=True):
        network = space.build(architecture, classes=5)
        cost = count_cost(network)
        assert [cost.macs, cost.params] == count
        assert network.output_shape == (None, 5)
    with pytest.raises(ValueError, match="`classes`.*5.*Received: classes=7"):
        space.build(picks[1], classes=7)


def test_networks_that_end_are_refused_and_mended(space):
    decisions = space.biggest().decisions
    ended = {**decisions, "stem_conv_mask": 0}
    with pytest.raises(ValueError, match="ends at stem_conv_mask"):
        space.check(Architecture("mine", ended))
    # The second block has a shortcut.
    past = {**decisions, "stage1_block2_project_conv_mask": 0}
    space.check(Architecture("mine", past))
    smallest = space.smallest()
    space.check(smallest)
    assert smallest.decisions["stage1_block2_project_conv_mask"] == 0
    assert smallest.decisions["head_conv_mask"] == 1


def test_networks_that_end_do_not_depend_on_the_image(space):
    model = randomize(space.supernet())
    rng, ended = np.random.default_rng(0), []
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    for _ in range(24):
        counts = {
            mask: int(n * rng.choice([0, 0.5, 1], p=[0.1, 0.4, 0.5]))
            for mask, n in space.masks.items()
        }
        decide(model, **{mask: range(n) for mask, n in counts.items()})
        first, second = np.array(model(images))
        try:
            space.check(Architecture("mine", counts))
            ended.append(False)
            assert not np.allclose(first, second, atol=1e-6)
        except ValueError:
            ended.append(True)
            np.testing.assert_allclose(first, second, atol=1e-6)
    assert 4 < sum(ended) < 20


def test_models_that_do_not_fit_are_refused():
    model = spaces.residual_network((8, 8, 3), 5, widths=(4,))
    with pytest.raises(ValueError, match="no mask layers"):
        MaskedModelSpace(model)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(8)(inputs)
    x = keras_nas.ChannelMask([4, 8], name="counts")(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    with pytest.raises(ValueError, match="other masks: .'counts'"):
        MaskedModelSpace(model)


def test_resnet50_has_a_mask_behind_each_convolution():
    model = keras.applications.ResNet50(
        weights=None, input_shape=(32, 32, 3), classes=10
    )
    masked = keras_nas.insert_masks(model)
    convolutions = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    space = MaskedModelSpace(masked)
    assert len(convolutions) == 53
    assert sorted(space.masks) == sorted(f"{n}_mask" for n in convolutions)
    for layer in masked.layers:
        if isinstance(layer, keras_nas.FiGSMask):
            before = layer.input._keras_history.operation
            assert isinstance(before, keras.layers.BatchNormalization)
    search = keras_nas.search.FiGS(masked, keras_nas.ExpectedFLOPs(1e-9))
    macs, params = space.costs([space.biggest()])
    cost = count_cost(model)
    assert (macs[0], params[0]) == (cost.macs, cost.params)
    assert search.full_cost == cost.macs
