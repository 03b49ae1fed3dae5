"""What can be chosen, how it is drawn, and what is known of a child."""

import numpy as np
import pytest
from keras import ops

from keras_nas.layers import ElasticChannels
from keras_nas.layers import ElasticChoice
from keras_nas.layers import ElasticDepth
from keras_nas.layers import ElasticDepthwiseConv2D
from keras_nas.layers import ElasticMBConv
from keras_nas.layers import running_child
from tests.layers.layer_checks import check_serialization


def test_draws_are_uniform_and_independent():
    draws = {}
    for key, (name, seed) in {
        "a": ("a", 0),
        "again": ("a", 0),
        "b": ("b", 0),
        "other": ("a", 1),
    }.items():
        choice = ElasticChoice([1, 2, 3], seed=seed, name=name)
        draws[key] = [int(choice.index(training=True)) for _ in range(300)]
    counts = np.bincount(draws["a"], minlength=3)
    assert counts.sum() == 300 and counts.min() > 70
    assert draws["a"] == draws["again"]
    for key in ("b", "other"):
        same = np.mean(np.equal(draws["a"], draws[key]))
        assert 0.2 < same < 0.47


@pytest.mark.parametrize(
    "options",
    [[], [3, 3], [-1, 1], [4, 2], 4, [1.5], "12", ["a", "a"], ["1", 2], [True]],
)
def test_options_that_are_refused(options):
    with pytest.raises(ValueError, match="`options`"):
        ElasticChoice(options)


def test_options_that_cannot_be_chosen():
    with pytest.raises(ValueError, match="'width'.*Received: 5"):
        ElasticChoice([3, 4], name="width").choose(5)
    for option in (False, 0, "3"):
        with pytest.raises(ValueError, match="'act'.*Received"):
            ElasticChoice(["a", "b"], name="act").choose(option)


def test_options_that_are_names_or_nothing():
    choice = ElasticChoice(["relu", "silu"], name="act")
    choice.choose("relu")
    assert choice.decision() == "relu" and choice.index() == 0
    assert ElasticChoice([0, 3, 5]).decision() == 5
    check_serialization(choice)


@pytest.mark.parametrize("options", [[0, 3], ["3", "5"]])
def test_sizes_must_be_positive(options):
    for value in (options, ElasticChoice(options)):
        with pytest.raises(ValueError, match="increasing positive integers"):
            ElasticMBConv(value)
    with pytest.raises(ValueError, match="numbers of blocks.*depth"):
        ElasticDepth(0, ElasticChoice(["1", "2"], name="depth"))


@pytest.mark.parametrize("options", [[0, 3], ["3", "5"], [-1, 3], [3, 0]])
def test_kernels_must_be_positive(options):
    with pytest.raises(ValueError, match="increasing (positive )?integers"):
        ElasticDepthwiseConv2D(options, padding="same")


@pytest.mark.parametrize("as_index", [int, ops.convert_to_tensor])
def test_a_child_that_is_running_is_certain(as_index):
    a, b = ElasticChoice([1, 2], name="a"), ElasticChoice([1, 3], name="b")
    mask = ElasticChannels([[1, 3], [2, 6]], [a, b])
    average = [1.0, 0.75, 0.5, 0.25, 0.25, 0.25]
    np.testing.assert_allclose(mask.probabilities(), average)
    with running_child([(a, as_index(1))]):
        np.testing.assert_allclose(
            mask.probabilities(), [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
        )
    with running_child([(a, as_index(1)), (b, as_index(0))]):
        for values in (a.probabilities, a.sample, a.inference_scale):
            np.testing.assert_array_equal(values(), [0.0, 1.0])
        for values in (mask.probabilities, mask.sample, mask.inference_scale):
            np.testing.assert_array_equal(values(), [1, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(a.probabilities(), [0.5, 0.5])
