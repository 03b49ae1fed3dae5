import json
import os
import shutil

import pytest

from keras_nas.data.builders import find_builder
from keras_nas.data.builders import find_keys


def _copy(source, target):
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target / "tiny_for_tests" / "labelled" / "1.0.0"


def test_an_unprepared_data_set_is_not_downloaded(tmp_path):
    with pytest.raises(ValueError, match="tfds build cifar10 --data_dir="):
        find_builder("cifar10", data_dir=str(tmp_path))
    assert not os.listdir(tmp_path)


def test_download_is_passed_on(tmp_path):
    # The data set of the tests is made without a download.
    name = "tiny_for_tests/labelled"
    hint = rf"`download=True`.*tfds build {name} --data_dir={tmp_path}`"
    with pytest.raises(ValueError, match=hint):
        find_builder(name, data_dir=str(tmp_path))
    assert find_builder(name, str(tmp_path), download=True).is_prepared()


def test_an_unknown_name_lists_close_ones(tmp_path):
    with pytest.raises(ValueError, match="Close names: .*'photo_patches'"):
        find_builder("foto_patches", data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["cifar10:9.9.9", "cifar10/none", "a b", 3])
def test_other_bad_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="Invalid value.*Received: name="):
        find_builder(name, data_dir=str(tmp_path))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(ValueError, match="`data_dir`.*could not be made"):
        find_builder("photo_patches", data_dir=str(blocked))


def _forget_splits(path):
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"splits": []}))


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("dataset_info.json", lambda path: path.write_text("{"), "TFDS says"),
        (
            "dataset_info.json",
            _forget_splits,
            "no splits are recorded",
        ),
        ("dataset_info.json", os.remove, "`dataset_info.json` is missing"),
        ("*-test.tfrecord*", os.remove, "'test' is missing"),
        (
            "*-train.tfrecord*",
            lambda path: os.truncate(path, 100),
            "'train' is cut short",
        ),
    ],
)
def test_damaged_files_are_refused(tiny_dir, tmp_path, file, damage, message):
    folder = _copy(tiny_dir, tmp_path)
    damage(next(folder.glob(file)))
    with pytest.raises(ValueError, match=f"`data_dir`.*{message}"):
        find_builder("tiny_for_tests/labelled", data_dir=str(tmp_path))


def test_keys_are_found_by_their_kind(tiny_dir):
    info = find_builder("tiny_for_tests/labelled", tiny_dir).info
    assert info.supervised_keys is None
    assert find_keys(info) == ("picture", "brightness")


def test_a_data_set_without_classes_is_refused(tiny_dir):
    info = find_builder("tiny_for_tests/regression", tiny_dir).info
    with pytest.raises(ValueError, match="one `Image` and one `ClassLabel`"):
        find_keys(info)
