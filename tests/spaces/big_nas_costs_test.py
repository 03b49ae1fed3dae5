"""Costs from tables, to those of the networks that are built."""

import functools

import numpy as np
import pytest

from keras_nas import count_cost
from keras_nas import spaces

# Other kernels, odd maps, a stride of 3, depths that jump.
ROWS = (
    (1, (5, 7), (1, 3), 2, (1, 3)),
    (3, (4, 9), (2,), 3, (3, 7)),
    (2, (9,), (1,), 1, (5,)),
)
LAYOUTS = {
    # Expansions and strides of the stages, stride of the stem.
    "big_nas": ([1, 6, 6, 6, 6, 6, 6], [1, 2, 2, 2, 1, 2, 1], 2),
    "small_big_nas": ([1, 4, 4], [1, 2, 2], 1),
}


@functools.cache
def odd():
    return spaces.BigNASSpace("odd", ROWS, (3, 6), 2, (8, 10), (13, 17, 20))


@functools.cache
def find(name):
    """Returns a space whose tables are made once for all tests."""
    return spaces.find_space(name)


def by_hand(architecture, classes=1000):
    """Returns multiply-adds and parameters, from the paper's description."""
    expansions, strides, stem_stride = LAYOUTS[architecture.name]
    value = {"stage1_kernel": 3, "stage2_kernel": 3, **architecture.decisions}
    size, c = value["resolution"] // stem_stride, value["stem_channels"]
    macs, params = 27 * c * size**2, 27 * c + 2 * c
    for i, (t, stride) in enumerate(zip(expansions, strides, strict=True), 1):
        k, cout = value[f"stage{i}_kernel"], value[f"stage{i}_channels"]
        for block in range(value[f"stage{i}_depth"]):
            before, squeezed, mid = size, c // 4, t * c
            if t > 1:
                macs += c * mid * before**2
                params += c * mid + 2 * mid
            if block == 0:
                size //= stride
            # All stages of these spaces may change the channels.
            weights = k * k * mid + mid * cout + (c * cout) * (block == 0)
            macs += weights * size**2 + 2 * mid * squeezed
            params += weights + 2 * mid * squeezed + squeezed + mid
            params += 2 * mid + 2 * cout
            c = cout
    head = value["head_channels"]
    macs += c * head * size**2 + head * classes
    return macs, params + c * head + 2 * head + head * classes + classes


def assert_costs_are_those_of_networks(space, architectures, classes):
    macs, params = space.costs(architectures, classes)
    for i, architecture in enumerate(architectures):
        cost = count_cost(space.build(architecture, classes))
        assert (macs[i], params[i]) == (cost.macs, cost.params)


def test_every_network_of_a_tiny_space():
    space = find("smoke_big_nas")
    every = np.argwhere(np.ones([len(x) for x in space.decisions.values()]))
    assert len(every) == space.size() == 32
    architectures = space.from_indices(every)
    assert len({str(a.decisions) for a in architectures}) == 32
    assert_costs_are_those_of_networks(space, architectures, 10)


@pytest.mark.parametrize("seed", range(6))
def test_random_small_networks(seed):
    for space in (find("small_big_nas"), odd()):
        architecture = space.sample(seed)
        assert_costs_are_those_of_networks(space, [architecture], 3 + seed)


def test_full_size_networks():
    space = find("big_nas")
    picks = [space.smallest(), space.biggest(), space.sample(0)]
    assert_costs_are_those_of_networks(space, picks, 1000)


@pytest.mark.parametrize("name", LAYOUTS)
def test_many_networks_by_hand(name):
    space = find(name)
    indices = space.sample_indices(500, seed=1)
    for classes in (1000, 7):
        macs, params = space.costs(indices, classes)
        expected = [by_hand(a, classes) for a in space.from_indices(indices)]
        assert [*zip(macs, params, strict=True)] == expected
    assert macs.dtype == params.dtype == "int64"


@pytest.mark.parametrize("kind", ["S", "M", "660M", "L"])
def test_released_networks_by_hand(kind):
    architecture = spaces.released_architecture(f"BigNASModel-{kind}")
    macs, params = find("big_nas").costs([architecture])
    assert (macs[0], params[0]) == by_hand(architecture)


def test_many_small_networks_are_between_the_ends():
    space = find("small_big_nas")
    indices = space.sample_indices(20_000, seed=0)
    macs, params = space.costs(indices)
    low, high = space.costs([space.smallest(), space.biggest()])
    assert low[0] <= macs.min() and macs.max() <= low[1]
    assert high[0] <= params.min() and params.max() <= high[1]
    # Parameters do not depend on the resolution, the first decision.
    same = indices.copy()
    same[:, 0] = 0
    assert np.array_equal(space.costs(same)[1], params)
    assert (space.costs(same)[0] <= macs).all()


def test_a_space_without_decisions():
    space = spaces.BigNASSpace(
        "one", [(2, [8], [2], 2, [3])], [4], 1, [16], [8]
    )
    assert space.size() == 1 and not space.decisions
    architecture = space.smallest()
    cost = space.cost(architecture)
    for architectures in ([architecture] * 2, space.sample_indices(2, 0)):
        macs, params = space.costs(architectures)
        assert macs.tolist() == [cost.macs] * 2
        assert params.tolist() == [cost.params] * 2


def test_networks_in_which_the_channels_stay():
    """Where the space lets them change, the shortcut has its kernel."""
    rows = [(1, [4], [1, 2], 1, [3]), (2, [4, 6], [1], 2, [3])]
    space = spaces.BigNASSpace("stays", rows, [4], 1, [8], [8])
    every = space.from_indices(np.argwhere(np.ones((2, 2))))
    assert_costs_are_those_of_networks(space, every, 10)
    kernels = [
        {x.name for x in space.build(a).layers if x.name.endswith("_shortcut")}
        for a in every
    ]
    assert kernels == 2 * [{"block2_shortcut"}] + 2 * [{"block3_shortcut"}]


def test_no_network_at_all():
    macs, params = find("smoke_big_nas").costs([])
    assert macs.shape == params.shape == (0,)


def test_what_is_not_of_the_space_is_refused():
    space = find("smoke_big_nas")
    with pytest.raises(ValueError, match="space 'smoke_big_nas'"):
        space.costs([spaces.small_big_nas().smallest()])
    with pytest.raises(ValueError, match="argument `architectures`"):
        space.costs(np.zeros((2, 9), int))
    for classes in (0, 1.0, None):
        with pytest.raises(ValueError, match="argument `classes`"):
            space.costs([], classes)
