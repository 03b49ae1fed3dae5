"""Formulas over masks, against the enumeration of every choice."""

import itertools
import types

import numpy as np
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from keras_nas.graph.formula import Channels
from keras_nas.graph.formula import Logic
from keras_nas.graph.reading import Reading

MASKS, LENGTH = 3, 2
CORNERS = [
    np.array(corner, "float32").reshape(MASKS, LENGTH)
    for corner in itertools.product([0.0, 1.0], repeat=MASKS * LENGTH)
]


# Mask 3 is exclusive: one of its three options is on.
OPTIONS = 3
CHOICES = np.eye(OPTIONS, dtype="float32")


def new_logic():
    return Logic({MASKS: OPTIONS})


def value(channels, probabilities):
    """Evaluates channels by a reading of a model without nodes."""
    graph = types.SimpleNamespace(nodes=[])
    nothing = np.zeros(0, int)
    flow = types.SimpleNamespace(
        graph=graph,
        outputs=[],
        logic=new_logic(),
        conditions=[],
        rules=[],
        sources=[],
        group=nothing,
        fixed=nothing.astype(bool),
    )
    vector = Reading(flow, list(probabilities)).value(channels)
    return vector * np.ones(channels.length)


class Case:
    """The same statement twice: as channels, and as a NumPy function."""

    def __init__(self, channels, truth):
        self.channels, self.truth = channels, truth


def masked(index):
    return lambda logic: Case(
        Channels.masked(LENGTH, index), lambda masks: masks[index] > 0
    )


def on(logic):
    return Case(Channels.on(LENGTH), lambda masks: np.ones(LENGTH, bool))


def chosen(option):
    return lambda logic: Case(
        Channels.chosen(LENGTH, MASKS, option),
        lambda masks: np.full(LENGTH, masks[MASKS][option] > 0),
    )


def combine(kind, make_a, make_b, picks):
    """Returns a maker of the case that joins two cases."""

    def make(logic):
        a, b = make_a(logic), make_b(logic)
        if kind == "both":
            return Case(
                logic.both(a.channels, b.channels),
                lambda masks: a.truth(masks) & b.truth(masks),
            )
        if kind == "either":
            return Case(
                logic.either(a.channels, b.channels),
                lambda masks: a.truth(masks) | b.truth(masks),
            )
        if kind == "gated":
            gate = logic.some_channel(b.channels)
            return Case(
                logic.both(a.channels, Channels.gated(LENGTH, gate)),
                lambda masks: a.truth(masks) & b.truth(masks).any(),
            )
        side_by_side = a.channels + b.channels
        return Case(
            side_by_side.take(np.array(picks)),
            lambda masks: np.concatenate([a.truth(masks), b.truth(masks)])[
                list(picks)
            ],
        )

    return make


def formulas():
    leaves = strategies.sampled_from(
        [on, *map(masked, range(MASKS)), *map(chosen, range(OPTIONS))]
    )
    picks = strategies.lists(
        strategies.integers(0, 2 * LENGTH - 1),
        min_size=LENGTH,
        max_size=LENGTH,
    )
    kinds = strategies.sampled_from(["both", "either", "gated", "take"])
    return strategies.recursive(
        leaves,
        lambda inner: strategies.builds(combine, kinds, inner, inner, picks),
        max_leaves=8,
    )


@settings(derandomize=True, deadline=None, max_examples=150)
@given(formulas())
def test_random_formulas_at_every_corner(make):
    case = make(new_logic())
    for corner, choice in itertools.product(CORNERS, CHOICES):
        switches = [*corner, choice]
        np.testing.assert_array_equal(
            value(case.channels, switches), case.truth(switches)
        )


@settings(derandomize=True, deadline=None, max_examples=50)
@given(formulas(), formulas())
def test_formulas_are_monotone_in_probabilities(make_low, make_high):
    """Opening a mask further never closes a channel."""
    logic = new_logic()
    channels = logic.either(make_low(logic).channels, make_high(logic).channels)
    choice = np.array([0.2, 0.3, 0.5], "float32")
    low = [*np.full((MASKS, LENGTH), 0.3, "float32"), choice]
    high = [*np.full((MASKS, LENGTH), 0.6, "float32"), choice]
    assert (value(channels, low) <= value(channels, high) + 1e-6).all()


