"""The released FBNetV2 networks lie in their spaces, to the last layer."""

import functools

import pytest

from keras_nas import count_cost
from keras_nas import spaces
from keras_nas.spaces.mbconv_parts import IRPool

SPACES = {
    "FBNetV2_F1": spaces.fbnet_v2_released_f,
    "FBNetV2_F2": spaces.fbnet_v2_released_f,
    "FBNetV2_F3": spaces.fbnet_v2_released_f,
    "FBNetV2_L1": spaces.fbnet_v2_released_l,
}


@functools.cache
def built(name):
    return SPACES[name]().build(spaces.released_architecture(name))


@pytest.mark.parametrize("name", SPACES)
def test_counts_are_the_published_ones(name):
    cost = count_cost(built(name))
    computed = spaces.published_record(name)["computed"]
    assert cost.macs == computed["macs"]
    assert cost.pool == computed["pool_elems"]
    assert cost.kernels == computed["weights"]
    assert cost.biases == computed["biases"]
    assert cost.norm == computed["bn_gamma_beta"]


@pytest.mark.parametrize("name", SPACES)
def test_layers_are_the_published_ones(name):
    received = built(name).get_config()
    expected = spaces.published_network(name).get_config()
    assert received.pop("name") == SPACES[name]().name
    assert expected.pop("name") == name
    assert received == expected


def test_small_networks_differ_in_resolution_and_head():
    f1, f2, f3 = (
        spaces.released_architecture(f"FBNetV2_F{i}").decisions
        for i in (1, 2, 3)
    )
    assert f2 == {**f1, "resolution": 160}
    assert f3 == {**f1, "resolution": 192, "head_channels": 1984}


@pytest.mark.parametrize("name", SPACES)
def test_released_numbers_have_others_around_them(name):
    space = SPACES[name]()
    for key, value in spaces.released_architecture(name).decisions.items():
        options = space.decisions[key]
        if key.endswith("_expanded"):
            assert len(options) == 7 and options.index(value) == 4
        elif key.endswith("_channels") and key != "head_channels":
            assert len(options) == 5 and options.index(value) == 2
        elif key.endswith("_type"):
            assert len(options) == 9
        if isinstance(value, int) and key != "resolution":
            assert all(option % 8 == 0 for option in options)


def test_stages():
    space = spaces.fbnet_v2_released_f()
    assert space.resolutions == (128, 160, 192)
    assert space.head == IRPool((1600, 1984), 1344, "hswish")
    shapes = [
        (stage.channels[len(stage.channels) // 2], len(stage.blocks))
        for stage in space.stages
    ]
    assert shapes[0] == (8, 1)
    assert shapes[1:] == [
        (24, 2),
        (32, 1),
        (24, 1),
        (56, 3),
        (80, 3),
        (144, 3),
        (224, 1),
    ]
    (block,) = space.stages[0].blocks
    assert block.residual and block.expanded is None
    space = spaces.fbnet_v2_released_l()
    assert space.resolutions == (224,)
    assert "resolution" not in space.decisions
    assert [len(stage.blocks) for stage in space.stages] == [
        *(1, 4, 1, 3, 4, 6, 5, 1)
    ]


def test_sizes():
    """Five channels, nine types, seven expansions; three sizes, two heads."""
    size = 3 * 9 * 5**7 * (9 * 7) ** 14 * 2
    assert spaces.fbnet_v2_released_f().size() == size
    size = 9 * 5**7 * (9 * 7) ** 24
    assert spaces.fbnet_v2_released_l().size() == size


def test_neighbours_of_a_released_network_build():
    space = spaces.fbnet_v2_released_f()
    f1 = spaces.released_architecture("FBNetV2_F1")
    mutated = space.mutate(f1, seed=0)
    assert mutated != f1
    assert space.cost(mutated, classes=10).macs > 0
