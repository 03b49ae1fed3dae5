import shutil

import numpy as np
import pytest

from keras_nas.data import load


def test_the_default_is_the_embedded_data_set(photo_dir):
    data = load(image_size=16, batch_size=64, data_dir=photo_dir)
    assert data.name == "photo_patches"
    assert data.num_classes == len(data.class_names) == 10
    assert data.input_shape == (16, 16, 3)
    assert data.splits["search"] == "search"
    assert [data.steps(s) for s in ("search", "train")] == [62, 62]
    assert [data.steps(s) for s in ("validation", "test")] == [16, 63]
    for batches in (data.search, data.train, data.validation, data.test):
        images, labels = next(batches.as_numpy_iterator())
        assert images.shape == (64, 16, 16, 3)
        assert images.dtype == np.float32
        assert -1 <= images.min() < images.max() <= 1
        assert labels.dtype == np.int32
        assert len(np.unique(labels)) > 5


def test_evaluation_sees_every_example(photo_dir):
    data = load(batch_size=300, data_dir=photo_dir)
    labels = np.concatenate([labels for _, labels in data.validation])
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, 100))


def test_equal_seeds_give_equal_batches(tiny_dir):
    def labels(seed):
        data = load(
            "tiny_for_tests/labelled",
            image_size=4,
            batch_size=18,
            data_dir=tiny_dir,
            seed=seed,
        )
        return [
            next(batches.as_numpy_iterator())[1].tolist()
            for batches in (data.search, data.train, data.stream("train", 2))
        ]

    first = labels(0)
    assert first == labels(0)
    assert all(a != b for a, b in zip(first, labels(1), strict=True))


def test_a_foreign_data_set_gets_disjoint_splits(tiny_dir):
    data = load(
        "tiny_for_tests/labelled",
        image_size=(4, 6),
        batch_size=3,
        data_dir=tiny_dir,
        augment="none",
    )
    assert data.input_shape == (4, 6, 1)
    assert data.class_names == ("dark", "bright")
    assert data.cardinalities == {
        "search": 18,
        "train": 18,
        "validation": 4,
        "test": 12,
    }
    images, labels = next(data.train.as_numpy_iterator())
    assert images.shape == (3, 4, 6, 1)
    expected = (50 + 100 * labels) / 127.5 - 1
    np.testing.assert_allclose(images[:, 0, 0, 0], expected, atol=1e-6)


def test_an_unlabelled_test_split_is_replaced_or_refused(tiny_dir):
    settings = {"image_size": 4, "batch_size": 2, "data_dir": tiny_dir}
    data = load("tiny_for_tests/unlabelled", **settings)
    assert data.splits["test"] == "validation"
    with pytest.raises(ValueError, match="test='test' was published without"):
        load("tiny_for_tests/unlabelled", splits={"test": "test"}, **settings)


def test_an_overlapping_test_split_is_refused(photo_dir):
    with pytest.raises(ValueError, match="test='test\\+train' overlap"):
        load(splits={"test": "test+train"}, data_dir=photo_dir)


def test_images_of_unequal_sizes_need_a_size(tiny_dir):
    with pytest.raises(ValueError, match="`image_size`.*differ in size"):
        load("tiny_for_tests/labelled", batch_size=2, data_dir=tiny_dir)


def test_garbage_in_a_file_is_named(tiny_dir, tmp_path):
    shutil.copytree(tiny_dir, tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.glob("tiny_for_tests/labelled/1.0.0/*-test.tfrecord*")
    file.write_bytes(b"?" * file.stat().st_size)
    with pytest.raises(ValueError, match="split 'test' cannot be read"):
        load("tiny_for_tests/labelled", image_size=4, data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 2.0),
        ("batch_size", 4001),
        ("seed", -1),
        ("seed", None),
        ("augment", "mirror"),
        ("crop", "centre"),
        ("image_size", 0),
        ("image_size", "large"),
        ("image_size", (8, 8, 3)),
    ],
)
def test_bad_arguments_are_refused(photo_dir, argument, value):
    message = f"argument `{argument}`. Expected .* Received: {argument}="
    with pytest.raises(ValueError, match=message):
        load(data_dir=photo_dir, **{argument: value})


def test_random_parts_are_not_moved_besides(photo_dir):
    with pytest.raises(ValueError, match="`augment`.*parts .* random already"):
        load(data_dir=photo_dir, crop="inception", augment="flip_crop")


def test_unknown_streams_are_refused(tiny_dir):
    name = "tiny_for_tests/labelled"
    data = load(name, image_size=4, batch_size=2, data_dir=tiny_dir)
    with pytest.raises(ValueError, match="`split`.*'search', 'train'"):
        data.stream("test")
    with pytest.raises(ValueError, match="`split`"):
        data.steps("training")
    with pytest.raises(ValueError, match="`epoch`"):
        data.stream("train", epoch=-1)
