"""SearchSpace: what every space can do with its decisions."""

import itertools

import keras
import pytest

from keras_nas import Architecture
from keras_nas import count_cost
from keras_nas.spaces import SearchSpace

OPTIONS = {"width": (8, 16, 24, 32), "kind": ("skip", "conv"), "depth": [1, 2]}
SPACE = SearchSpace("toy", OPTIONS)


def changed(**changes):
    """Returns the smallest architecture with changes; `None` takes away."""
    decisions = {**SPACE.smallest().decisions, **changes}
    return Architecture(
        "toy", {k: v for k, v in decisions.items() if v is not None}
    )


def test_decisions_are_tuples_in_order():
    assert SPACE.name == "toy"
    assert list(SPACE.decisions.items()) == [
        ("width", (8, 16, 24, 32)),
        ("kind", ("skip", "conv")),
        ("depth", (1, 2)),
    ]


def test_one_option_is_no_decision():
    space = SearchSpace("toy", {"width": (8,), "depth": (1, 2)})
    assert space.decisions == {"depth": (1, 2)}
    assert space.size() == 2
    fixed = SearchSpace("fixed", {"width": (8,)})
    assert fixed.size() == 1
    assert fixed.sample(0) == fixed.smallest() == Architecture("fixed", {})


def test_size_is_the_number_of_architectures():
    picks = [
        Architecture("toy", dict(zip(SPACE.decisions, values, strict=True)))
        for values in itertools.product(*SPACE.decisions.values())
    ]
    for architecture in picks:
        SPACE.check(architecture)
    assert SPACE.size() == len(picks) == 16
    seen = {SPACE.sample(seed).to_json() for seed in range(300)}
    assert seen == {architecture.to_json() for architecture in picks}


def test_size_is_exact():
    space = SearchSpace("big", {f"d{i}": (1, 2, 3) for i in range(100)})
    assert space.size() == 3**100


def test_smallest_and_biggest():
    decisions = {"width": 8, "kind": "skip", "depth": 1}
    assert SPACE.smallest() == Architecture("toy", decisions)
    decisions = {"width": 32, "kind": "conv", "depth": 2}
    assert SPACE.biggest() == Architecture("toy", decisions)


def test_picks_are_plain_and_survive_json():
    for architecture in (SPACE.sample(0), SPACE.mutate(SPACE.smallest(), 0, 1)):
        kinds = [type(value) for value in architecture.decisions.values()]
        assert kinds == [int, str, int]
        again = Architecture.from_json(architecture.to_json())
        assert again == architecture
        SPACE.check(again)


def test_samples_are_a_function_of_the_seed():
    again = SearchSpace("toy", OPTIONS)
    seeds = range(20)
    picks = [SPACE.sample(seed) for seed in seeds]
    assert picks == [again.sample(seed) for seed in reversed(seeds)][::-1]


def test_samples_are_uniform():
    picks = [SPACE.sample(seed).decisions for seed in range(2000)]
    for key, options in SPACE.decisions.items():
        for option in options:
            share = sum(p[key] == option for p in picks) / len(picks)
            assert share == pytest.approx(1 / len(options), abs=0.05)
    # Independent, too.
    both = sum(p["width"] == 8 and p["depth"] == 1 for p in picks) / len(picks)
    assert both == pytest.approx(1 / 8, abs=0.04)


def test_mutations_change_what_they_must():
    start = SPACE.sample(seed=3)
    before = dict(start.decisions)
    assert SPACE.mutate(start, 0, probability=0) == start
    for seed in range(20):
        mutated = SPACE.mutate(start, seed, probability=1)
        SPACE.check(mutated)
        assert mutated == SPACE.mutate(start, seed, probability=1)
        for key, value in start.decisions.items():
            assert mutated.decisions[key] != value
    assert start.decisions == before


def test_mutations_are_as_often_as_asked_for_and_uniform():
    start = SPACE.smallest()
    decisions = start.decisions
    mutated = [SPACE.mutate(start, seed).decisions for seed in range(2000)]
    for key in decisions:
        share = sum(m[key] != decisions[key] for m in mutated) / len(mutated)
        assert share == pytest.approx(0.1, abs=0.03)
    mutated = [SPACE.mutate(start, s, 0.5).decisions for s in range(2000)]
    for width in (16, 24, 32):
        share = sum(m["width"] == width for m in mutated) / len(mutated)
        assert share == pytest.approx(1 / 6, abs=0.03)
    both = sum(m["kind"] == "conv" and m["depth"] == 2 for m in mutated)
    assert both / len(mutated) == pytest.approx(1 / 4, abs=0.04)


