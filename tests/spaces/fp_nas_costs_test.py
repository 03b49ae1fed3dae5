"""Costs of FP-NAS' networks, to hand counts and to built networks."""

import functools

import numpy as np
import pytest

from keras_nas import count_cost
from keras_nas import spaces

# Odd maps and kernels, strides of 3 and 1, a stem and head to choose.
ROWS = (
    dict(op="conv", kernel=3, c=[5, 8], s=2, act="swish"),
    dict(op="mbconv", e=1, c=[5, 8], n=2, s=3),
    dict(op="mbconv", e=4, c=[8, 9], n=1, s=1),
    dict(op="mbconv", e=[0.5, 1, 3], c=8, n=3, s=2),
    dict(op="conv", kernel=1, c=[8, 10], s=1, act="relu", bias=False),
)


@functools.cache
def find(name):
    """Returns a space whose tables are made once for all tests."""
    if name != "odd":
        return spaces.find_space(name)
    kernels, splits = (0, 1, 7), (1, 3)
    return spaces.FPNASSpace("odd", ROWS, kernels, splits=splits, resolution=29)


def div8(value):
    """Returns the nearest multiple of 8, as the released networks round."""
    low = int(value) // 8 * 8
    nearest = max(8, low + 8 if value - low >= 4 else low)
    return nearest + 8 if nearest < 0.95 * value else nearest


def by_hand(space, architecture, classes=1000):
    """Returns multiply-adds and parameters, from the paper's description."""
    value = architecture.decisions
    c = value.get("stem_channels", space.stem.channels[0])
    size = -(-space.resolution // space.stem.stride)
    macs, params = 27 * c * size**2, 27 * c + 3 * c
    for row in space.rows:
        k, r = value[f"{row.name}_kernel"], value[f"{row.name}_splits"]
        cout = value.get(f"{row.name}_channels", row.channels[0])
        e = value.get(f"{row.name}_expansion", row.expansions[0])
        for block in range(row.repeats):
            stride = row.stride if block == 0 else 1
            before, size = size, -(-size // stride)
            if k == 0:
                if stride > 1 or c != cout:
                    macs += c * cout * size**2
                    params += c * cout + 2 * cout
                c = cout
                continue
            mid = c if row.expansions == ("1",) else div8(float(e) * c)
            if row.expansions != ("1",):
                macs += c * mid * before**2
                params += c * mid + 2 * mid
            depthwise = max(r, 1) * k * k * mid
            macs += (depthwise + mid * cout) * size**2
            params += depthwise + max(r, 1) * 2 * mid + mid * cout + 2 * cout
            if r:
                h = div8(int(mid / 4))
                macs += mid * h + r * h * mid
                params += mid * h + h + r * (h * mid + mid)
            c = cout
    head = value.get("head_channels", space.head.channels[0])
    bias = space.head.bias
    macs += c * head * size**2 + head * classes
    params += c * head + (2 + bias) * head + head * classes + classes
    return macs, params


@pytest.mark.parametrize(
    "name", ["smoke_fp_nas", "small_fp_nas", "odd", "fp_nas_f_plus"]
)
def test_many_networks_by_hand(name):
    space = find(name)
    indices = space.sample_indices(300, seed=1)
    for classes in (1000, 7):
        macs, params = space.costs(indices, classes)
        for i, architecture in enumerate(space.from_indices(indices)):
            expected = by_hand(space, architecture, classes)
            assert (macs[i], params[i]) == expected
    assert macs.dtype == params.dtype == "int64"


def assert_costs_are_those_of_networks(space, architectures, classes):
    macs, params = space.costs(architectures, classes)
    for i, architecture in enumerate(architectures):
        cost = count_cost(space.build(architecture, classes))
        assert (macs[i], params[i]) == (cost.macs, cost.params)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["smoke_fp_nas", "small_fp_nas", "odd"])
def test_random_small_networks(name, seed):
    space = find(name)
    assert_costs_are_those_of_networks(space, [space.sample(seed)], 3 + seed)


def test_full_size_networks():
    space = find("fp_nas_f_plus")
    picks = [space.smallest(), space.biggest(), space.sample(0)]
    assert_costs_are_those_of_networks(space, picks, 1000)


def test_activations_cost_nothing():
    space = find("small_fp_nas")
    indices = space.sample_indices(50, seed=0)
    other = indices.copy()
    for column, key in enumerate(space.decisions):
        if key.endswith("_act"):
            other[:, column] = 1 - other[:, column]
    for one, two in zip(space.costs(indices), space.costs(other), strict=True):
        assert np.array_equal(one, two)
