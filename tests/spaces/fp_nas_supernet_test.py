"""FP-NAS' supernet against its children, each built directly."""

import types

import keras
import numpy as np
import pytest
from keras import ops

from keras_nas import count_cost
from keras_nas import decided_cost
from keras_nas import slice_model
from keras_nas import spaces
from tests.common import assert_plain
from tests.elastic import as_child
from tests.elastic import assert_close
from tests.elastic import assert_is_child
from tests.elastic import built_child
from tests.elastic import choices_of
from tests.elastic import choose
from tests.elastic import gradient_step
from tests.elastic import images
from tests.elastic import indices_of
from tests.elastic import weighted_layers
from tests.fp_nas_networks import CLASSES
from tests.fp_nas_networks import TOLERANCE
from tests.fp_nas_networks import changed
from tests.fp_nas_networks import of_child
from tests.fp_nas_networks import supernet_of


@pytest.fixture(scope="module")
def space():
    return spaces.smoke_fp_nas()


@pytest.fixture(scope="module")
def supernets(space):
    """The same network, executed in both ways."""
    models = {e: supernet_of(space, execution=e) for e in ("sliced", "masked")}
    models["masked"].set_weights(models["sliced"].get_weights())
    return models


@pytest.fixture(scope="module")
def children(space, supernets):
    """Some architectures, each with its child built directly."""
    wide = changed(space.biggest(), row1_act="relu")
    chosen = [
        # Row 1 is the identity, and then another width for its input.
        changed(space.smallest(), row1_channels=8),
        changed(wide, row1_kernel=0, row2_splits=1),
        # A shortcut around row 1; other numbers of splits.
        changed(wide, row1_channels=8, row1_splits=1, row2_splits=0),
        changed(wide, row1_kernel=3, row2_expansion="1", row2_channels=8),
        space.sample(seed=0),
    ]
    return [(a, *built_child(space, supernets["sliced"], a)) for a in chosen]


def of_model(model, other, pairs):
    """Returns pairs whose first weights are those of another model."""
    twins = {
        id(v): w for v, w in zip(other.weights, model.weights, strict=True)
    }
    return [(twins[id(weight)], small) for weight, small in pairs]


def shapes(model):
    return [tuple(weight.shape) for weight in model.weights]


def test_decisions_are_those_of_the_space(space, supernets):
    for model in supernets.values():
        choices = choices_of(model)
        assert {n: tuple(c.options) for n, c in choices.items()} == (
            space.decisions
        )


@pytest.mark.parametrize("seed", range(6))
def test_children_that_are_cut_out(space, supernets, seed):
    """The same layers as of the network that is built, and their outputs."""
    model, architecture = supernets["sliced"], space.sample(seed)
    child, _ = built_child(space, model, architecture)
    sliced = slice_model(model, architecture)
    assert_plain(sliced)
    assert shapes(sliced) == shapes(child)
    kinds = [
        [type(layer) for layer in weighted_layers(one)]
        for one in (sliced, child)
    ]
    assert kinds[0] == kinds[1]
    cost, told = count_cost(sliced), count_cost(child)
    assert (cost.macs, cost.params) == (told.macs, told.params)
    macs, params = space.costs([architecture], CLASSES)
    assert (cost.macs, cost.params) == (macs[0], params[0])
    expected = child(images())
    assert_close(sliced(images()), expected)
    for one in supernets.values():
        choose(one, architecture)
        assert_close(one(images()), expected)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("execution", ["sliced", "masked"])
def test_static_indices(supernets, children, execution, training):
    model = supernets[execution]
    for architecture, child, pairs in children:
        pairs = of_model(model, supernets["sliced"], pairs)
        indices = indices_of(model, architecture)
        assert_is_child(
            gradient_step(model, images(), training, indices),
            model,
            child,
            of_child(child, training),
            pairs,
            TOLERANCE[training],
        )


def test_costs_of_decisions(space, supernets):
    for seed in range(3):
        choose(supernets["sliced"], space.sample(seed))
        decided = decided_cost(supernets["sliced"])
        macs, params = space.costs([space.sample(seed)], CLASSES)
        assert (decided.macs, decided.params) == (macs[0], params[0])


