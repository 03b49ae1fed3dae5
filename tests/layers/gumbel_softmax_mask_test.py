"""What the masks share that choose one of several options."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas import BlockChoice
from keras_nas import ChannelMask
from keras_nas import FiGSMask
from keras_nas import ResolutionSubsample
from tests.common import masks_of
from tests.layers.layer_checks import check_serialization
from tests.layers.layer_checks import step_of
from tests.layers.layer_checks import to_numpy

_KINDS = [ChannelMask, BlockChoice, ResolutionSubsample]
_SHAPES = {
    ChannelMask: (None, 4),
    BlockChoice: [(None, 4)] * 2,
    ResolutionSubsample: (None, 4, 4, 1),
}


def arguments_of(kind):
    """Returns arguments for two options."""
    if kind is ChannelMask:
        return {"choices": [2, 4]}
    if kind is BlockChoice:
        return {"options": ["a", "b"]}
    return {"resolutions": [2, 4], "layer": keras.layers.Rescaling(2.0)}


def built(mask, logits=None):
    mask.build(_SHAPES[type(mask)])
    if logits is not None:
        mask.logits.assign(logits)
    return mask


@pytest.mark.parametrize("leader", _KINDS)
@pytest.mark.parametrize("kind", _KINDS)
def test_any_kind_can_decide_any_other(kind, leader):
    leader = built(leader(**arguments_of(leader), seed=0), [0.0, 0.5])
    follower = built(kind(**arguments_of(kind), decided_by=leader))
    again = built(kind(**arguments_of(kind), decided_by=follower))
    for mask in (follower, again):
        assert mask.leader() is leader
        assert mask.logits is None and mask.uniform() is None
        np.testing.assert_array_equal(
            mask.weights_of_options(), leader.weights_of_options()
        )
        assert mask.options.index(mask.decision()) == 1
        np.testing.assert_array_equal(
            mask.inference_scale(), mask.scale_of(leader.decision())
        )
        assert mask.trainable_weights == leader.trainable_weights


def test_whichever_comes_first_begins_the_step():
    leader = built(ChannelMask([2, 4], seed=0))
    follower = ChannelMask([1, 4], decided_by=leader)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [follower(inputs), leader(inputs)])
    for step in (1, 2):
        a, b = (to_numpy(y) for y in model(np.ones((1, 4)), training=True))
        assert step_of(leader) == step
        assert step_of(follower) == 0
        np.testing.assert_array_equal(a[0, [1, 2, 3]], b[0, [2, 2, 3]])


def test_gradients_of_all_places_meet_in_one_logit():
    leader = built(ChannelMask([2, 4], temperature=1.0, seed=0))
    follower = built(ChannelMask([1, 4], decided_by=leader))
    ones = np.ones((1, 4), "float32")
    with tf.GradientTape() as tape:
        y = leader(ones, training=True)
        with leader.held():
            y = y + follower(ones, training=True)
        loss = tf.reduce_sum(y)
    gradient = tape.gradient(loss, leader.logits.value)
    g = to_numpy(leader.weights_of_options())
    values = np.array([2 + 1, 4 + 4])  # Channels that are on.
    np.testing.assert_allclose(gradient, g * (values - g @ values), rtol=1e-4)


@pytest.mark.parametrize("kind", _KINDS)
def test_held_masks_keep_their_draws(kind):
    mask = kind(**arguments_of(kind), seed=0)
    shapes = _SHAPES[kind]
    shapes = shapes if isinstance(shapes, list) else [shapes]
    inputs = [
        np.full((1, *shape[1:]), 1.0 + index, "float32")
        for index, shape in enumerate(shapes)
    ]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    first = to_numpy(mask(inputs, training=True))
    with mask.held():
        with mask.held():
            pass
        for _ in range(2):
            again = to_numpy(mask(inputs, training=True))
            np.testing.assert_array_equal(again, first)
    assert step_of(mask) == 1
    assert (to_numpy(mask(inputs, training=True)) != first).any()
    assert step_of(mask) == 2


def test_masks_that_are_always_switched_alike():
    leader = built(ChannelMask([2, 4]))
    same = built(ChannelMask([2, 4], decided_by=leader))
    other = built(ChannelMask([1, 4], decided_by=leader))
    alone = built(ChannelMask([2, 4]))
    assert leader.identity() == same.identity()
    assert len({m.identity() for m in (leader, other, alone)}) == 3


@pytest.mark.parametrize("kind", _KINDS)
def test_a_follower_comes_back_from_json(kind):
    leader = ChannelMask([2, 4], seed=1, name="leader")
    follower = kind(**arguments_of(kind), decided_by=leader, seed=2)
    check_serialization(follower)
    again = kind.from_config(follower.get_config())
    assert again.decided_by.get_config() == leader.get_config()


def decided_nested():
    """Two nested models that share a leader; each has a follower of it."""
    leader = ChannelMask([2, 4], seed=0, name="leader")
    x = inputs = keras.Input((4,))
    for _ in range(2):
        inner = keras.Input((4,))
        y = leader(inner)
        y = ChannelMask([1, 4], decided_by=leader)(y)
        x = keras.Model(inner, y)(x)
    return keras.Model(inputs, x)


def test_files_keep_who_decides(tmp_path):
    models = [decided_nested()]
    ones = np.ones((1, 4), "float32")
    models[0](ones, training=True)
    for number in range(2):
        path = tmp_path / f"{number}.keras"
        models[-1].save(path)
        models.append(keras.models.load_model(path))
    for _ in range(2):
        y, *others = (to_numpy(m(ones, training=True)) for m in models)
        for other in others:
            np.testing.assert_array_equal(other, y)
    for model in models:
        (leader,) = {mask.leader() for mask in masks_of(model)}
        assert len(model.weights) == 2
        assert step_of(leader) == 3
        leader.logits.assign([1.0, 0.0])
        assert to_numpy(model(ones)).tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize("kind", _KINDS)
def test_something_else_cannot_decide(kind):
    for other in (FiGSMask(), keras.layers.ReLU(), "leader", 1):
        with pytest.raises(ValueError, match="argument `decided_by`"):
            kind(**arguments_of(kind), decided_by=other)


@pytest.mark.parametrize("kind", _KINDS)
def test_an_unbuilt_leader(kind):
    leader = ChannelMask([2, 4], name="leader")
    with pytest.raises(ValueError, match="decided by 'leader', which is not b"):
        built(kind(**arguments_of(kind), decided_by=leader))


@pytest.mark.parametrize("kind", _KINDS)
def test_a_leader_with_another_number_of_options(kind):
    leader = built(ChannelMask([1, 2, 4], name="leader"))
    with pytest.raises(ValueError, match="decided by 'leader'.*Expected 3"):
        built(kind(**arguments_of(kind), decided_by=leader))


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, None])
def test_other_temperatures_are_refused(kind, temperature):
    with pytest.raises(ValueError, match="argument `temperature`"):
        kind(**arguments_of(kind), temperature=temperature)
