"""Architectures as arrays of indices."""

import numpy as np
import pytest

from keras_nas.spaces import SearchSpace
from keras_nas.spaces import decision_indices

SPACE = SearchSpace("toy", {"width": (8, 16, 24), "kind": ("skip", "conv")})
COUNTS = (3, 2)


def read(architectures):
    return decision_indices.read_indices(SPACE, architectures)


def test_draws_are_of_their_seed_and_uniform():
    draw = decision_indices.draw_indices
    indices = draw(SPACE, 6000, 1)
    assert indices.shape == (6000, 2)
    assert np.array_equal(indices, draw(SPACE, 6000, 1))
    assert not np.array_equal(indices, draw(SPACE, 6000, 2))
    assert draw(SPACE, 0, 1).shape == (0, 2)
    joint = np.zeros(COUNTS, int)
    np.add.at(joint, tuple(indices.T), 1)
    # 1000 each; 150 are more than five standard deviations.
    assert (abs(joint - 1000) < 150).all()


def test_indices_are_those_of_the_options():
    architectures = [SPACE.sample(seed) for seed in range(20)]
    indices = read(architectures)
    for architecture, (width, kind) in zip(architectures, indices, strict=True):
        assert architecture.decisions == {
            "width": (8, 16, 24)[width],
            "kind": ("skip", "conv")[kind],
        }
    decisions = decision_indices.decisions_of_indices(SPACE, indices)
    assert decisions == [a.decisions for a in architectures]
    assert type(decisions[0]["width"]) is int
    assert read([]).shape == (0, 2)
    assert read(indices) is indices


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_all_integers_will_do(dtype):
    indices = np.array([[2, 1]], dtype)
    assert read(indices).dtype == dtype
    (decisions,) = decision_indices.decisions_of_indices(SPACE, indices)
    assert decisions == {"width": 24, "kind": "conv"}


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 3), int),
        np.zeros(2, int),
        np.array(0),
        np.zeros((3, 2)),
        np.zeros((3, 2), bool),
        SPACE.smallest(),
        "toy",
        None,
    ],
)
def test_other_shapes_are_refused(wrong):
    expected = r"`architectures`.*shape \(any, 2\).*space 'toy'"
    with pytest.raises(ValueError, match=expected):
        read(wrong)
    with pytest.raises(ValueError, match=r"`indices`.*shape \(any, 2\)"):
        decision_indices.decisions_of_indices(SPACE, wrong)


@pytest.mark.parametrize("row", [(0, 2), (0, -1)])
def test_other_indices_are_refused(row):
    expected = rf"{row[1]} in row 1 for decision 'kind' of 2 options"
    indices = np.array([(2, 1), row, (3, 0)])
    with pytest.raises(ValueError, match=f"`architectures`.*{expected}"):
        read(indices)
    with pytest.raises(ValueError, match=f"`indices`.*{expected}"):
        decision_indices.decisions_of_indices(SPACE, indices)


def test_architectures_of_other_spaces_are_refused():
    other = SearchSpace("other", {"width": (8, 16)}).smallest()
    with pytest.raises(ValueError, match="Expected one of space 'toy'"):
        read([SPACE.smallest(), other])


@pytest.mark.parametrize("value", [-1, 1.0, True, None, "1"])
def test_draws_of_other_numbers_are_refused(value):
    with pytest.raises(ValueError, match="argument `n`"):
        decision_indices.draw_indices(SPACE, value, 0)
    with pytest.raises(ValueError, match="argument `seed`"):
        decision_indices.draw_indices(SPACE, 1, value)


def test_mutations_change_each_decision_with_their_probability():
    indices = np.tile([[2, 0]], (6000, 1))
    rng = np.random.default_rng(0)
    mutated = decision_indices.mutate_indices(SPACE, indices, rng, 0.5)
    assert (indices == [2, 0]).all()
    joint = np.zeros(COUNTS, int)
    np.add.at(joint, tuple(mutated.T), 1)
    # One half stays; the others share what changes. 180 are more than five
    # standard deviations.
    expected = np.outer([750, 750, 1500], [1, 1])
    assert (abs(joint - expected) < 180).all()
    for probability, is_same in ((0.0, True), (1.0, False)):
        mutated = decision_indices.mutate_indices(
            SPACE, indices, rng, probability
        )
        assert ((mutated == indices) == is_same).all()