def test_numbers_of_splits_share_no_weights(space, supernets):
    """Section 4: what further numbers of splits need is added."""
    sizes = {}
    for r in (0, 1, 2):
        mid, hidden, cin, cout = 32, 8, 16, 16
        sizes[r] = cin * mid + 4 * mid + mid * cout + 4 * cout
        sizes[r] += max(r, 1) * (25 * mid + 4 * mid)
        sizes[r] += (r > 0) * (mid * hidden + hidden)
        sizes[r] += r * (hidden * mid + mid)
    weights = {
        weight.path: int(np.prod(weight.shape))
        for layer in supernets["sliced"].layers
        if layer.name == "row2_block2"
        for weight in layer.weights
        if weight.name != "choice"
    }
    for r, size in sizes.items():
        own = [n for path, n in weights.items() if f"_splits{r}_" in path]
        assert sum(own) == size
    assert sum(weights.values()) == sum(sizes.values())


def test_rows_whose_widths_differ():
    """Shortcuts where the largest widths differ, a stem to choose, no act."""
    rows = [
        dict(op="conv", kernel=3, c=[4, 8], s=2, act="swish", bias=False),
        dict(op="mbconv", e=[1, 2], c=[6, 8, 12], n=1, s=1),
        dict(op="mbconv", e=2, c=[6, 8], n=2, s=1),
        dict(op="mbconv", e=1, c=16, n=1, s=1),
        dict(op="conv", kernel=1, c=[8, 10], s=1, act="relu"),
    ]
    space = spaces.FPNASSpace("odd", rows, acts=["relu"], resolution=8)
    models = [supernet_of(space, execution=e) for e in ("sliced", "masked")]
    picks = [space.sample(seed) for seed in range(3)]
    for first, second in ((4, 8), (8, 8), (8, 12), (8, 6)):
        widths = {"stem_channels": first, "row1_channels": second}
        kernels = {f"row{i}_kernel": 0 for i in (1, 2, 3)}
        picks.append(changed(space.biggest(), **widths, **kernels))
    for architecture in picks:
        child, _ = built_child(space, models[0], architecture)
        sliced = slice_model(models[0], architecture)
        assert shapes(sliced) == shapes(child)
        cost, told = count_cost(sliced), space.costs([architecture], CLASSES)
        assert (cost.macs, cost.params) == (told[0][0], told[1][0])
        expected = child(images())
        for model in models:
            with as_child(model, indices_of(model, architecture)):
                assert_close(model(images()), expected)


def test_spaces_that_decide_little():
    rows = [
        dict(op="conv", kernel=3, c=8, s=1, act="swish"),
        dict(op="mbconv", e=2, c=[8, 12], n=1, s=2),
        dict(op="conv", kernel=1, c=8, s=1, act="relu"),
    ]
    fixed = {"kernels": [3], "acts": ["swish"], "splits": [2]}
    space = spaces.FPNASSpace("little", rows, resolution=8, **fixed)
    model = supernet_of(space)
    assert list(choices_of(model)) == ["row1_channels"]
    for architecture in (space.smallest(), space.biggest()):
        child, _ = built_child(space, model, architecture)
        choose(model, architecture)
        assert_close(model(images()), child(images()))


def test_blocks_that_are_always_left_out():
    rows = [
        dict(op="conv", kernel=3, c=[4, 8], s=2, act="relu"),
        dict(op="mbconv", e=1, c=8, n=2, s=1),
        dict(op="conv", kernel=1, c=8, s=1, act="relu"),
    ]
    space = spaces.FPNASSpace("none", rows, [0], ["relu"], [0], resolution=8)
    model = supernet_of(space)
    for architecture in (space.smallest(), space.biggest()):
        child, _ = built_child(space, model, architecture)
        choose(model, architecture)
        assert_close(model(images()), child(images()))
        assert decided_cost(model).macs == count_cost(child).macs


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="of TensorFlow's XLA"
)
def test_xla_is_the_default_only_where_sizes_are_static(space, monkeypatch):
    gpu = types.SimpleNamespace(device_type="GPU")
    for execution in ("sliced", "masked"):
        model = supernet_of(space, execution=execution)
        with monkeypatch.context() as patch:
            patch.setattr(
                "tensorflow.config.list_physical_devices", lambda *_: [gpu]
            )
            model.compile("sgd", "mse")
            assert model.jit_compile == (execution == "masked")


def test_options_are_passed_on(space):
    model = space.supernet(
        4, momentum=0.9, epsilon=1e-2, synchronized=True, recompute=True
    )
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    received = {(n.momentum, n.epsilon, n.synchronized) for n in norms}
    assert received == {(0.9, 1e-2, True)}
    assert model.get_layer("row1_block1").recompute
    assert not ops.any(ops.isnan(model(images())))


def test_arguments_are_checked(space):
    with pytest.raises(ValueError, match="`classes`.*0"):
        space.supernet(0)
    with pytest.raises(ValueError, match="`execution`.*'both'"):
        space.supernet(2, execution="both")