P = np.array([[0.3, 0.9], [0.5, 0.25], [0.1, 0.7]], "float32")
A, B, C = (Channels.masked(LENGTH, index) for index in range(MASKS))


def test_a_mask_applied_twice_counts_once():
    logic = Logic()
    assert logic.both(A, A) == A
    assert logic.either(A, A) == A
    np.testing.assert_allclose(
        value(logic.both(logic.both(A, B), A), P), P[0] * P[1]
    )


def test_independent_masks():
    logic = Logic()
    union = 1 - (1 - P[0]) * (1 - P[1])
    np.testing.assert_allclose(value(logic.either(A, B), P), union, 1e-6)
    three = 1 - (1 - P[0]) * (1 - P[1]) * (1 - P[2])
    channels = logic.either(logic.either(A, B), C)
    np.testing.assert_allclose(value(channels, P), three, 1e-6)


def test_options_exclude_each_other():
    logic = new_logic()
    x, y, z = (Channels.chosen(LENGTH, MASKS, i) for i in range(OPTIONS))
    g = np.array([0.2, 0.3, 0.5], "float32")
    assert logic.both(x, y) == Channels.off(LENGTH)
    assert logic.either(logic.either(x, y), z).always_on
    np.testing.assert_allclose(value(logic.either(x, y), [*P, g]), 0.5)
    # A where x is chosen, B where y is: probabilities add up.
    mixed = logic.either(logic.both(A, x), logic.both(B, y))
    np.testing.assert_allclose(
        value(mixed, [*P, g]), 0.2 * P[0] + 0.3 * P[1], rtol=1e-6
    )
    # Whatever is chosen, A.
    every = logic.either(logic.both(A, y), logic.both(A, z))
    assert logic.either(every, logic.both(A, x)) == A


def test_what_is_implied_is_dropped():
    logic = Logic()
    assert logic.either(A, logic.both(A, B)) == A
    assert logic.both(A, logic.either(A, B)) == A
    assert logic.both(A, Channels.on(LENGTH)) == A
    assert logic.either(A, Channels.on(LENGTH)).always_on


def test_what_is_implied_only_behind_a_gate_stays():
    logic = Logic()
    gate = Channels.gated(LENGTH, logic.some_channel(C))
    channels = logic.either(logic.both(A, gate), logic.both(A, B))
    for corner in CORNERS:
        a, b, c = corner > 0
        truth = a & (c.any() | b)
        np.testing.assert_array_equal(value(channels, corner), truth)


def test_order_does_not_matter():
    logic = Logic()
    assert logic.either(A, B) == logic.either(B, A)
    ab_c = logic.both(logic.either(A, B), C)
    ba_c = logic.either(logic.both(C, B), logic.both(C, A))
    assert ab_c == ba_c


def test_the_same_gate_is_one_object():
    logic = Logic()
    assert logic.some_channel(A) is logic.some_channel(A)
    assert logic.some_channel(A) is not logic.some_channel(B)
    opened = Channels.gated(LENGTH, logic.some_channel(A))
    assert logic.both(opened, opened) == opened
    some = 1 - (1 - P[0]).prod()
    np.testing.assert_allclose(value(opened, P), [some, some], 1e-6)


def test_one_channel_on_opens_a_gate_for_sure():
    logic = Logic()
    gate = logic.some_channel(A + Channels.on(1))
    assert Channels.gated(LENGTH, gate).always_on


def test_take_repeats_and_reorders():
    channels = (A + B).take(np.array([3, 0, 0, 1, 2]))
    expected = np.concatenate([P[0], P[1]])[[3, 0, 0, 1, 2]]
    assert channels.length == 5
    np.testing.assert_allclose(value(channels, P), expected)
    again = channels.take(np.array([4, 1]))
    np.testing.assert_allclose(value(again, P), [P[1, 0], P[0, 0]])


def test_channels_split_where_their_neighbours_do():
    """Segments of unequal lengths combine position by position."""
    logic = Logic()
    left = A.take([0]) + B + C
    right = C + A + B.take([1])
    p, q = value(left, P), value(right, P)
    both = value(logic.both(left, right), P)
    np.testing.assert_allclose(both[[0, 1, 2, 4]], (p * q)[[0, 1, 2, 4]], 1e-6)
    assert both.shape == (5,)
