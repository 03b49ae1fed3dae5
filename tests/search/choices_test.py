"""Meeting a budget with choices, against the enumeration of all decisions."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import BlockChoice
from keras_nas import ChannelMask
from keras_nas import ExpectedFLOPs
from keras_nas import count_cost
from keras_nas import search
from tests.common import deciders_of
from tests.costs import choice_cost_test as networks


def new_search(model, target):
    return search.DMaskingNAS(model, ExpectedFLOPs(target=target))


def finish(model, target):
    """Returns the indices that are chosen, and what they cost."""
    found = new_search(model, target)
    found.finish()
    macs = count_cost(found.export_model()).macs
    assert macs == found.decided_cost()
    return [int(np.argmax(m.logits)) for m in deciders_of(model)], macs


def one_mask():
    """16 + 2 multiply-adds for each channel."""
    return keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(8),
            ChannelMask([1, 2, 4, 5, 8], name="m"),
            layers.Dense(2),
        ]
    )


COSTS = [18 * k for k in (1, 2, 4, 5, 8)]


@pytest.mark.parametrize("seed", range(8))
def test_one_mask_takes_the_best_option_within_the_target(seed):
    rng = np.random.default_rng(seed)
    model, alpha = one_mask(), rng.normal(size=5).astype("float32")
    target = int(rng.integers(18, 8 * 18))
    (mask,) = deciders_of(model)
    mask.logits.assign(alpha)
    within = [i for i, cost in enumerate(COSTS) if cost <= target]
    if np.argmax(alpha) in within:
        best = max(within)  # There is something left to spend.
    else:
        best = max(within, key=lambda i: alpha[i])
    assert finish(model, target) == ([best], COSTS[best])


def inner_choice():
    """An inner choice costs nothing while the outer one is for the other."""
    inputs = keras.Input((4, 4, 4))
    inner = [networks.conv(4, kernel)(inputs) for kernel in (1, 5)]
    inner = networks.choice(["k1", "k5"], "inner", inner)
    outer = [inner, networks.conv(4, 3)(inputs)]
    return keras.Model(inputs, networks.choice(["inner", "k3"], "outer", outer))


NETWORKS = {
    "inner choice": inner_choice,
    "nested": networks.nested,
    "residual": networks.residual,
    "channels, kernel, resolution": networks.chosen_kernel,
    "squeeze-excite": networks.gated,
}


def alternatives(model, state):
    """Yields `(index, option, cost)` of all changes of one decision."""
    flops, masks = ExpectedFLOPs(1.0), deciders_of(model)
    for index, mask in enumerate(masks):
        for option in range(len(mask.options)):
            if option == state[index]:
                continue
            changed = [*state]
            changed[index] = option
            decision = {
                m.name: m.options[i]
                for m, i in zip(masks, changed, strict=True)
            }
            scales = networks.scales_of(model, decision)
            yield index, option, flops.decided(model, scales)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", [1, 2, 6, 8])
def test_targets_are_met_and_used_up(name, seed):
    """From the smallest to the full cost; no single change would be better.

    Either it costs more than the target, or it has smaller logits, or, where
    the decisions had left something of the target, it costs less.
    """
    keras.utils.clear_session()
    model, flops = NETWORKS[name](), ExpectedFLOPs(1.0)
    low, full = flops.smallest(model), flops.full(model)
    for share in (0.0, 0.1, 0.4, 0.8, 1.0):
        networks.drawn(model, seed)
        alphas = [np.array(m.logits) for m in deciders_of(model)]
        before = flops.decided(model)
        target = max(2, round(low + share * (full - low)))
        state, cost = finish(model, target)
        assert low <= cost <= target
        for index, option, other in alternatives(model, state):
            if other > target:
                continue
            alpha = alphas[index]
            if before <= target:
                assert other <= cost
            else:
                assert alpha[option] <= alpha[state[index]]


def test_logits_that_need_not_change_do_not():
    model = networks.nested()
    networks.drawn(model, 1)
    for mask in deciders_of(model):
        mask.logits.assign(np.array(mask.logits) + 100.0)
    before = [np.array(m.logits) for m in deciders_of(model)]
    state, _ = finish(model, ExpectedFLOPs(1.0).smallest(model))
    for mask, alpha, option in zip(
        deciders_of(model), before, state, strict=True
    ):
        after = np.array(mask.logits)
        assert np.argmax(after) == option
        others = np.arange(len(alpha)) != option
        np.testing.assert_array_equal(after[others], alpha[others])


def test_the_order_of_costs_need_not_be_that_of_the_options():
    inputs = keras.Input((4, 4, 3))
    kernels = [
        layers.Conv2D(4, k, padding="same", use_bias=False)(inputs)
        for k in (5, 1, 3)
    ]
    model = keras.Model(
        inputs, BlockChoice(["k5", "k1", "k3"], seed=0)(kernels)
    )
    (mask,) = deciders_of(model)
    for target, logits, chosen in itertools.product(
        [16 * 12 * 9], [[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]], [2]
    ):
        mask.logits.assign(logits)
        assert finish(model, target) == ([chosen], 16 * 12 * 9)
