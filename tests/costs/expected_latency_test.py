"""Expected latencies, against sums over tables that are written by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import BlockChoice
from keras_nas import ExpectedFLOPs
from keras_nas import ExpectedLatency
from keras_nas import LatencyTable
from keras_nas import ResolutionSubsample
from keras_nas import count_cost
from keras_nas import insert_masks
from keras_nas import search
from keras_nas import slice_model
from keras_nas.costs.limits import scale_limits
from keras_nas.graph import flow_of
from tests.common import choose
from tests.common import conv_block
from tests.common import decide
from tests.common import decide_at_random
from tests.common import head
from tests.common import mask
from tests.common import masks_of

# Microseconds of one multiply-add, far from each other.
RATES = {"a": 0.5, "b": 0.0625, "c": 2.0, "classifier": 32.0}


def network():
    """4x4 images of 2 channels; layers a: 3, b: 4, classifier: 3 channels."""
    inputs = keras.Input((4, 4, 2))
    x = conv_block(inputs, 3, "a", kernel=1)
    return keras.Model(inputs, head(conv_block(x, 4, "b")))


def latency_of(a=3, b=4):
    """Returns the microseconds of `network` with so many channels."""
    macs = {"a": 16 * 2 * a, "b": 16 * 9 * a * b, "classifier": 3 * b}
    return sum(RATES[name] * n for name, n in macs.items())


def table_of(model, rates=RATES):
    """Returns a table with these rates and what `count_cost` counts."""
    rows = {}
    for row in count_cost(model).layers:
        if row.macs:
            entry = rows.setdefault(row.name, {"macs": 0, "microseconds": 0.0})
            entry["macs"] += row.macs
            entry["microseconds"] += rates[row.name] * row.macs
    return LatencyTable(rows)


def latency_of_plain(model):
    """Returns the sum of rate * multiply-adds of a sliced model."""
    rows = [row for row in count_cost(model).layers if row.macs]
    return sum(RATES[row.name] * row.macs for row in rows)


def cost_of(model, strength=1.0, **kwargs):
    strength = None if "target" in kwargs else strength
    return ExpectedLatency(strength, table_of(model), **kwargs)


def expected(cost, model):
    return float(cost(model, dtype="float64"))


def test_full_and_smallest_are_sums_over_the_table():
    model = network()
    cost = cost_of(model)
    assert cost.full(model) == latency_of() == 48 + 108 + 384
    # One channel behind each mask.
    assert cost.smallest(model) == latency_of(1, 1) == 16 + 9 + 96


@pytest.mark.parametrize("a, b", [([0, 1, 2], [1]), ([2], [0, 1, 3])])
def test_decided_latency_of_closed_channels(a, b):
    model = decide(network(), a_mask=a, b_mask=b)
    cost = cost_of(model)
    formula = latency_of(len(a), len(b))
    assert cost.decided(model) == formula
    assert expected(cost, model) == pytest.approx(formula, rel=1e-12)


def test_a_closed_channels_share():
    """One of three channels is a third of its layer's and next layer's."""
    model = network()
    cost = cost_of(model)
    decide(model, a_mask=[0, 1, 2], b_mask=range(4))
    before = cost.decided(model)
    decide(model, a_mask=[0, 2])
    difference = before - cost.decided(model)
    assert difference == pytest.approx((48 + 108) / 3, rel=1e-12)


def test_probabilities_scale_the_rates():
    model = network()
    # One is open for sure, so that no layer closes altogether.
    p, q = np.array([0.9, 0.5, 0.7]), np.array([1 - 1e-12, 0.6, 0.9, 0.4])
    for layer, v in zip(masks_of(model), (p, q), strict=True):
        layer.logits.assign(np.log(v) - np.log1p(-v))
    flops = expected(ExpectedFLOPs(1.0), model)
    same = {name: 0.25 for name in RATES}
    cost = ExpectedLatency(1.0, table_of(model, same))
    assert expected(cost, model) == pytest.approx(0.25 * flops, rel=1e-9)
    # Next to nothing but the last layer counts, which 3 * sum(q) reach.
    decide(model, a_mask=range(3))
    only = {**dict.fromkeys(RATES, 1e-12), "classifier": 2.0}
    cost = ExpectedLatency(1.0, table_of(model, only))
    assert expected(cost, model) == pytest.approx(2 * 3 * q.sum(), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_latency_of_the_sliced_model(seed):
    model = decide_at_random(network(), seed, keep=(0.4, 0.8))
    cost = cost_of(network())
    formula = latency_of_plain(slice_model(model))
    assert cost.decided(model) == pytest.approx(formula, rel=1e-12)
    assert expected(cost, model) == pytest.approx(formula, rel=1e-12)


def test_a_layer_that_is_called_twice():
    """Its row is the sum over both calls, on maps of other sizes."""
    inputs = keras.Input((4, 4, 2))
    shared = layers.Conv2D(2, 1, use_bias=False, name="c")
    x = layers.MaxPooling2D()(shared(inputs))
    model = keras.Model(inputs, mask()(conv_block(shared(x), 3, "a")))
    table = table_of(model)
    assert table.layers["c"]["macs"] == (16 + 4) * 4
    cost = ExpectedLatency(1.0, table)
    assert cost.full(model) == 20 * 4 * 2.0 + 4 * 9 * 6 * 0.5


# Choices: the expensive candidate is the one that takes longer.


def choice():
    inputs = keras.Input((4, 4, 2))
    candidates = [
        layers.Conv2D(2, k, padding="same", use_bias=False, name=name)(inputs)
        for name, k in (("a", 5), ("c", 3))
    ]
    chosen = BlockChoice(["a", "c"], temperature=1.0, seed=0, name="choice")
    return keras.Model(inputs, chosen(candidates))


def test_limits_are_those_of_the_latency_not_of_the_multiply_adds():
    model = choice()
    slow, quick = 16 * 9 * 4 * 2.0, 16 * 25 * 4 * 0.5
    cost = cost_of(model)
    assert (cost.full(model), cost.smallest(model)) == (slow, quick)
    smallest, largest = scale_limits(flow_of(model), cost.measure)
    assert [s.tolist() for s in smallest] == [[1.0, 0.0]]
    assert [s.tolist() for s in largest] == [[0.0, 1.0]]
    flops = ExpectedFLOPs(1.0)
    smallest, _ = scale_limits(flow_of(model), flops.measure)
    assert [s.tolist() for s in smallest] == [[0.0, 1.0]]


def test_expected_latency_of_a_choice():
    model = choice()
    (layer,) = masks_of(model)
    layer.logits.assign([0.3, -0.2])
    p, q = np.array(layer.weights_of_options(), "float64")
    formula = p * 16 * 25 * 4 * 0.5 + q * 16 * 9 * 4 * 2.0
    cost = cost_of(model)
    assert expected(cost, model) == pytest.approx(formula, rel=1e-6)
    choose(model, choice="c")
    assert cost.decided(model) == expected(cost, model) == 16 * 9 * 4 * 2.0


def test_effective_sizes_scale_the_latency():
    inside = keras.Input((None, None, 2))
    x = layers.Conv2D(3, 1, use_bias=False, name="a")(inside)
    part = keras.Model(inside, layers.GlobalAveragePooling2D()(x))
    inputs = keras.Input((4, 4, 2))
    wrapped = ResolutionSubsample([2, 4], part, seed=0, name="r")
    model = keras.Model(inputs, wrapped(inputs))
    cost = cost_of(model)
    assert cost.full(model) == 16 * 6 * 0.5
    assert cost.smallest(model) == 4 * 6 * 0.5


# Targets and penalties.


def test_targets():
    model = decide(network(), a_mask=range(3), b_mask=range(4))
    full = latency_of()
    half = cost_of(model, target=0.5, target_strength=4.0)
    assert half.budget(model) == full / 2
    assert float(half.penalty(model)) == pytest.approx(4.0)
    absolute = cost_of(model, target=200.5)
    assert absolute.budget(model) == 200.5
    assert float(absolute.penalty(model)) == pytest.approx(full / 200.5 - 1)
    assert cost_of(model, target=1.0).budget(model) == full
    decide(model, a_mask=[0], b_mask=[0])
    assert float(half.penalty(model)) == 0.0


@pytest.mark.parametrize(
    "target", [0, -0.5, "half", True, float("nan"), None.__class__]
)
def test_targets_that_are_none(target):
    with pytest.raises(
        ValueError, match="`target`.*a number above 1.*270.00 microseconds"
    ):
        cost_of(network(), target=target).attach(network())


def test_targets_out_of_reach():
    cost = cost_of(network(), target=540.25)
    with pytest.raises(
        ValueError,
        match=r"between 121.00 mic.*and 540.00 mic.*540.25 microseconds",
    ):
        cost.attach(network())
    cost = cost_of(choice(), target=0.1)
    with pytest.raises(ValueError, match=r"between 800.00 microseconds"):
        cost.budget(choice())


def test_counts_still_are_whole_numbers():
    model = network()
    with pytest.raises(ValueError, match=r"whole number, such as 918\. "):
        ExpectedFLOPs(target=100.5).budget(model)
    with pytest.raises(ValueError, match=r"between 179, .*and 1,836, the full"):
        ExpectedFLOPs(target=2000).budget(model)


def test_attached_cost_survives_saving(tmp_path):
    facts = {"device": {"processor": "a CPU"}, "versions": {"litert": None}}
    table = LatencyTable(table_of(network()).layers, **facts)
    cost = ExpectedLatency(table=table, target=0.3, target_strength=3.0)
    model = cost.attach(network())
    decide(model, a_mask=[0, 1, 2], b_mask=[0, 1])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.cost_regularizer) is ExpectedLatency
    assert loaded.cost_regularizer.table == table
    assert loaded.cost_regularizer.get_config() == {
        "strength": None,
        "table": table.as_dict(),
        "target": 0.3,
        "target_strength": 3.0,
    }
    assert float(loaded.losses[0]) == float(model.losses[0]) > 0
    loaded.compile("adam", "mse")
    loaded.fit(np.ones((4, 4, 4, 2)), np.ones((4, 3)), verbose=0)


def test_config_of_a_foreign_file_is_checked():
    config = cost_of(network()).get_config()
    config["table"]["layers"]["a"]["macs"] = "many"
    with pytest.raises(ValueError, match=r"layers\['a'\]\['macs'\]"):
        ExpectedLatency.from_config(config)


@pytest.mark.parametrize("table", [None, {}, "table.json"])
def test_a_table_is_needed(table):
    with pytest.raises(ValueError, match="argument `table`.*measure_latency"):
        ExpectedLatency(1.0, table)


@pytest.mark.parametrize("arguments", [{}, {"strength": 1.0, "target": 0.5}])
def test_either_strength_or_target(arguments):
    with pytest.raises(ValueError, match="exactly one"):
        ExpectedLatency(table=LatencyTable({}), **arguments)


def test_a_layer_that_the_table_lacks_is_named():
    model = network()
    rows = dict(table_of(model).layers)
    del rows["b"]
    cost = ExpectedLatency(1.0, LatencyTable(rows))
    for use in (cost, cost.decided, cost.full, cost.smallest, cost.penalty):
        with pytest.raises(
            ValueError, match="`table`.*layer 'b'.*2 layers.*measure_latency"
        ):
            use(decide(model, a_mask=[0], b_mask=[0]))


# Searches.


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4, 4, 2)).astype("float32")
    return x, x.mean(axis=(1, 2))[:, [0, 1, 0]]


def test_figs_meets_a_target_in_microseconds():
    plain = slice_model(network())
    table = table_of(plain)
    masked = insert_masks(plain)
    cost = ExpectedLatency(table=table, target=0.75)
    for layer in masks_of(masked):
        layer.logits.assign(np.linspace(0.5, 2.5, layer.logits.shape[0]))
    figs = search.FiGS(masked, cost)
    figs.compile("adam", "mse", mask_optimizer=keras.optimizers.Adam(0.1))
    figs.fit(*data(), epochs=2, verbose=0)
    found = figs.export_model()
    formula = latency_of_plain(found)
    assert latency_of() / 2 < formula <= 0.75 * latency_of()
    assert figs.decided_cost() == pytest.approx(formula, rel=1e-12)


def test_width_multiplier_meets_a_target_in_microseconds():
    plain = slice_model(network())
    masked = insert_masks(plain)
    cost = ExpectedLatency(table=table_of(plain), target=0.8)
    found = search.WidthMultiplier(masked, cost).export_model()
    # 2 of 3 and 3 of 4 channels; with all 4 it would be 488 of 540.
    assert count_cost(found).macs == 16 * 4 + 16 * 9 * 6 + 9
    half = ExpectedLatency(table=table_of(plain), target=0.5)
    with pytest.raises(ValueError, match="costs 540.00 mic.*270.00 mic"):
        search.WidthMultiplier(masked, half, channel_multiple=8)


def test_dmasking_meets_a_target_in_microseconds():
    model = choice()
    cost = cost_of(model, target=900.0)
    dmasking = search.DMaskingNAS(model, cost)
    dmasking.compile("sgd", "mse")
    (layer,) = masks_of(model)
    layer.logits.assign([0.0, 5.0])
    x = np.ones((20, 4, 4, 2), "float32")
    dmasking.fit(x, x, epochs=1, verbose=0)
    assert dmasking.architecture().decisions == {"choice": "a"}
