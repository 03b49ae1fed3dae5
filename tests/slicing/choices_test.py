"""Slices of networks with choices: random ones, and ones found wrong once.

`KERAS_NAS_FUZZ_EXAMPLES` and `KERAS_NAS_FUZZ_SEED` are as in `fuzz_test`,
which tries the same for masks on channels alone.
"""

import os
import warnings

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import given
from hypothesis import reject
from hypothesis import seed as hypothesis_seed
from hypothesis import settings
from hypothesis import strategies
from keras import layers

from keras_nas import Architecture
from keras_nas import BlockChoice
from keras_nas import ChannelMask
from keras_nas import ExpectedFLOPs
from keras_nas import count_cost
from keras_nas import slice_model
from tests.common import architecture_of
from tests.common import assert_same_function
from tests.common import assert_slices
from tests.common import choose
from tests.common import choose_at_random
from tests.common import decide
from tests.common import deciders_of
from tests.common import head
from tests.common import mask
from tests.common import randomize
from tests.common import run
from tests.slicing import choice_recipes
from tests.slicing.networks import names

EXAMPLES = int(os.environ.get("KERAS_NAS_FUZZ_EXAMPLES", "48")) // 4
SEED = os.environ.get("KERAS_NAS_FUZZ_SEED")

LEAVES = (
    "conv",
    "depthwise",
    "norm",
    "act",
    "pool",
    "figs",
    "channels",
    "shared_channels",
    "squeeze_excite",
    "residual",
    "concatenate",
)
CHOICES = "choice", "residual_choice", "concatenated_choice"

numbers = strategies.integers(0, 127)
leaf = strategies.tuples(strategies.sampled_from(LEAVES), numbers)


def choices_of(steps):
    recipes = strategies.lists(
        strategies.lists(steps, max_size=4), min_size=1, max_size=3
    )
    return strategies.tuples(strategies.sampled_from(CHOICES), numbers, recipes)


flat = choices_of(leaf)
nested = choices_of(strategies.one_of(leaf, leaf, leaf, flat))
any_step = strategies.one_of(leaf, leaf, flat, nested)


def check(recipe, seed):
    """Builds, decides and slices, and checks all that must hold."""
    model = choice_recipes.build(recipe, seed)
    try:
        assert_slices(choose_at_random(model, seed))
    except ValueError as error:
        if "no shortcut beside it" not in str(error):
            raise
        reject()


def search(examples):
    def decorator(test):
        if SEED is not None:
            test = hypothesis_seed(int(SEED))(test)
        return settings(
            derandomize=SEED is None,
            database=None,
            deadline=None,
            max_examples=examples,
            phases=[Phase.explicit, Phase.generate],  # Shrinking takes minutes.
            suppress_health_check=[HealthCheck.too_slow],
        )(test)

    return decorator


@search(EXAMPLES)
@given(
    strategies.lists(any_step, max_size=3),
    strategies.one_of(flat, nested),
    strategies.lists(any_step, max_size=3),
    strategies.integers(0, 1000),
)
def test_random_networks(before, choice, after, seed):
    check([*before, choice, *after], seed)


# Networks written down: what random ones meet seldom.


def image():
    return keras.Input((6, 6, 4))


def conv(filters=4, kernel=1, **kwargs):
    return layers.Conv2D(filters, kernel, padding="same", **kwargs)


def assert_every_option(inputs, outputs, **decided):
    """Slices the network for each option of its mask `c`."""
    model = randomize(keras.Model(inputs, outputs))
    (mask,) = [m for m in deciders_of(model) if m.name == "c"]
    slices = {}
    for option in mask.options:
        choose(model, c=option, **decided)
        slices[option] = assert_slices(model)[0]
    return slices


def choice(candidates, zero=None):
    options = [chr(ord("a") + i) for i in range(len(candidates))]
    if zero is not None:
        options.insert(0, zero)
    return BlockChoice(options, zero=zero, seed=0, name="c")(candidates)


def types(model):
    return [type(layer).__name__ for layer in model.layers]


