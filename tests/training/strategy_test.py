"""Strategies by name, and the iterators that a mirrored one keeps."""

import gc
import weakref

import pytest
import tensorflow as tf

from keras_nas.training import find_strategy


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="argument `name`.*'tpu_pod'"):
        find_strategy("tpu_pod")


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
