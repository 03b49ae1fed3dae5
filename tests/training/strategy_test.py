"""Strategies by name, and the iterators that a mirrored one keeps."""

import gc
import weakref

import pytest
import tensorflow as tf

from keras_nas.training import find_strategy
from keras_nas.training import is_chief
from keras_nas.training import worker_of
from tests.fp_nas import elastic_data
from tests.fp_nas import elastic_model
from tests.fp_nas import elastic_search


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="argument `name`.*'tpu_pod'"):
        find_strategy("tpu_pod")


@pytest.mark.parametrize("name, number", [("default", 2), ("mirrored", 0)])
def test_replicas_are_of_a_mirrored_strategy(name, number):
    with pytest.raises(ValueError, match="`replicas`.*'mirrored' only"):
        find_strategy(name, replicas=number)


def test_devices_cannot_be_divided_later():
    tf.constant(0.0)  # TensorFlow begins.
    with pytest.raises(ValueError, match="`replicas`.*at most"):
        find_strategy("mirrored", replicas=99)


def test_what_strategies_need_is_asked_for(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="variable TF_CONFIG.*not set"):
        find_strategy("multi_worker")
    with pytest.raises(ValueError, match="argument `tpu`.*can be reached"):
        find_strategy("tpu")


def test_one_process_is_the_chief():
    for name in ("default", "mirrored"):
        strategy = find_strategy(name)
        assert worker_of(strategy) == (0, 1) and is_chief(strategy)


def test_layers_in_a_loop_are_not_synchronized():
    with find_strategy("mirrored").scope():
        search = elastic_search(elastic_model(synchronized=True))
    with pytest.raises(ValueError, match="`synchronized=True`.*'norm0'"):
        search.fit(*elastic_data(), batch_size=8, verbose=0)


def test_default_strategy_has_one_replica():
    assert find_strategy("default").num_replicas_in_sync == 1


def test_an_iterator_is_deleted_after_two_others_were_started():
    data = tf.data.Dataset.range(6).batch(2)
    data = find_strategy("mirrored").experimental_distribute_dataset(data)
    assert data.element_spec.dtype == "int64"
    alive = []

    def read():
        iterator = iter(data)
        alive.append(weakref.ref(iterator))
        return next(iterator).numpy().tolist()

    for _ in range(3):
        assert read() == [0, 1]
        gc.collect()
    assert [reference() is None for reference in alive] == [True, False, False]
    assert sum(len(batch) for batch in data) == 6
