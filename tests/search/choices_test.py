"""Meeting a target with choices, against the enumeration of all of them."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

import keras_nas
from keras_nas.search.choices import Choices
from keras_nas.search.choices import fit_choices_to_budget


def network():
    """Two masks of three options each, and a choice with nothing in it."""
    inputs = x = keras.Input((8,))
    x = keras_nas.ChannelMask([4, 8, 12], name="a")(layers.Dense(12)(x))
    wide = layers.Dense(12, use_bias=False)(layers.Dense(20)(x))
    choice = keras_nas.BlockChoice(["zero", "one"], zero="zero", name="b")
    x = layers.Add()([x, choice([wide])])
    x = keras_nas.ChannelMask([2, 5, 9], name="c")(layers.Dense(9)(x))
    return keras.Model(inputs, layers.Dense(3)(x))


class Search:
    """What `fit_choices_to_budget` asks of a search."""

    def __init__(self, logits):
        self.model = network()
        self.regularizer = keras_nas.ExpectedFLOPs(target=0.5)
        self.choices = Choices(self.model, self.regularizer)
        for mask in self.choices.deciders:
            mask.logits.assign(logits[mask.name])
        self.choices = Choices(self.model, self.regularizer)

    def states(self):
        """Returns the cost and the sum of logits of every state."""
        numbers = [range(len(mask.options)) for mask in self.choices.deciders]
        logits = self.choices.logits
        return {
            state: (
                self.choices.cost(state),
                sum(a[i] for a, i in zip(logits, state, strict=True)),
            )
            for state in itertools.product(*numbers)
        }

    def decided(self):
        """Returns the state that the masks have decided on."""
        return tuple(
            mask.options.index(mask.decision())
            for mask in self.choices.deciders
        )


def random_search(seed):
    rng = np.random.default_rng(seed)
    return Search(
        {
            "a": rng.normal(size=3),
            "b": rng.normal(size=2),
            "c": rng.normal(size=3),
        }
    )


def test_cost_is_that_of_the_sliced_network():
    search = random_search(0)
    names = [mask.name for mask in search.choices.deciders]
    options = [mask.options for mask in search.choices.deciders]
    for state, (cost, _) in search.states().items():
        decisions = {
            name: values[i]
            for name, values, i in zip(names, options, state, strict=True)
        }
        architecture = keras_nas.Architecture("", decisions)
        sliced = keras_nas.slice_model(search.model, architecture)
        assert cost == keras_nas.count_cost(sliced).macs


@pytest.mark.parametrize("seed", range(6))
def test_targets_are_met_and_used_up(seed):
    """No change of one mask that the target allows would be better."""
    full = random_search(seed).regularizer.full(network())
    for share in (0.2, 0.35, 0.5, 0.7, 1.0):
        search = random_search(seed)
        states, before = search.states(), search.decided()
        target = share * full
        fit_choices_to_budget(search, target)
        after = search.decided()
        cost, worth = states[after]
        assert cost <= target
        near = [
            values
            for state, values in states.items()
            if sum(i != j for i, j in zip(state, after, strict=True)) == 1
        ]
        if states[before][0] > target:
            better = [w for c, w in near if c <= target and w > worth + 1e-9]
        else:
            better = [c for c, _ in near if cost < c <= target]
        assert not better


def test_what_meets_the_target_exactly_stays():
    search = random_search(1)
    before = search.decided()
    fit_choices_to_budget(search, search.choices.cost(before))
    assert search.decided() == before


def test_the_least_certain_decision_changes_first():
    """`a` and `c` could save enough each; `c` hardly prefers its option."""
    search = Search({"a": [0.0, 0.0, 9.0], "b": [9.0, 0.0], "c": [0, 0.9, 1.0]})
    target = search.choices.cost((2, 0, 1))
    fit_choices_to_budget(search, target)
    assert search.decided() == (2, 0, 1)


def test_the_smallest_network_is_reached():
    search = random_search(2)
    smallest = search.regularizer.smallest(search.model)
    fit_choices_to_budget(search, smallest)
    assert search.choices.cost(search.decided()) == smallest
