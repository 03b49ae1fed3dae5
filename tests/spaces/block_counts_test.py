"""Blocks that are counted once, for maps and channels of all sizes."""

import numpy as np
import pytest

from keras_nas import count_cost
from keras_nas.spaces import build_from_blocks
from keras_nas.spaces.block_counts import WidthCounts
from keras_nas.spaces.block_counts import costs_at
from keras_nas.spaces.block_counts import count_block

MBCONV = {
    "type": "mbconv",
    "cin": 6,
    "cout": 10,
    "kernels": [5],
    "mid": [14],
    "stride": 2,
    "act": "relu",
    "residual": None,
    "se_hidden": 3,
}


def built(block, size, classes=None):
    """Returns what the built network costs, without its classifier."""
    shape = (size, size, block["cin"])
    layers = count_cost(build_from_blocks([block], shape, classes or 1)).layers
    layers = [x for x in layers if classes or x.name != "logits"]
    return [sum(x.macs for x in layers), sum(x.params for x in layers)]


def test_counts_by_the_positions_that_they_go_with():
    counts = count_block(MBCONV)
    outputs = 25 * 14 + 14 * 10
    params = 6 * 14 + 25 * 14 + 14 * 10 + 2 * (14 + 14 + 10)
    params += 14 * 3 + 3 + 3 * 14 + 14
    assert counts.tolist() == [2 * 14 * 3, 6 * 14, outputs, params]


@pytest.mark.parametrize("size", [3, 8, 13])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_costs_at_a_size(size, stride):
    block = {**MBCONV, "stride": stride}
    costs = costs_at(count_block(block), size, stride)
    assert costs.tolist() == built(block, size)


def test_a_block_with_a_stride_says_what_one_without_costs():
    costs = costs_at(count_block(MBCONV), 7, 1)
    assert costs.tolist() == built({**MBCONV, "stride": 1}, 7)


def test_several_sizes_at_once():
    sizes = np.array([4, 5, 9])
    costs = costs_at(count_block(MBCONV), sizes, 2)
    assert costs.tolist() == [built(MBCONV, size) for size in (4, 5, 9)]


def test_a_classifier():
    conv = dict(type="conv", cin=4, cout=6, kernel=1, stride=1, act="relu")
    with_classes, without = count_block(conv, 10), count_block(conv)
    assert (with_classes - without).tolist() == [60, 0, 0, 70]


def test_counts_for_all_widths():
    def count(cin, cout, mid, hidden):
        widths = {"cin": cin, "cout": cout, "mid": [mid], "se_hidden": hidden}
        return count_block({**MBCONV, "expand": True, **widths})

    pairs = [("cin", "mid"), ("mid", "cout"), ("hidden", "mid")]
    counts = WidthCounts(count, pairs)
    rng = np.random.default_rng(0)
    for widths in rng.integers(1, 40, (5, 4)).tolist():
        widths = dict(
            zip(("cin", "cout", "mid", "hidden"), widths, strict=True)
        )
        assert counts.at(**widths).tolist() == count(**widths).tolist()


def test_widths_that_broadcast():
    def count(cin, cout):
        shape = {"cin": cin, "cout": cout, "kernel": 3, "stride": 2}
        return count_block({"type": "conv", **shape, "act": "relu"})

    cin, cout = np.array([[3], [8]]), np.array([5, 6, 7])
    counts = WidthCounts(count, [("cin", "cout")]).at(cin=cin, cout=cout)
    assert counts.shape == (2, 3, 4)
    for i, c in enumerate(cin.ravel()):
        for o, d in enumerate(cout):
            # A kernel, a bias and the two vectors of BatchNormalization.
            assert counts[i, o].tolist() == [0, 0, 9 * c * d, 9 * c * d + 3 * d]
