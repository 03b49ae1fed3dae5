"""FBNetSpace: from operators to layers, and FBNet-B in it."""

import functools

import numpy as np
import pytest

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from keras_nas.spaces import FBNetSpace
from keras_nas.spaces import MaskedModelSpace
from tests.common import assert_plain
from tests.common import decide
from tests.common import masks_of
from tests.common import randomize

ROWS = [(4, 1, 1), (6, 2, 2)]
NAMES = ["k3_e1", "k5_e1", "k3_e3", "k5_e3", "k3_e6", "k5_e6"]


def tiny(operators="full"):
    return FBNetSpace("tiny", operators, ROWS, 4, 8, 8, stem_stride=1)


@functools.cache
def supernet():
    """Returns the supernet of `tiny`, with weights that tell mistakes."""
    return randomize(tiny().supernet(classes=5))


def architecture_of(space, record):
    """Returns a published network with one operator, or none, in a block."""
    decisions = dict.fromkeys(space.masks, 0)
    decisions["stem_conv_mask"] = space.stem
    decisions["head_conv_mask"] = space.head
    for index, block in enumerate(record["blocks"][1:-1], 1):
        if block["type"] == "mbconv":
            (kernel,), (mid,) = block["kernels"], block["mid"]
            name = f"block{index}_k{kernel}_e{mid // block['cin']}"
            for mask in space.operators[name]:
                decisions[mask] = space.masks[mask]
    return Architecture(space.name, decisions)


def layers_of(cost):
    return [(row.macs, row.kernels) for row in cost.layers if row.kernels]


def test_fbnet_b_has_the_published_counts():
    space, record = spaces.fbnet(), spaces.published_record("fbnet_b")
    channels = space.to_channels(architecture_of(space, record))
    cost = decided_cost(space.supernet(), channels)
    assert cost.macs == record["computed"]["macs"]
    assert cost.kernels == record["computed"]["weights"]
    assert cost.norm == record["computed"]["bn_gamma_beta"]
    published = count_cost(spaces.published_network("fbnet_b"))
    assert layers_of(cost) == layers_of(published)


def test_operators_are_those_of_the_shape():
    full, reduced = tiny(), tiny("reduced")
    assert list(full.operators) == [
        *(f"block1_{name}" for name in NAMES),
        *(f"block2_{name}" for name in ["skip", *NAMES]),
        *(f"block3_{name}" for name in NAMES),
    ]
    assert list(reduced.operators)[-3:] == [
        "block2_k5_e6",
        "block3_k3_e6",
        "block3_k5_e6",
    ]
    assert full.operators["block2_k3_e1"] == ("block2_k3_e1_project_mask",)
    assert full.masks["block2_k3_e3_expand_mask"] == 12
    assert full.masks["block2_skip_conv_mask"] == 6


def test_blocks_that_keep_the_shape_may_go():
    space = tiny()
    decisions = {
        mask: 0 if mask.startswith(("block1", "block3")) else n
        for mask, n in space.masks.items()
    }
    space.check(Architecture("tiny", decisions))
    decisions.update(
        {m: 0 for m in space.masks if m.startswith("block2") and "k3" not in m}
    )
    space.check(Architecture("tiny", decisions))
    decisions.update({m: 0 for m in space.masks if m.startswith("block2")})
    with pytest.raises(ValueError, match="ends at block2.*block2_skip"):
        space.check(Architecture("tiny", decisions))
    assert [m for m, n in space.smallest().decisions.items() if n] == [
        "stem_conv_mask",
        "block2_skip_conv_mask",
        "head_conv_mask",
    ]


def test_slices_compute_what_the_masked_supernet_does():
    space, model = tiny(), supernet()
    assert {m.name: m.logits.shape[0] for m in masks_of(model)} == space.masks
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    for architecture in (space.smallest(), space.sample(0)):
        channels = space.to_channels(architecture)
        decide(model, **channels.decisions)
        sliced = slice_model(model, channels)
        assert_plain(sliced)
        np.testing.assert_allclose(
            np.array(sliced(x)), np.array(model(x)), atol=1e-5
        )
        cost, decided = count_cost(sliced), decided_cost(model, channels)
        assert (cost.macs, cost.params) == (decided.macs, decided.params)


def test_networks_end_where_the_supernet_does():
    space, model = tiny(), supernet()
    flow, rng, ended = MaskedModelSpace(model), np.random.default_rng(0), []
    for share in np.linspace(0.02, 0.5, 25):
        counts = {
            mask: int(n * (rng.random() > share))
            for mask, n in space.masks.items()
        }
        ended.append(space._find_gap(counts) is not None)
        assert ended[-1] == (flow._find_gap(counts) is not None), counts
    assert 4 < sum(ended) < 24


def test_invalid_arguments_are_refused():
    for name, value in [
        ("operators", "half"),
        ("rows", [(4, 1)]),
        ("stem", 0),
        ("resolution", "8"),
    ]:
        with pytest.raises(ValueError, match=f"argument `{name}`"):
            FBNetSpace("mine", **{name: value})
