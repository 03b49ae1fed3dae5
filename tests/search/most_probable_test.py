"""The most probable architecture within a budget, against enumeration."""

import itertools

import keras
import numpy as np
import pytest

import keras_nas
from keras_nas.search.most_probable import by_probability
from keras_nas.search.most_probable import most_probable_within
from tests.fp_nas import ALL
from tests.fp_nas import by_name
from tests.fp_nas import in_order
from tests.fp_nas import macs
from tests.fp_nas import table_search


def tables(seed, sizes=(3, 1, 4, 2)):
    rng = np.random.default_rng(seed)
    return [np.log(rng.dirichlet(np.ones(size))) for size in sizes]


@pytest.mark.parametrize("seed", range(3))
def test_all_combinations_come_once_the_most_probable_first(seed):
    values = tables(seed)
    found = list(by_probability(values))
    every = itertools.product(*(range(len(v)) for v in values))
    assert sorted(map(tuple, found)) == sorted(every)
    scores = [
        sum(v[i] for v, i in zip(values, places, strict=True))
        for places in found
    ]
    np.testing.assert_allclose(scores, sorted(scores, reverse=True))


def test_giant_products_are_not_enumerated():
    values = [np.log(np.full(100, 0.01))] * 50
    assert len(list(itertools.islice(by_probability(values), 50))) == 50


@pytest.mark.parametrize("representation", ["joint", "factorized"])
@pytest.mark.parametrize("target", [6, 13, 21, 33])
def test_the_most_probable_one_within_a_target(representation, target):
    search = table_search(
        regularizer=keras_nas.ExpectedFLOPs(target=target),
        distribution=representation,
    )
    rng = np.random.default_rng(target)
    for logits in search.distribution.logits:
        logits.assign(rng.normal(0.0, 2.0, logits.shape))
    scores = keras.ops.convert_to_numpy(
        search.distribution.log_probability(in_order(search, ALL))
    )
    within = [macs(row) <= target for row in ALL]
    expected = ALL[within][np.argmax(scores[within])]
    found = most_probable_within(
        search.distribution, search.model, search.regularizer, target
    )
    assert by_name(search, found).tolist() == expected.tolist()


@pytest.mark.parametrize("target", [6, 13, 21, 33])
def test_far_from_the_most_probable_one_a_price_decides(target):
    search = table_search(
        regularizer=keras_nas.ExpectedFLOPs(target=target),
        distribution="joint",
    )
    distribution = search.distribution
    (place,) = [
        i for i, name in enumerate(distribution.groups) if name == "row"
    ]
    distribution.joint[place].assign(np.arange(9.0) / 3.0)
    found = most_probable_within(
        distribution, search.model, search.regularizer, target, most=0
    )
    found = by_name(search, found)
    assert macs(found) <= target
    # Larger a and larger b are more probable: none fits in addition.
    for changed in ALL:
        is_next = (changed[:2] - found[:2]).tolist() in ([0, 1], [1, 0])
        if is_next and changed[2] == found[2]:
            assert macs(changed) > target
