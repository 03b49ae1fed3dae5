"""Meeting a budget with masks that choose one of several options."""

import numpy as np
from keras import ops

from keras_nas.costs.limits import scale_limits
from keras_nas.graph import flow_of
from keras_nas.graph.decisions import deciders
from keras_nas.search.budget import first_within


class Choices:
    """The options of a model's masks, with what they are worth and cost.

    A state is one option for each mask that decides, a list of indices.

    Args:
        model: A built model with masks that choose one of several options.
        regularizer: An `ExpectedCost`.
        logits: List of arrays, what the options of each mask that decides are
            worth; by default, the masks' logits.
    """

    def __init__(self, model, regularizer, logits=None):
        self.model, self.regularizer = model, regularizer
        self._masks = flow_of(model).masks
        self.deciders = deciders(flow_of(model))
        if logits is None:
            logits = [ops.convert_to_numpy(m.logits) for m in self.deciders]
        self.logits = [np.asarray(alpha, "float64") for alpha in logits]
        places = {id(mask): i for i, mask in enumerate(self.deciders)}
        self._leaders = [
            [places[id(leader)] for leader in mask.leaders()]
            for mask in self._masks
        ]
        self._known = {}

    def cost(self, state):
        """Returns the cost of the network that a state decides on."""
        key = tuple(state)
        if key not in self._known:
            options = [
                mask.options[index]
                for mask, index in zip(self.deciders, state, strict=True)
            ]
            scales = [
                mask.scale_of(*(options[leader] for leader in leaders))
                for mask, leaders in zip(
                    self._masks, self._leaders, strict=True
                )
            ]
            self._known[key] = self.regularizer.decided(self.model, scales)
        return self._known[key]

    def best(self, price=0.0, costs=None):
        """Returns the state argmax_i (alpha_i - price c_i) of each mask."""
        costs = costs or [0.0] * len(self.logits)
        return [
            int(np.argmax(alpha - price * c))
            for alpha, c in zip(self.logits, costs, strict=True)
        ]

    def smallest(self):
        """Returns the state of the smallest network."""
        flow = flow_of(self.model)
        scales, _ = scale_limits(flow, self.regularizer.measure)
        return [
            next(
                index
                for index, option in enumerate(mask.options)
                if np.array_equal(mask.scale_of(option), scale)
            )
            for mask, scale in zip(self._masks, scales, strict=True)
            if mask.leaders()[0] is mask
        ]

    def changes(self, state):
        """Yields every state that differs in one mask, with its index."""
        for index, alpha in enumerate(self.logits):
            for option in range(len(alpha)):
                if option != state[index]:
                    yield index, [*state[:index], option, *state[index + 1 :]]

    def marginal_costs(self, state):
        """Returns the cost of each option, with the others as in a state."""
        costs = [np.full(len(alpha), 0.0) for alpha in self.logits]
        for index, option in enumerate(state):
            costs[index][option] = self.cost(state)
        for index, changed in self.changes(state):
            costs[index][changed[index]] = self.cost(changed)
        return costs

    def decide(self, state):
        """Raises the logits of a state's options above all others."""
        for mask, alpha, option in zip(
            self.deciders, self.logits, state, strict=True
        ):
            if np.argmax(alpha) != option:
                alpha = alpha.copy()
                alpha[option] = alpha.max() + 1e-3
                mask.logits.assign(alpha)


def fit_choices_to_budget(search, target):
    """Lets the masks decide on the best network within a target.

    Args:
        search: A search with `model` and `regularizer`, whose masks choose
            one of several options each.
        target: The budget, an absolute number.
    """
    choices = Choices(search.model, search.regularizer)
    choices.decide(best_within(choices, target))


def best_within(choices, target):
    """Returns the state of the best network within a target.

    One price p for all masks makes the decisions argmax_i (alpha_i - p c_i),
    of options with the logits alpha_i and the costs c_i of the network with
    this option and the others as they were. It is the lowest price that meets
    the target, negative where what the masks had decided leaves some of it.
    Where no price meets it, since what an option costs depends on other
    choices, the smallest network is the start.
    Then single masks change, as long as the target allows it: to options of
    larger logits if the price is positive, else to more expensive ones; what
    gains most, or loses least, in logits comes first.

    Args:
        choices: `Choices`.
        target: The budget, an absolute number.
    """
    price, state = _at_lowest_price(choices, target)
    if choices.cost(state) > target:
        state = choices.smallest()
    better = state
    while better is not None:
        state, better = better, _improved(choices, better, target, price)
    return state


def _at_lowest_price(choices, target):
    costs = choices.marginal_costs(choices.best())
    prices = _critical_prices(choices.logits, costs)
    first = first_within(
        prices, lambda p: choices.cost(choices.best(p, costs)), target
    )
    return prices[first], choices.best(prices[first], costs)


def _critical_prices(logits, costs):
    """Returns prices between those at which a decision changes, rising."""
    critical = []
    for alpha, c in zip(logits, costs, strict=True):
        gains, savings = (
            np.subtract.outer(alpha, alpha),
            np.subtract.outer(c, c),
        )
        changes = savings != 0
        critical.extend((gains[changes] / savings[changes]).tolist())
    critical = np.unique([0.0, *critical])
    margin = 1.0 + np.abs(critical).max()
    between = (critical[1:] + critical[:-1]) / 2
    return np.array([critical[0] - margin, *between, critical[-1] + margin])


def _improved(choices, state, target, price):
    """Returns the best change of one mask within a target, or `None`."""
    gains = []
    for index, changed in choices.changes(state):
        alpha = choices.logits[index]
        gains.append((alpha[changed[index]] - alpha[state[index]], changed))
    for gain, changed in sorted(gains, key=lambda g: -g[0]):
        if price > 0 and gain <= 0:
            return None
        cost = choices.cost(changed)
        if cost <= target and (price > 0 or cost > choices.cost(state)):
            return changed
    return None