@pytest.mark.parametrize(
    "architecture, message",
    [
        (changed(width=9), r"'width'.*one of \[8, 16, 24, 32\].*Received: 9"),
        (changed(width="8"), r"'width'.*\[8, 16, 24, 32\].*Received: '8'"),
        (changed(width=8.0), r"'width'.*\[8, 16, 24, 32\].*Received: 8\.0"),
        (changed(depth=True), r"'depth'.*one of \[1, 2\].*Received: True"),
        (changed(depth=[1]), r"'depth'.*one of \[1, 2\].*Received: \[1\]"),
        (changed(kind="pool"), r"'kind'.*\['skip', 'conv'\].*'pool'"),
        (changed(kind=None), r"'kind'.*\['skip', 'conv'\].*no such decision"),
        (changed(other=3), r"'other'.*'toy'.*\['width', .*Received: 3"),
        (Architecture("net", changed().decisions), "'toy'.*one of 'net'"),
        ({"width": 8}, "keras_nas.Architecture.*'toy'.*dict.*load"),
        (None, "keras_nas.Architecture.*NoneType"),
    ],
)
def test_what_is_not_of_the_space_is_refused(architecture, message):
    for use in (SPACE.check, lambda a: SPACE.mutate(a, seed=0)):
        with pytest.raises(ValueError, match=message):
            use(architecture)


@pytest.mark.parametrize("seed", [None, -1, 1.0, "1", True, [1]])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="argument `seed`.*Received: seed="):
        SPACE.sample(seed)
    with pytest.raises(ValueError, match="argument `seed`"):
        SPACE.mutate(SPACE.smallest(), seed)


@pytest.mark.parametrize("probability", [-0.1, 1.1, None, "1", float("nan")])
def test_other_probabilities_are_refused(probability):
    with pytest.raises(ValueError, match="argument `probability`.*0 to 1"):
        SPACE.mutate(SPACE.smallest(), 0, probability)


@pytest.mark.parametrize("name", [None, 3, ""])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="argument `name`"):
        SearchSpace(name, {})


@pytest.mark.parametrize(
    "decisions, received",
    [
        (None, "decisions=None"),
        ([("a", (1, 2))], "decisions="),
        ({3: (1, 2)}, "3 with"),
        ({"a": ()}, r"'a' with \(\)"),
        ({"a": 3}, "'a' with 3"),
        ({"a": "bc"}, "'a' with bc"),
        ({"a": (1, 1)}, r"'a' with \(1, 1\)"),
        ({"a": (1, True)}, r"'a' with \(1, True\)"),
        ({"a": (1, 2.0)}, r"'a' with \(1, 2.0\)"),
        ({"a": ([1], [2])}, r"'a' with \(\[1\], \[2\]\)"),
    ],
)
def test_other_decisions_are_refused(decisions, received):
    message = rf"argument `decisions`.*Received: {received}"
    with pytest.raises(ValueError, match=message):
        SearchSpace("toy", decisions)


def test_the_base_builds_nothing():
    with pytest.raises(NotImplementedError):
        SPACE.build(SPACE.smallest())
    with pytest.raises(NotImplementedError):
        SPACE.supernet()


class DenseSpace(SearchSpace):
    def build(self, architecture, classes=1000):
        units = architecture.decisions["units"]
        inner = keras.layers.Dense(units)
        outer = keras.layers.Dense(classes)
        return keras.Sequential([keras.Input((4,)), inner, outer])


def test_cost_is_that_of_the_network():
    space = DenseSpace("dense", {"units": (2, 3)})
    cost = space.cost(space.biggest(), classes=10)
    assert cost.macs == 4 * 3 + 3 * 10
    assert cost.params == 4 * 3 + 3 + 3 * 10 + 10
    assert space.cost(space.smallest()).macs == 4 * 2 + 2 * 1000
    model = space.build(space.biggest(), 10)
    assert count_cost(model).macs == cost.macs
