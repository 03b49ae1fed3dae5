"""Which calls belong to which candidate, in networks drawn by hand."""

import keras
import pytest
from keras import layers

from keras_nas import BlockChoice
from keras_nas.graph import ChannelFlow
from keras_nas.graph.decisions import read_scales
from tests.common import choose
from tests.common import masks_of
from tests.common import randomize


def conv(name):
    return layers.Conv2D(4, 1, name=name)


def choice(name, candidates, zero=None):
    options = [f"{name}{i}" for i in range(len(candidates))]
    if zero is not None:
        options.append(zero)
    return BlockChoice(options, zero=zero, seed=0, name=name)(candidates)


def conditions(outputs, inputs):
    """Returns `{node name: {(mask name, option)}}`."""
    flow = ChannelFlow(keras.Model(inputs, outputs))
    return {
        node.name: {(flow.masks[m].name, option) for m, option in condition}
        for node, condition in zip(
            flow.graph.nodes, flow.conditions, strict=True
        )
    }


def image():
    return keras.Input((4, 4, 4))


def test_candidates_of_a_diamond():
    x = image()
    y = conv("stem")(x)
    y = choice("c", [conv("a2")(conv("a1")(y)), conv("b")(y)])
    found = conditions(conv("end")(y), x)
    assert found == {
        "stem": set(),
        "a1": {("c", 0)},
        "a2": {("c", 0)},
        "b": {("c", 1)},
        "c": set(),
        "end": set(),
    }


def test_what_two_candidates_share():
    """It is needed whichever of the two is chosen, and not by the third."""
    x = image()
    y = conv("shared")(x)
    found = conditions(choice("c", [conv("a")(y), conv("b")(y)]), x)
    assert found["shared"] == set()


def test_what_a_candidate_and_the_shortcut_share():
    x = image()
    y = conv("shared")(x)
    z = choice("c", [conv("a")(y)], zero="skip")
    found = conditions(layers.Add(name="add")([y, z]), x)
    assert found["shared"] == set() and found["a"] == {("c", 0)}


def test_an_output_of_the_model_is_always_needed():
    x = image()
    a, b = conv("a")(x), conv("b")(x)
    found = conditions([choice("c", [a, b]), a], x)
    assert found["a"] == set() and found["b"] == {("c", 1)}


def test_a_candidate_of_one_choice_beside_another():
    x = image()
    a, b, c = conv("a")(x), conv("b")(x), conv("c")(x)
    y = layers.Add()([choice("p", [a, b]), choice("q", [b, c])])
    found = conditions(y, x)
    assert found["a"] == {("p", 0)}
    assert found["b"] == set()  # Of p's second option, or of q's first.
    assert found["c"] == {("q", 1)}


def test_nested_choices():
    x = image()
    inner = choice("in", [conv("a")(x), conv("b")(conv("before_b")(x))])
    outer = choice("out", [conv("after")(inner), conv("c")(x)])
    found = conditions(outer, x)
    assert found["in"] == found["after"] == {("out", 0)}
    assert found["a"] == {("out", 0), ("in", 0)}
    assert found["b"] == found["before_b"] == {("out", 0), ("in", 1)}
    assert found["c"] == {("out", 1)}


def test_the_same_tensor_as_two_candidates():
    x = image()
    a = conv("a")(x)
    assert conditions(choice("c", [a, a]), x)["a"] == set()


def test_a_nested_model_is_a_candidate():
    x = image()
    block = keras.Sequential([image(), conv("a1"), conv("a2")])
    found = conditions(choice("c", [block(x), conv("b")(x)]), x)
    assert found["a1"] == found["a2"] == {("c", 0)}


def test_a_choice_that_follows_has_the_leaders_condition():
    x = image()
    leader = BlockChoice(["a", "b"], name="leader")
    y = leader([conv("a")(x), conv("b")(x)])
    z = BlockChoice(["p", "q"], decided_by=leader)([conv("p")(y), conv("q")(y)])
    found = conditions(z, x)
    assert found["p"] == {("leader", 0)} and found["q"] == {("leader", 1)}


# Which layers compute something, for each decision on p and q.
RUNS = {
    ("p0", "q0"): {"stem", "a", "b"},
    ("p0", "q1"): {"stem", "a", "c"},
    ("p1", "q0"): {"stem", "b"},
    ("p1", "q1"): {"stem", "b", "c"},
}


@pytest.mark.parametrize("decided", RUNS, ids="-".join)
def test_a_decision_runs_what_its_candidates_read(decided):
    """Also what no common condition describes, as `b` here."""
    x = image()
    y = conv("stem")(x)
    a, b, c = conv("a")(y), conv("b")(y), conv("c")(y)
    y = layers.Add()([choice("p", [a, b]), choice("q", [b, c])])
    model = randomize(keras.Model(x, y))
    p, q = decided
    flow = ChannelFlow(choose(model, p=p, q=q))
    scales = [m.scale_of(m.decision()) for m in masks_of(model)]
    reading = read_scales(flow, scales)
    runs = {
        node.name
        for node in flow.graph.nodes
        if reading.runs(node) and isinstance(node.operation, layers.Conv2D)
    }
    assert runs == RUNS[decided]