def test_only_the_chosen_candidate_is_left():
    x = image()
    y = choice([conv(name="one")(x), conv(name="three", kernel=3)(x)])
    slices = assert_every_option(x, head(y))
    assert "one" in names(slices["a"]) and "three" not in names(slices["a"])
    assert "three" in names(slices["b"]) and "one" not in names(slices["b"])


def test_a_residual_block_disappears():
    x = image()
    shortcut = conv(name="stem")(x)
    y = choice([conv(name="block")(shortcut)], zero="skip")
    slices = assert_every_option(x, head(layers.Add()([shortcut, y])))
    assert types(slices["skip"]) == [
        "InputLayer",
        "Conv2D",
        "GlobalAveragePooling2D",
        "Dense",
    ]
    assert "block" in names(slices["a"])


def test_the_input_of_the_choice_is_a_candidate():
    x = image()
    slices = assert_every_option(x, head(choice([x, conv()(x)])))
    assert types(slices["a"]) == [
        "InputLayer",
        "GlobalAveragePooling2D",
        "Dense",
    ]


@pytest.mark.parametrize("zero", [None, "z"])
def test_normalization_behind_a_choice(zero):
    """Behind nothing at all, its channels are constants."""
    x = image()
    y = choice([conv()(x), conv(kernel=3)(x)], zero)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    assert_every_option(x, head(conv()(layers.Add()([conv()(x), y]))))


def test_channels_behind_a_choice():
    x = image()
    y = choice([conv()(x), conv(kernel=3)(x)], "z")
    y = ChannelMask([1, 3, 4], name="m")(y)
    y = layers.Add()([conv()(x), y])
    for number in (1, 3, 4):
        assert_every_option(x, head(y), m=number)


def test_constants_are_those_of_the_chosen_candidate():
    """What closed masks and a normalization leave of it goes into a bias."""
    x = image()
    closed = [
        layers.BatchNormalization()(mask(name)(conv()(x))) for name in "pq"
    ]
    y = layers.Add()([conv()(x), choice(closed, "z")])
    model = randomize(keras.Model(x, head(y)))
    decide(model, p=[], q=[0])
    for option in "zab":
        assert_slices(choose(model, c=option))


def test_a_gate_is_a_choice():
    x = image()
    y = ChannelMask([2, 4], name="m")(conv()(x))
    pools = layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D
    gates = [conv(activation="sigmoid")(p(keepdims=True)(y)) for p in pools]
    y = layers.Multiply()([y, choice(gates, "z")])
    outputs = layers.Add()([head(y, name="y"), head(x, name="x")])
    for number in (2, 4):
        assert_every_option(x, outputs, m=number)


def test_a_choice_is_the_models_output():
    x = image()
    assert_every_option(x, choice([conv()(x), conv(kernel=3)(x)]))


def test_a_candidate_is_an_output_too():
    x = image()
    a, b = conv()(x), conv(kernel=3)(x)
    slices = assert_every_option(x, [choice([a, b]), a])
    assert len(slices["b"].outputs) == 2


def test_candidates_that_share_a_layer():
    x = image()
    shared = conv(kernel=3)
    b = shared(layers.ReLU()(shared(x)))
    slices = assert_every_option(x, head(choice([shared(x), b])))
    assert count_cost(slices["a"]).params == count_cost(slices["b"]).params


def test_one_choice_at_two_places():
    x = image()
    blocks = BlockChoice(["a", "b"], seed=0, name="c")
    y = blocks([conv()(x), conv(kernel=3)(x)])
    assert_every_option(x, head(blocks([conv()(y), conv(kernel=3)(y)])))


def test_a_choice_in_a_nested_model_that_is_called_twice():
    inside = image()
    y = choice([conv()(inside), conv(kernel=3)(inside)])
    block = keras.Model(inside, y)
    x = image()
    assert_every_option(x, head(block(block(x))))


def test_a_choice_of_channels_that_a_choice_of_blocks_decides():
    x = image()
    y = choice([conv()(x), conv(kernel=3)(x)])
    leader = y._keras_history.operation
    y = ChannelMask([2, 4], decided_by=leader, name="m")(y)
    slices = assert_every_option(x, head(y))
    assert [s.layers[1].filters for s in slices.values()] == [2, 4]


