import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data.pipeline import evaluation_batches
from keras_nas.data.pipeline import training_batches
from keras_nas.data.pipeline import training_stream

SETTINGS = {"batch_size": 4, "augment": "flip_crop"}


def _examples(count=10, size=8):
    random = np.random.default_rng(0)
    images = random.integers(256, size=(count, size, size, 3), dtype="uint8")
    return tf.data.Dataset.from_tensor_slices(
        (images, np.arange(count, dtype="int32"))
    )


def _collect(batches):
    return [
        (images.copy(), labels.tolist())
        for images, labels in batches.as_numpy_iterator()
    ]


def _assert_same(left, right):
    assert [labels for _, labels in left] == [labels for _, labels in right]
    for (one, _), (other, _) in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_evaluation_keeps_order_and_remainder():
    batches = _collect(evaluation_batches(_examples(), 4))
    assert [labels for _, labels in batches] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]


def test_pixels_are_in_minus_one_to_one():
    images = np.array([[[[0]]], [[[255]]]], "uint8")
    examples = tf.data.Dataset.from_tensor_slices((images, [0, 1]))
    (batch, _), *_ = _collect(evaluation_batches(examples, 2))
    assert batch.dtype == np.float32
    assert batch.ravel().tolist() == [-1.0, 1.0]


def test_training_drops_the_remainder_and_repeats_no_example():
    batches = _collect(training_batches(_examples(), seed=0, **SETTINGS))
    labels = sum((labels for _, labels in batches), [])
    assert len(batches) == 2
    assert len(set(labels)) == 8


def test_training_reshuffles_each_epoch_and_follows_the_seed():
    first = training_batches(_examples(), seed=1, **SETTINGS)
    again = training_batches(_examples(), seed=1, **SETTINGS)
    other = training_batches(_examples(), seed=2, **SETTINGS)
    epochs = [_collect(first) for _ in range(3)]
    for epoch in epochs:
        _assert_same(epoch, _collect(again))
    orders = [[labels for _, labels in epoch] for epoch in epochs]
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != [labels for _, labels in _collect(other)]


def test_an_epoch_of_a_stream_depends_on_seed_and_number_only():
    def stream(epoch, seed=3):
        batches = training_stream(_examples(), epoch, seed=seed, **SETTINGS)
        return _collect(batches.take(6))

    tf.random.set_seed(11)
    whole = stream(0)
    tf.random.set_seed(12)
    _assert_same(whole[4:], stream(2)[:2])
    _assert_same(whole[2:], stream(1)[:4])
    orders = [[labels for _, labels in whole[i : i + 2]] for i in (0, 2, 4)]
    assert orders[0] != orders[1] != orders[2]
    assert [labels for _, labels in stream(0, seed=4)[:2]] != orders[0]


def test_an_epoch_of_a_stream_repeats_no_example():
    batches = training_stream(_examples(8), 0, seed=0, **SETTINGS).take(4)
    labels = [labels for _, labels in _collect(batches)]
    assert sorted(labels[0] + labels[1]) == list(range(8))
    assert sorted(labels[2] + labels[3]) == list(range(8))


def test_streams_read_cached_examples_once():
    reads = []

    def note(label):
        reads.append(int(label))
        return label

    examples = (
        _examples(8)
        .map(
            lambda image, label: (
                image,
                tf.ensure_shape(
                    tf.py_function(note, [label], tf.int32), label.shape
                ),
            )
        )
        .cache()
    )
    for epoch in (0, 5):
        stream = training_stream(examples, epoch, seed=0, **SETTINGS)
        _collect(stream.take(7))
    assert sorted(reads) == list(range(8))


@pytest.mark.parametrize("augment", ["flip", "flip_crop"])
def test_augmentation_flips_about_half(augment):
    ramp = np.linspace(0, 255, 16).astype("uint8")
    images = np.broadcast_to(ramp[None, None, :, None], (400, 16, 16, 1))
    examples = tf.data.Dataset.from_tensor_slices((images, np.arange(400)))
    batches = training_batches(examples, 400, augment, seed=0)
    ((images, _),) = _collect(batches)
    flipped = images[:, 0, 0, 0] > images[:, 0, -1, 0]
    assert 150 < flipped.sum() < 250


def test_crops_move_by_at_most_an_eighth():
    images = np.zeros((300, 16, 16, 1), "uint8")
    images[:, 8, 8] = 255
    examples = tf.data.Dataset.from_tensor_slices((images, np.arange(300)))
    ((images, _),) = _collect(
        training_batches(examples, 300, "flip_crop", seed=0)
    )
    _, rows, columns, _ = np.nonzero(images > 0)
    assert set(rows) == {6, 7, 8, 9, 10}
    assert set(columns) == {5, 6, 7, 8, 9, 10}


def test_without_augmentation_images_are_untouched():
    examples = _examples()
    plain = np.concatenate(
        [images for images, _ in _collect(evaluation_batches(examples, 10))]
    )
    for images, labels in _collect(training_batches(examples, 4, "none", 0)):
        np.testing.assert_array_equal(images, plain[labels])
