"""Published networks: every count and every layer, to the last unit."""

import functools
import itertools
import json
import pathlib

import keras
import pytest

from keras_nas import count_cost
from keras_nas import spaces
from keras_nas.graph import flow_of
from tests.common import assert_plain

LAYERS = pathlib.Path(__file__).with_name("published_layers.json")
FIXTURE = json.loads(LAYERS.read_text())
NAMES = sorted(FIXTURE["networks"])
ACTIVATIONS = {
    "linear": None,
    "silu": "swish",
    "hard_silu": "hswish",
    "sigmoid": "gate",
    "hard_sigmoid": "gate",
}


@functools.cache
def built(name):
    """Returns the cost of a network and its rows; each is built once."""
    model = spaces.published_network(name)
    assert_plain(model)
    cost = count_cost(model)
    return cost, rows_of(model, cost)


def rows_of(model, cost):
    """Returns the convolutions and dense layers as the fixture has them.

    The 1x1 convolutions before several depthwise ones are one row there; of
    the depthwise ones, which may run in any order, small kernels come first.
    """
    flow, kernels = flow_of(model), {row.name: row for row in cost.layers}
    calls = [
        node
        for node in flow.graph.nodes
        if getattr(node.operation, "kernel", None) is not None
    ]
    rows = []
    for name, nodes in itertools.groupby(calls, key=part_of):
        group = [row_of(flow, node, kernels[node.name]) for node in nodes]
        group.sort(key=lambda row: row["k"])
        if name.endswith("_expand"):
            for key in ("cout", "weights", "macs"):
                group[0][key] = sum(row[key] for row in group)
            group = group[:1]
        rows += group
    return rows


def part_of(node):
    """Returns a name without the kernel size at its end."""
    return node.name.rstrip("0123456789")


def row_of(flow, node, counted):
    layer = node.operation
    (x,), (y,) = node.input_tensors, node.output_tensors
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return {
        "cin": x.shape[-1],
        "cout": y.shape[-1],
        "k": getattr(layer, "kernel_size", [1])[0],
        "stride": getattr(layer, "strides", [1])[0],
        "groups": x.shape[-1] if is_depthwise else getattr(layer, "groups", 1),
        "h_out": y.shape[1] if len(y.shape) == 4 else 1,
        "bias": int(layer.use_bias),
        **after(flow, node),
        "weights": counted.kernels,
        "macs": counted.macs,
    }


def after(flow, node):
    """Returns whether BatchNorm follows a layer, and which activation."""
    layer, bn = node.operation, 0
    act = layer.activation.__name__
    while act == "linear":
        readers = flow.consumers.get(id(node.output_tensors[0]), [])
        if len(readers) != 1:
            break
        (node,) = readers
        if isinstance(node.operation, keras.layers.BatchNormalization):
            bn = 1
        elif isinstance(node.operation, keras.layers.Activation):
            act = node.operation.activation.__name__
        else:
            break
    return {"bn": bn, "act": ACTIVATIONS.get(act, act)}


def test_all_networks_are_there():
    assert sorted(spaces.published_names()) == NAMES
    assert len(NAMES) == 20


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_the_cost_is_the_published_one(name):
    cost, computed = built(name)[0], spaces.published_record(name)["computed"]
    assert cost.macs == computed["macs"]
    assert cost.pool == computed["pool_elems"]
    assert cost.kernels == computed["weights"]
    assert cost.biases == computed["biases"]
    assert cost.norm == computed["bn_gamma_beta"]
    assert cost.params == computed["trainable_total"]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_is_the_published_one(name):
    published = [
        dict(zip(FIXTURE["fields"], values, strict=True))
        for values in FIXTURE["networks"][name]
    ]
    received = built(name)[1]
    assert len(received) == len(published)
    for row, expected in zip(received, published, strict=True):
        expected.pop("role")
        assert row == expected


def test_blocks_as_the_reference_has_them():
    """The keys that only inform, and those that are left out, are no matter."""
    record = spaces.published_record("FBNetV2_F1")
    for block in record["blocks"]:
        block.update(h_in=1, expansion=1.5, note="")
        if block.pop("se_gate", None):
            block["op"] = "ir_k5_sehsig_hs"
    model = spaces.build_from_blocks(record["blocks"], (128, 128, 3))
    cost, rows = built("FBNetV2_F1")
    assert count_cost(model) == cost
    gates = [
        layer.activation.__name__
        for layer in model.layers
        if layer.name.endswith("_se_expand")
    ]
    assert gates == ["hard_sigmoid"] * 8


@pytest.mark.parametrize(
    "family, gate",
    [
        ("fbnetv2", {"hard_sigmoid"}),
        ("attentivenas", {"hard_sigmoid"}),
        ("atomnas", {"sigmoid", None}),
        ("bignas", {"sigmoid"}),
        ("fbnet_v1", {None}),
    ],
)
def test_gates_of_a_family(family, gate):
    found = set()
    for name in NAMES:
        record = spaces.published_record(name)
        if record["family"] == family:
            hidden = [b for b in record["blocks"] if b.get("se_hidden")]
            gates = {b.get("se_gate", "sigmoid") for b in hidden}
            found |= gates or {None}
    assert found == gate


def test_other_classes_and_sizes():
    model = spaces.published_network("AtomNAS-A+", 10, (32, 48, 3), epsilon=0.1)
    assert model.input_shape == (None, 32, 48, 3)
    assert model.output_shape == (None, 10)
    assert model.get_layer("block0_conv_bn").epsilon == 0.1
    assert model.name == "AtomNAS-A_plus"


def test_a_record_can_be_changed():
    spaces.published_record("fbnet_a")["blocks"].clear()
    assert spaces.published_record("fbnet_a")["blocks"]


@pytest.mark.parametrize("name", ["fbnet_z", None, 3])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="'fbnet_a'.*Received: name="):
        spaces.published_record(name)
    with pytest.raises(ValueError, match="argument `name`"):
        spaces.published_network(name)
