import numpy as np
import pytest
import tensorflow as tf

from keras_nas.data.pipeline import Training
from keras_nas.data.pipeline import evaluation_batches
from keras_nas.data.pipeline import training_batches
from keras_nas.data.pipeline import training_stream
from keras_nas.data.reading import Examples


def _training(seed=0, batch_size=4, augment="flip_crop", **kwargs):
    return Training(batch_size=batch_size, augment=augment, seed=seed, **kwargs)


def _examples_of(images):
    labels = np.arange(len(images), dtype="int32")
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    return Examples(dataset, len(images), len(images) + 1)


def _examples(count=10, size=8):
    random = np.random.default_rng(0)
    shape = (count, size, size, 3)
    return _examples_of(random.integers(256, size=shape, dtype="uint8"))


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
    (batch, _), *_ = _collect(evaluation_batches(_examples_of(images), 2))
    assert batch.dtype == np.float32
    assert batch.ravel().tolist() == [-1.0, 1.0]


def test_training_drops_the_remainder_and_repeats_no_example():
    batches = _collect(training_batches(_examples(), _training(0)))
    labels = sum((labels for _, labels in batches), [])
    assert len(batches) == 2
    assert len(set(labels)) == 8


def test_training_reshuffles_each_epoch_and_follows_the_seed():
    first = training_batches(_examples(), _training(1))
    again = training_batches(_examples(), _training(1))
    other = training_batches(_examples(), _training(2))
    epochs = [_collect(first) for _ in range(3)]
    for epoch in epochs:
        _assert_same(epoch, _collect(again))
    orders = [[labels for _, labels in epoch] for epoch in epochs]
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != [labels for _, labels in _collect(other)]


def test_an_epoch_of_a_stream_depends_on_seed_and_number_only():
    def stream(epoch, seed=3):
        batches = training_stream(_examples(), epoch, _training(seed))
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
    batches = training_stream(_examples(8), 0, _training()).take(4)
    labels = [labels for _, labels in _collect(batches)]
    assert sorted(labels[0] + labels[1]) == list(range(8))
    assert sorted(labels[2] + labels[3]) == list(range(8))


def test_streams_read_cached_examples_once():
    reads = []

    def note(label):
        reads.append(int(label))
        return label

    dataset = (
        _examples(8)
        .dataset.map(
            lambda image, label: (
                image,
                tf.ensure_shape(
                    tf.py_function(note, [label], tf.int32), label.shape
                ),
            )
        )
        .cache()
    )
    examples = Examples(dataset, 8, 9)
    for epoch in (0, 5):
        stream = training_stream(examples, epoch, _training())
        _collect(stream.take(7))
    assert sorted(reads) == list(range(8))


@pytest.mark.parametrize("augment", ["flip", "flip_crop"])
def test_augmentation_flips_about_half(augment):
    ramp = np.linspace(0, 255, 16).astype("uint8")
    images = np.broadcast_to(ramp[None, None, :, None], (400, 16, 16, 1))
    training = _training(batch_size=400, augment=augment)
    batches = training_batches(_examples_of(images), training)
    ((images, _),) = _collect(batches)
    flipped = images[:, 0, 0, 0] > images[:, 0, -1, 0]
    assert 150 < flipped.sum() < 250


def test_crops_move_by_at_most_an_eighth():
    images = np.zeros((300, 16, 16, 1), "uint8")
    images[:, 8, 8] = 255
    training = _training(batch_size=300)
    ((images, _),) = _collect(training_batches(_examples_of(images), training))
    _, rows, columns, _ = np.nonzero(images > 0)
    assert set(rows) == {6, 7, 8, 9, 10}
    assert set(columns) == {5, 6, 7, 8, 9, 10}


def test_without_augmentation_images_are_untouched():
    examples = _examples()
    plain = np.concatenate(
        [images for images, _ in _collect(evaluation_batches(examples, 10))]
    )
    for images, labels in _collect(
        training_batches(examples, _training(augment="none"))
    ):
        np.testing.assert_array_equal(images, plain[labels])