def test_a_dead_mask_removes_the_whole_choice():
    x = image()
    y = mask("m")(choice([conv()(x), conv(kernel=3)(x)]))
    model = randomize(keras.Model(x, head(layers.Add()([x, y]))))
    sliced, _ = assert_slices(choose(decide(model, m=[]), c="a"))
    assert "Conv2D" not in types(sliced)


def test_candidates_of_different_channel_axes_are_kept_whole():
    x = keras.Input((4, 4, 4))
    other = layers.Conv2D(4, 1, data_format="channels_first")(x)
    model = randomize(keras.Model(x, head(choice([conv()(x), other]))))
    sliced = slice_model(choose(model, c="a"))
    assert_same_function(model, sliced)


def test_channels_first():
    first = dict(data_format="channels_first")
    x = keras.Input((4, 6, 6))
    a = layers.Conv2D(4, 1, **first)(x)
    a = ChannelMask([2, 4], axis=1, name="m")(a)
    b = layers.Conv2D(4, 3, padding="same", **first)(x)
    y = layers.GlobalAveragePooling2D(**first)(choice([a, b]))
    model = randomize(keras.Model(x, layers.Dense(2)(y)))
    for option, macs in (("a", 36 * 4 * 2 + 4), ("b", 36 * 9 * 4 * 4 + 8)):
        sliced = slice_model(choose(model, c=option, m=2))
        assert count_cost(sliced).macs == macs
        assert float(ExpectedFLOPs(1.0)(model, dtype="float64")) == macs
        assert sliced.output_shape == (None, 2)


def test_padded_positions_are_masked_as_in_the_slice():
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True)(tokens)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns of masks that are lost.
        y = choice([layers.Dense(4)(x), layers.Dense(4, activation="relu")(x)])
    y = layers.Dense(2)(layers.GlobalAveragePooling1D()(y))
    model = randomize(keras.Model(tokens, y))
    padded = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    for option in "ab":
        sliced = slice_model(choose(model, c=option))
        (a,), (b,) = run(model, padded), run(sliced, padded)
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_nothing_is_chosen_where_the_network_would_end():
    x = image()
    model = randomize(keras.Model(x, choice([conv()(x)], "skip")))
    with pytest.raises(ValueError, match="'c' is for 'skip'.*no shortcut"):
        slice_model(choose(model, c="skip"))
    assert_slices(choose(model, c="a"))


def test_an_architecture_decides():
    x = image()
    y = ChannelMask([2, 4], name="m")(choice([conv()(x), conv(kernel=3)(x)]))
    model = randomize(keras.Model(x, head(y)))
    decided = Architecture("", {"c": "b", "m": 2})
    sliced = slice_model(model, decided)
    assert_same_function(choose(model, c="b", m=2), sliced)
    assert architecture_of(model).decisions == decided.decisions
    for wrong in ({"c": "k", "m": 2}, {"c": 0, "m": 2}, {"c": "a", "m": 3}):
        with pytest.raises(ValueError, match="Expected one of"):
            slice_model(model, Architecture("", wrong))


def test_rounding_leaves_what_is_chosen():
    x = image()
    y = ChannelMask([1, 3, 4], name="m")(choice([conv()(x), conv(9)(x)][:1]))
    model = randomize(keras.Model(x, head(y)))
    sliced = slice_model(choose(model, m=3), channel_multiple=2)
    assert sliced.layers[1].filters == 3


# What may stand between wrapped parts, and what in them: shapes are kept.
POINTWISE = "norm", "act", "figs", "channels", "shared_channels"
INSIDE = (*POINTWISE, "conv", "pool", "squeeze_excite", "residual")
few = strategies.lists
parts = few(
    strategies.tuples(
        few(strategies.tuples(strategies.sampled_from(POINTWISE), numbers)),
        few(
            strategies.tuples(strategies.sampled_from(INSIDE), numbers),
            min_size=1,
            max_size=4,
        ),
    ),
    min_size=1,
    max_size=3,
)


@search(EXAMPLES // 3)
@given(parts, strategies.integers(0, 1000))
def test_random_networks_at_several_resolutions(parts, seed):
    model = choice_recipes.build_at_resolutions(parts, [5, 7, 8], seed)
    assert_slices(choose_at_random(model, seed))
